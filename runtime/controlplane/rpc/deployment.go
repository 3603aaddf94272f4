package rpc

import (
	"fmt"
	"sync"
	"time"
	"unsafe"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/controlpb"
)

// maxLists is how many lists of producers a connection remembers. The consumers of an all-to-all
// edge share one list (controlplane.InputDeployment), which is as long as the producer is wide: it
// is sent to each worker once, not once per task.
const maxLists = 64

// producerLists numbers the lists that were sent on one connection.
type producerLists struct {
	mu   sync.Mutex
	last uint64
	// recent are the last lists by where they lie in memory; they are kept, so that no other list
	// can lie there.
	recent [maxLists][]controlplane.Producer
}

// encode makes the message of a deployment. The lists are locked.
func (l *producerLists) encode(d *controlplane.TaskDeployment) *controlpb.Submit {
	m := &controlpb.Submit{Attempt: encodeAttempt(d.Attempt), Allocation: d.Allocation[:],
		Vertex: uint32(d.Vertex)}
	if d.Restore != nil {
		m.Restore = encodeJSON(d.Restore)
	}
	for _, n := range d.Outputs {
		m.Outputs = append(m.Outputs, uint32(n))
	}
	for i := range d.Inputs {
		m.Inputs = append(m.Inputs, l.input(&d.Inputs[i]))
	}
	return m
}

func (l *producerLists) input(d *controlplane.InputDeployment) *controlpb.Input {
	in := &controlpb.Input{Channel: uint32(d.Channel)}
	for _, c := range d.Channels {
		in.Channels = append(in.Channels, uint32(c))
	}
	if n := l.find(d.Producers); n > 0 {
		in.List = n
		return in
	}
	l.last++
	l.recent[l.last%maxLists] = d.Producers
	in.List = l.last
	for i := range d.Producers {
		p := &d.Producers[i]
		in.Producers = append(in.Producers, &controlpb.Producer{
			Attempt: encodeAttempt(p.Partition.Producer), Output: uint32(p.Partition.Output),
			Worker: string(p.Worker), Address: p.Address})
	}
	return in
}

// find returns the number of a list that the other side still knows, or 0.
func (l *producerLists) find(ps []controlplane.Producer) uint64 {
	for n := l.last; n > 0 && n+maxLists > l.last; n-- {
		known := l.recent[n%maxLists]
		if len(known) == len(ps) && unsafe.SliceData(known) == unsafe.SliceData(ps) {
			return n
		}
	}
	return 0
}

// listMemory is the other end of producerLists.
type listMemory struct {
	last   uint64
	recent [maxLists][]controlplane.Producer
}

func (l *listMemory) decode(m *controlpb.Submit) (d *controlplane.TaskDeployment, err error) {
	d = &controlplane.TaskDeployment{Vertex: int(m.Vertex)}
	for i, in := range m.Inputs {
		x := controlplane.InputDeployment{Channel: int(in.Channel)}
		for _, c := range in.Channels {
			x.Channels = append(x.Channels, int(c))
		}
		if x.Producers, err = l.list(in); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
		if x.Channels != nil && len(x.Channels) != len(x.Producers) {
			return nil, fmt.Errorf("%w: input %d has %d channels of %d producers", ErrCorrupt, i,
				len(x.Channels), len(x.Producers))
		}
		d.Inputs = append(d.Inputs, x)
	}
	for _, n := range m.Outputs {
		d.Outputs = append(d.Outputs, int(n))
	}
	if d.Attempt, err = decodeAttempt(m.Attempt); err != nil {
		return nil, err
	}
	if d.Allocation, err = decodeID[id.Allocation](m.Allocation); err != nil {
		return nil, err
	}
	if len(m.Restore) > 0 {
		d.Restore, err = decodeJSON[*controlplane.TaskRestore](m.Restore)
	}
	return d, err
}

func (l *listMemory) list(in *controlpb.Input) ([]controlplane.Producer, error) {
	if in.List == l.last+1 {
		ps := make([]controlplane.Producer, len(in.Producers))
		for i, p := range in.Producers {
			a, err := decodeAttempt(p.Attempt)
			if err != nil {
				return nil, err
			}
			ps[i] = controlplane.Producer{Worker: id.Worker(p.Worker), Address: p.Address,
				Partition: id.Partition{Producer: a, Output: int32(p.Output)}}
		}
		l.last++
		l.recent[l.last%maxLists] = ps
		return ps, nil
	}
	if in.List == 0 || in.List > l.last || in.List+maxLists <= l.last || len(in.Producers) > 0 {
		return nil, fmt.Errorf("%w: list %d of producers after list %d", ErrCorrupt, in.List,
			l.last)
	}
	return l.recent[in.List%maxLists], nil
}

func encodeTrigger(a id.Attempt, b *stream.Barrier) *controlpb.TriggerCheckpoint {
	return &controlpb.TriggerCheckpoint{Attempts: encodeAttempts([]id.Attempt{a}),
		Checkpoint: b.Checkpoint, Triggered: b.Triggered, Alignment: uint32(b.Alignment),
		AlignTimeout: b.AlignTimeout, Savepoint: uint32(b.Savepoint), Full: b.Full,
		Target: b.Target}
}

func decodeTrigger(m *controlpb.TriggerCheckpoint) ([]id.Attempt, *stream.Barrier, error) {
	as, err := decodeAttempts(m.Attempts)
	return as, &stream.Barrier{Checkpoint: m.Checkpoint, Triggered: m.Triggered,
		Alignment: stream.Alignment(m.Alignment), AlignTimeout: m.AlignTimeout,
		Savepoint: stream.SavepointKind(m.Savepoint), Full: m.Full, Target: m.Target}, err
}

func encodeNotify(as []id.Attempt, checkpoint uint64) *controlpb.Notify {
	return &controlpb.Notify{Attempts: encodeAttempts(as), Checkpoint: checkpoint}
}

func encodeOperatorEvent(a id.Attempt, op id.Operator, event []byte) *controlpb.OperatorEvent {
	return &controlpb.OperatorEvent{Attempt: encodeAttempt(a), Operator: op[:], Event: event}
}

func decodeOperatorEvent(m *controlpb.OperatorEvent) (a id.Attempt, op id.Operator, err error) {
	if a, err = decodeAttempt(m.Attempt); err == nil {
		op, err = decodeID[id.Operator](m.Operator)
	}
	return a, op, err
}

func decodeSample(m *controlpb.SampleBackpressure) (controlplane.BackpressureRequest, error) {
	as, err := decodeAttempts(m.Attempts)
	return controlplane.BackpressureRequest{Request: int(m.Request), Attempts: as,
		Samples: int(m.Samples), Delay: time.Duration(m.DelayNs)}, err
}
