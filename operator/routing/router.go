package routing

import (
	"goflink/core/stream"
	"goflink/operator"
)

// open holds one open batch per channel and knows when to hand it on.
type open[T any] struct {
	w       operator.ChannelWriter
	t       *Type[T]
	batches []*stream.Batch[T]
	// fixed is the most records a batch may have by its bytes if all records are of one size,
	// else 0.
	fixed int
}

func newOpen[T any](t *Type[T], w operator.ChannelWriter) open[T] {
	o := open[T]{w: w, t: t, batches: make([]*stream.Batch[T], w.Channels())}
	if _, ok := t.Info().FixedSize(); ok && !t.Info().Mutable() {
		size := max(1, t.Info().MemSize(new(T)))
		o.fixed = max(1, min(stream.MaxBatchRecords, stream.MaxBatchBytes/size))
	}
	return o
}

// sampled is how many records of a batch are measured to find their mean size.
const sampled = 32

// limit returns how many records of b's kind an open batch may have: by the mean size of some of
// them.
func (o *open[T]) limit(b *stream.Batch[T]) int {
	if o.fixed > 0 {
		return o.fixed
	}
	n := len(b.Values)
	if n == 0 {
		return stream.MaxBatchRecords
	}
	info, step := o.t.Info(), max(1, n/sampled)
	size, count := 0, 0
	for i := 0; i < n; i += step {
		size += info.MemSize(&b.Values[i])
		count++
	}
	mean := max(1, size/count)
	return max(1, min(stream.MaxBatchRecords, stream.MaxBatchBytes/mean))
}

func (o *open[T]) batch(channel int) *stream.Batch[T] {
	b := o.batches[channel]
	if b == nil {
		b = o.t.NewBatch()
		o.batches[channel] = b
	}
	return b
}

func (o *open[T]) put(channel int) error {
	b := o.batches[channel]
	if b == nil || len(b.Values) == 0 {
		return nil
	}
	o.batches[channel] = nil
	return o.w.Put(channel, b)
}

// appendRange adds records [from, to) of b to a channel.
func (o *open[T]) appendRange(channel int, b *stream.Batch[T], from, to, limit int) error {
	for from < to {
		dst := o.batch(channel)
		n := min(to-from, limit-len(dst.Values))
		if n > 0 {
			dst.AppendRange(b, from, from+n)
			from += n
		}
		if len(dst.Values) >= limit {
			if err := o.put(channel); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush hands on open batches: those whose receiver waits, or with all set, every one.
func (o *open[T]) Flush(all bool) error {
	for i, b := range o.batches {
		if b != nil && len(b.Values) > 0 && (all || o.w.Hungry(i)) {
			if err := o.put(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *open[T]) broadcast(e stream.Element) error {
	if err := o.Flush(true); err != nil {
		return err
	}
	return o.w.Broadcast(e)
}

// Watermark hands w to all channels.
func (o *open[T]) Watermark(w int64) error {
	return o.broadcast(stream.Element{Kind: stream.KindWatermark, Watermark: w})
}

// Status hands s to all channels.
func (o *open[T]) Status(s stream.Status) error {
	return o.broadcast(stream.Element{Kind: stream.KindStatus, Status: s})
}

// Latency hands m to all channels.
func (o *open[T]) Latency(m stream.LatencyMarker) error {
	return o.broadcast(stream.Element{Kind: stream.KindLatency, Latency: &m})
}
