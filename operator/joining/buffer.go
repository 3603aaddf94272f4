package joining

import (
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/operator/process"
)

// bucket holds the records of one key and timestamp on one side, in the order in which they came.
type bucket[T any] struct {
	First T
	More  []T
}

// buffer holds the records of one side. Its map keys are timestamps.
type buffer[T any] struct {
	name    string
	lateTag string
	// keep is for how long after its timestamp a record is of use.
	keep  int64
	table statebackend.MapTable[bucket[T]]

	first func(mapKey []byte, b *bucket[T]) (bool, error)
	old   func(mapKey []byte, b *bucket[T]) (bool, error)
	// earliest is the first timestamp that a call of first or old found, if found is set.
	earliest int64
	found    bool
	// watermark is what old compares with, expired what it found to be of no more use.
	watermark int64
	expired   []int64
	scratch   []byte
}

// open opens the state behind the buffer.
func (b *buffer[T]) open(k statebackend.Keyed) error {
	table, err := state.OpenMapTable[bucket[T]](k, state.MapSpec[int64, bucket[T]](b.name, nil))
	if err != nil {
		return err
	}
	b.table = table
	b.first = func(mapKey []byte, _ *bucket[T]) (bool, error) {
		b.earliest, b.found = parse(mapKey), true
		return false, nil
	}
	b.old = func(mapKey []byte, _ *bucket[T]) (bool, error) {
		time := parse(mapKey)
		if plus(time, b.keep) > b.watermark {
			b.earliest, b.found = time, true
			return false, nil
		}
		b.expired = append(b.expired, time)
		return true, nil
	}
	return nil
}

// parse reads a timestamp from a map key: the canonical bytes of an int64.
func parse(mapKey []byte) int64 { return statetable.ParseTime(mapKey) }

func (b *buffer[T]) mapKey(time int64) []byte {
	b.scratch = statetable.AppendTime(b.scratch[:0], time)
	return b.scratch
}

// add adds a record of the current key, and sets a timer if none is early enough to remove it in
// time: that of the key's earliest record is set already.
func (b *buffer[T]) add(v T, time int64, timers *process.TimerService) error {
	p, found, err := b.table.Upsert(nil, b.mapKey(time))
	if err != nil {
		return err
	}
	if found {
		p.More = append(p.More, v)
		return nil
	}
	p.First = v
	b.found = false
	if err := b.table.Range(nil, b.first); err != nil || b.earliest != time {
		return err
	}
	return timers.RegisterEventTimeTimer(plus(time, b.keep))
}

// expire removes the records of the current key that are of no use at a watermark, and sets the
// timer for the first that stays.
func (b *buffer[T]) expire(watermark int64, timers *process.TimerService) error {
	b.watermark, b.expired, b.found = watermark, b.expired[:0], false
	if err := b.table.Range(nil, b.old); err != nil {
		return err
	}
	for _, time := range b.expired {
		if err := b.table.Delete(nil, b.mapKey(time)); err != nil {
			return err
		}
	}
	if !b.found {
		return nil
	}
	return timers.RegisterEventTimeTimer(plus(b.earliest, b.keep))
}
