package windowing

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/core/window"
)

// maxSpread is how many buckets the records of a batch are sorted into by scanning it for each; if
// they spread wider, they are taken one by one.
const maxSpread = 32

// bucket is one interval of time whose contents are one namespace of state: a window, or a pane.
type bucket[Acc any] struct {
	index      int64 // in the grid
	start, end int64
	ns         []byte
	space      statebackend.Space[Acc]
}

// ingest sorts records into buckets. It is the common part of the strategies whose windows lie
// alike for all keys.
type ingest[T, K any, W Window, Acc, R, Out any] struct {
	base[T, K, W, R, Out]
	fold  fold[T, Acc, R]
	clone func(Acc) Acc // nil unless accumulators are changed in place
	table statebackend.Table[Acc]
	// windows are those of the assigner, buckets what state is kept by.
	windows, buckets grid
	// live are the buckets with records, by index; recent is the one used last.
	live   []*bucket[Acc]
	recent *bucket[Acc]

	// closed is called after a record was added to a bucket that has ended by now, the time of its
	// key; p is what the bucket holds for the key.
	closed func(bk *bucket[Acc], r *record[T], p *Acc, now int64) error
	// due returns the time at which the next window of processing time ends; ok is false if none is
	// under way.
	due func() (end int64, ok bool)
	// advance fires the windows that end at or before a time.
	advance func(now int64) error
	// update is add as a function value, made once.
	update func(i int, p *Acc, found bool) error
	// at hand, for update: the values, and which of them (nil: all) are added.
	values []T
	picked []int32
	// room for what is picked of a batch.
	pickRoom, onTimeRoom []int32
	hashRoom             []uint64
	keyRoom              [][]byte
	timer                timer
}

// record is one record with its key.
type record[T any] struct {
	value T
	time  int64
	hash  uint64
	key   []byte
}

// init prepares the parts that refer to o itself.
func (o *ingest[T, K, W, Acc, R, Out]) init(p *plan[T, K, W, Acc, R, Out]) {
	size, slide, offset := any(p.spec.Assigner).(window.Aligned).Aligned()
	o.windows = grid{size: size, slide: slide, offset: offset}
	o.fold, o.clone = p.fold, p.clone
	o.update = o.add
	o.pickRoom = make([]int32, 0, stream.MaxBatchRecords)
}

// openTable opens the state of contents and finds the buckets in it.
func (o *ingest[T, K, W, Acc, R, Out]) openTable(spec statebackend.TableSpec) error {
	table, err := state.OpenTable[Acc](o.keyed, spec)
	if err != nil {
		return err
	}
	o.table = table
	return table.Namespaces(func(ns []byte) error {
		w, err := window.ParseTime(ns)
		if err != nil {
			return fmt.Errorf("state %q: %w", spec.Name, err)
		}
		k := o.buckets.last(w.Start)
		if o.buckets.start(k) != w.Start || o.buckets.end(k) != w.End {
			return fmt.Errorf("state %q was written by windows of another size, slide or offset: "+
				"it holds %v; restore it with the windows that it was written with, or give the "+
				"operator another UID", spec.Name, w)
		}
		bk, err := o.newBucket(k)
		o.live = append(o.live, bk)
		return err
	})
}

func (o *ingest[T, K, W, Acc, R, Out]) newBucket(k int64) (*bucket[Acc], error) {
	bk := &bucket[Acc]{index: k, start: o.buckets.start(k), end: o.buckets.end(k)}
	bk.ns = window.Time{Start: bk.start, End: bk.end}.Append(nil)
	var err error
	bk.space, err = o.table.Space(bk.ns)
	return bk, err
}

// find returns the live bucket k, or the place where it would be inserted.
func (o *ingest[T, K, W, Acc, R, Out]) find(k int64) (at int, ok bool) {
	return slices.BinarySearchFunc(o.live, k, func(bk *bucket[Acc], k int64) int {
		switch {
		case bk.index < k:
			return -1
		case bk.index > k:
			return 1
		}
		return 0
	})
}

// bucketOf returns bucket k, making it if need be.
func (o *ingest[T, K, W, Acc, R, Out]) bucketOf(k int64) (*bucket[Acc], error) {
	if o.recent != nil && o.recent.index == k {
		return o.recent, nil
	}
	at, ok := o.find(k)
	if !ok {
		bk, err := o.newBucket(k)
		if err != nil {
			return nil, err
		}
		o.live = slices.Insert(o.live, at, bk)
	}
	o.recent = o.live[at]
	return o.recent, nil
}

// dropFirst removes the n first buckets with their state.
func (o *ingest[T, K, W, Acc, R, Out]) dropFirst(n int) error {
	for _, bk := range o.live[:n] {
		if err := bk.space.Drop(); err != nil {
			return err
		}
	}
	if n > 0 {
		o.live = slices.Delete(o.live, 0, n)
		o.recent = nil
	}
	return nil
}

// Batch adds records to their buckets.
func (o *ingest[T, K, W, Acc, R, Out]) Batch(b *stream.Batch[T]) error {
	if len(b.Values) == 0 {
		return nil
	}
	hashes, keys := o.keys.read(b)
	low, high, err := o.span(b)
	if err == nil && o.progress.ahead != nil {
		err = o.oneByOne(b, hashes, keys)
	} else if err == nil {
		err = o.sort(b, hashes, keys, low, high)
	}
	o.values = nil
	if err != nil {
		return err
	}
	o.arm()
	return o.flush()
}

// Watermark fires the windows of event time that end at or before w.
func (o *ingest[T, K, W, Acc, R, Out]) Watermark(w int64) error {
	o.watermark = w
	if o.event {
		if err := o.advance(w); err != nil {
			return err
		}
		if err := o.flush(); err != nil {
			return err
		}
	}
	return o.Forward.Watermark(w)
}

// arm sets the timer of the next window of processing time that ends.
func (o *ingest[T, K, W, Acc, R, Out]) arm() {
	if o.event {
		return
	}
	if end, ok := o.due(); ok {
		o.timer.set(o.rt, end, o.onTimer)
	}
}

// onTimer fires the windows of processing time that have ended.
func (o *ingest[T, K, W, Acc, R, Out]) onTimer() error {
	o.timer.done()
	if err := o.advance(o.rt.Now() - 1); err != nil {
		return err
	}
	o.arm()
	return o.flush()
}

// span returns the times of the earliest and the latest record; for processing time both are now.
func (o *ingest[T, K, W, Acc, R, Out]) span(b *stream.Batch[T]) (low, high int64, err error) {
	if !o.event {
		now := o.clock()
		return now, now, nil
	}
	if len(b.Times) == 0 {
		return 0, 0, window.CheckTimestamp(stream.NoTimestamp)
	}
	low, high = math.MaxInt64, math.MinInt64
	for _, t := range b.Times {
		low, high = min(low, t), max(high, t)
	}
	return low, high, errors.Join(window.CheckTimestamp(low), window.CheckTimestamp(high))
}

// clock is the processing time that records get: it does not go back behind windows that fired.
func (o *ingest[T, K, W, Acc, R, Out]) clock() int64 {
	now := o.rt.Now()
	if o.progress.ahead != nil {
		return max(now, plus(o.progress.most, 1))
	}
	if now <= o.progress.now {
		return o.progress.now + 1
	}
	return now
}

// sort adds the records of a batch bucket by bucket.
func (o *ingest[T, K, W, Acc, R, Out]) sort(b *stream.Batch[T], hashes []uint64, keys [][]byte,
	low, high int64) error {
	to := o.buckets.last(high)
	if to-o.buckets.first(low) >= maxSpread {
		return o.oneByOne(b, hashes, keys)
	}
	now := o.progress.now
	var onTime []int32 // nil: all
	if o.event && (o.windows.slide > o.windows.size ||
		low < o.windows.lateBefore(now, o.lateness)) {
		if onTime = o.dropLate(b, now); len(onTime) == 0 {
			return nil
		}
		low = math.MaxInt64
		for _, i := range onTime {
			low = min(low, b.Times[i])
		}
	}
	from := o.buckets.first(low)
	if o.event {
		if ended := o.buckets.done(now); from <= ended {
			if err := o.fillEnded(b, onTime, hashes, keys, ended); err != nil {
				return err
			}
			from = ended + 1
		}
	}
	o.values = b.Values
	for k := from; k <= to; k++ {
		start, end := o.buckets.start(k), o.buckets.end(k)
		o.picked = nil
		if onTime != nil || start > low || high >= end {
			if o.pick(b.Times, onTime, start, end); len(o.picked) == 0 {
				continue
			}
		}
		if err := o.fill(k, hashes, keys); err != nil {
			return err
		}
	}
	return nil
}

// fillEnded adds records (nil: all) to those of their buckets that have ended, up to the given one.
// It goes record by record, because each of them may fire windows again.
func (o *ingest[T, K, W, Acc, R, Out]) fillEnded(b *stream.Batch[T], onTime []int32,
	hashes []uint64, keys [][]byte, ended int64) error {
	n := len(b.Values)
	if onTime != nil {
		n = len(onTime)
	}
	for j := range n {
		i := j
		if onTime != nil {
			i = int(onTime[j])
		}
		t := b.Times[i]
		for k := o.buckets.first(t); k <= min(ended, o.buckets.last(t)); k++ {
			if o.over(k, o.progress.now) {
				continue
			}
			bk, err := o.bucketOf(k)
			if err != nil {
				return err
			}
			r := record[T]{value: b.Values[i], time: t, hash: hashes[i], key: keys[i]}
			if err := o.addOne(bk, &r, o.progress.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// over reports whether bucket k takes no records at the given time.
func (o *ingest[T, K, W, Acc, R, Out]) over(k, now int64) bool {
	return o.event && o.buckets.end(k)-1 <= subtract(now, o.lateness) && !o.shared()
}

// shared reports whether a bucket belongs to several windows, so that the windows decide whether it
// takes records.
func (o *ingest[T, K, W, Acc, R, Out]) shared() bool { return o.buckets != o.windows }

// dropLate hands on the records that are too late and returns the others.
func (o *ingest[T, K, W, Acc, R, Out]) dropLate(b *stream.Batch[T], now int64) []int32 {
	late := o.windows.lateBefore(now, o.lateness)
	kept := o.onTimeRoom[:0]
	for i, t := range b.Times {
		switch {
		case o.between(t):
			if plus(t, o.lateness) <= now {
				o.tooLate(b.Values[i], t)
			}
		case t < late:
			o.tooLate(b.Values[i], t)
		default:
			kept = append(kept, int32(i))
		}
	}
	o.onTimeRoom = kept
	return kept
}

// between reports whether a time lies between two windows, in none.
func (o *ingest[T, K, W, Acc, R, Out]) between(t int64) bool {
	return o.windows.slide > o.windows.size && t >= o.windows.end(o.windows.last(t))
}

// pick notes which of the candidates (nil: all records) lie in [start, end).
func (o *ingest[T, K, W, Acc, R, Out]) pick(times []int64, candidates []int32, start, end int64) {
	picked := o.pickRoom[:0]
	if candidates == nil {
		for i, t := range times {
			if t >= start && t < end {
				picked = append(picked, int32(i))
			}
		}
	} else {
		for _, i := range candidates {
			if t := times[i]; t >= start && t < end {
				picked = append(picked, i)
			}
		}
	}
	o.picked, o.pickRoom = picked, picked
}

// fill adds the picked records to bucket k, which has not ended.
func (o *ingest[T, K, W, Acc, R, Out]) fill(k int64, hashes []uint64, keys [][]byte) error {
	bk, err := o.bucketOf(k)
	if err != nil {
		return err
	}
	if o.picked != nil {
		o.hashRoom, o.keyRoom = o.hashRoom[:0], o.keyRoom[:0]
		for _, i := range o.picked {
			o.hashRoom = append(o.hashRoom, hashes[i])
			o.keyRoom = append(o.keyRoom, keys[i])
		}
		hashes, keys = o.hashRoom, o.keyRoom
	}
	if o.clone != nil {
		return bk.space.ModifyAll(hashes, keys, o.update)
	}
	return bk.space.UpsertAll(hashes, keys, o.update)
}

// add is what UpsertAll calls for each record.
func (o *ingest[T, K, W, Acc, R, Out]) add(i int, p *Acc, found bool) error {
	if o.picked != nil {
		i = int(o.picked[i])
	}
	if found {
		*p = o.fold.add(o.values[i], *p)
	} else {
		*p = o.fold.first(o.values[i])
	}
	return nil
}

// addOne adds a record to a bucket; now is the time of its key.
func (o *ingest[T, K, W, Acc, R, Out]) addOne(bk *bucket[Acc], r *record[T], now int64) error {
	var p *Acc
	var found bool
	var err error
	if o.clone != nil {
		p, found, err = bk.space.Modify(r.hash, r.key)
	} else {
		p, found, err = bk.space.Upsert(r.hash, r.key)
	}
	if err != nil {
		return err
	}
	if found {
		*p = o.fold.add(r.value, *p)
	} else {
		*p = o.fold.first(r.value)
	}
	if o.event && bk.end-1 <= now {
		return o.closed(bk, r, p, now)
	}
	return nil
}

// oneByOne adds the records of a batch one after the other, each by the time of its key.
func (o *ingest[T, K, W, Acc, R, Out]) oneByOne(b *stream.Batch[T], hashes []uint64,
	keys [][]byte) error {
	clock := int64(0)
	if !o.event {
		clock = o.clock()
	}
	for i, v := range b.Values {
		r := record[T]{value: v, time: clock, hash: hashes[i], key: keys[i]}
		now := o.progress.watermarkOf(r.hash)
		if o.event {
			r.time = b.Times[i]
			if o.between(r.time) {
				if plus(r.time, o.lateness) <= now {
					o.tooLate(v, r.time)
				}
				continue
			}
			if r.time < o.windows.lateBefore(now, o.lateness) {
				o.tooLate(v, r.time)
				continue
			}
		}
		for k := o.buckets.first(r.time); k <= o.buckets.last(r.time); k++ {
			if o.over(k, now) {
				continue
			}
			bk, err := o.bucketOf(k)
			if err != nil {
				return err
			}
			if err := o.addOne(bk, &r, now); err != nil {
				return err
			}
		}
	}
	return nil
}
