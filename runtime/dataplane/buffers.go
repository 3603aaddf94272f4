package dataplane

import "fmt"

// Bounds of a segment's size.
const (
	minSegmentBytes = 256
	maxSegmentBytes = 16 << 20
)

// Buffers says how much an exchange may hold, counted in segments as Flink's options count. The
// zero value of a field means its default.
type Buffers struct {
	// SegmentBytes is taskmanager.memory.segment-size; 32 KiB.
	SegmentBytes int
	// PerChannel is taskmanager.network.memory.buffers-per-channel; 2.
	PerChannel int
	// Floating is taskmanager.network.memory.floating-buffers-per-gate; 8.
	Floating int
	// MaxPerChannel is taskmanager.network.memory.max-buffers-per-channel; 10.
	MaxPerChannel int
}

// EnsureDefaults fills in what is zero and checks the rest.
func (b *Buffers) EnsureDefaults() error {
	setDefault(&b.SegmentBytes, 32<<10)
	setDefault(&b.PerChannel, 2)
	setDefault(&b.Floating, 8)
	setDefault(&b.MaxPerChannel, 10)
	if b.SegmentBytes < minSegmentBytes || b.SegmentBytes > maxSegmentBytes {
		return fmt.Errorf("taskmanager.memory.segment-size is %d bytes: want %d to %d",
			b.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	}
	if b.PerChannel < 0 || b.Floating < 0 || b.MaxPerChannel < 0 {
		return fmt.Errorf("taskmanager.network.memory: %d buffers per channel, %d floating, "+
			"at most %d per channel: none may be negative", b.PerChannel, b.Floating,
			b.MaxPerChannel)
	}
	return nil
}

func setDefault(v *int, def int) {
	if *v == 0 {
		*v = def
	}
}

// segments is how many segments a gate or partition of n channels may hold.
func (b *Buffers) segments(n int) int { return n*b.PerChannel + b.Floating }

// limits are the bounds of a partition's queues in bytes. Above soft the producer shall stop, and
// goes on once it is down to resume; above hard it must.
type limits struct {
	channelSoft, channelResume, channelHard int64
	totalSoft, totalResume, totalHard       int64
}

// limits derives the bounds of a partition of n channels. They are apart from each other so that
// producer and consumer do not wake each other for each batch.
func (b *Buffers) limits(n int) limits {
	channel := int64(b.SegmentBytes) * int64(b.MaxPerChannel)
	total := int64(b.SegmentBytes) * int64(b.segments(n))
	channel = min(channel, total)
	return limits{
		channelSoft: channel, channelResume: channel / 2, channelHard: 2 * channel,
		totalSoft: total, totalResume: total - total/4, totalHard: 2 * total,
	}
}
