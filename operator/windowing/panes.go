package windowing

import (
	"errors"
	"math"
	"unsafe"

	"goflink/operator"
)

// panesOp runs sliding windows by panes. State is one partial result per key and pane. What windows
// need beyond that is derived from it: the ring, as long as it fits into Spec.DerivedBytes; without
// it a window is merged from its panes when it fires.
type panesOp[T, K any, W Window, Acc, R, Out any] struct {
	ingest[T, K, W, Acc, R, Out]
	plan *plan[T, K, W, Acc, R, Out]
	n    int64 // panes of a window
	// head is the last pane that has ended; windows up to it have fired.
	head int64
	// ring and slots are used unless scanning.
	ring     *ring[T, Acc, R]
	slots    slots
	scanning bool
	limit    int64
	fired    progress // before the watermark that fires now
	firing   firing[W]
	run      foldRun[Acc]
	scratch  *[inlineKey]byte
	foldEach func(hash uint64, key []byte, p *Acc) (bool, error)
	scan     scan[Acc]
	// single computes windows of one key for late records; nil until there is one.
	single *ring[T, Acc, R]
}

func _[T, K any, W Window, Acc, R, Out any](v *panesOp[T, K, W, Acc, R, Out]) {
	var _ operator.Snapshotter = v
}

func newPanes[T, K any, W Window, Acc, R, Out any](p *plan[T, K, W, Acc, R, Out],
	fn Function[K, W, R, Out],
) operator.Operator {
	o := &panesOp[T, K, W, Acc, R, Out]{plan: p, limit: p.spec.DerivedBytes}
	if o.limit == 0 {
		o.limit = DefaultDerivedBytes
	}
	o.base = newBase[T, K, W, R, Out](&p.spec, fn)
	o.init(p)
	pane := gcd(o.windows.size, o.windows.slide)
	o.buckets = grid{size: pane, slide: pane, offset: o.windows.offset}
	o.n = o.windows.size / pane
	o.ring = newRing[T, Acc, R](o.fold, o.clone, int(o.n), chunkShift[Acc](int(o.n)))
	o.closed, o.due, o.advance = o.afterEnd, o.nextEnd, o.advanceTo
	o.scratch = new([inlineKey]byte)
	o.foldEach, o.scan.each = o.foldKey, o.scanKey
	return o
}

// Open opens state and outputs.
func (o *panesOp[T, K, W, Acc, R, Out]) Open(rt operator.Runtime) error {
	if err := o.open(rt, false); err != nil {
		return err
	}
	if err := o.openTable(o.plan.table(panesName)); err != nil {
		return err
	}
	if err := o.rebuild(); err != nil {
		return err
	}
	o.arm()
	return nil
}

// Input is the operator itself.
func (o *panesOp[T, K, W, Acc, R, Out]) Input(int) any { return o }

// rebuild computes the ring from the panes in state.
func (o *panesOp[T, K, W, Acc, R, Out]) rebuild() error {
	o.head = o.buckets.done(o.progress.now)
	o.scanning, o.slots = false, slots{}
	first := o.firstFrom(subtract(o.head, o.n-1))
	if first < 0 || o.live[first].index > o.head {
		o.ring.reset(o.head)
		return nil
	}
	o.ring.reset(o.live[first].index - 1)
	for o.ring.head < o.head && !o.scanning {
		if err := o.step(); err != nil {
			return err
		}
	}
	return nil
}

// firstFrom is the place of the first live pane at or after pane p, or −1.
func (o *panesOp[T, K, W, Acc, R, Out]) firstFrom(p int64) int {
	at, _ := o.find(p)
	if at == len(o.live) {
		return -1
	}
	return at
}

// endFrom is the first pane at or after p with which a window ends.
func (o *panesOp[T, K, W, Acc, R, Out]) endFrom(p int64) int64 {
	k := o.windows.first(o.buckets.start(p))
	return o.buckets.last(o.windows.end(k) - 1)
}

// nextEnd is the end of the next window that has records.
func (o *panesOp[T, K, W, Acc, R, Out]) nextEnd() (int64, bool) {
	from := int64(math.MinInt64)
	if o.head != math.MinInt64 {
		from = o.head + 2 - o.n // the first pane of windows that have not fired
	}
	at := o.firstFrom(from)
	if at < 0 {
		return 0, false
	}
	return o.buckets.end(o.endFrom(max(o.live[at].index, o.head+1))), true
}

// advanceTo fires the windows that end at or before now, the earliest first, and drops the panes
// that no window needs any more.
func (o *panesOp[T, K, W, Acc, R, Out]) advanceTo(now int64) error {
	o.fired = o.progress
	if !o.progress.advance(now) {
		return nil
	}
	target := o.buckets.done(now)
	if target == math.MinInt64 {
		return nil
	}
	for o.head < target {
		if o.scanning {
			if err := o.scanTo(target); err != nil {
				return err
			}
			continue
		}
		if o.slots.live == 0 && !o.skip(target) {
			break
		}
		if err := o.step(); err != nil {
			return err
		}
		if o.scanning {
			continue // the pane did not fit: its window is still to fire
		}
		o.head = o.ring.head
		if o.head == o.endFrom(o.head) {
			if err := o.fire(); err != nil {
				return err
			}
		}
	}
	return o.dropOver(now)
}

// skip moves an empty ring to before the next pane with records, or to target, and reports whether
// there is such a pane at or before target.
func (o *panesOp[T, K, W, Acc, R, Out]) skip(target int64) bool {
	from := int64(math.MinInt64)
	if o.head != math.MinInt64 {
		from = o.head + 1
	}
	o.slots = slots{}
	at := o.firstFrom(from)
	if at < 0 || o.live[at].index > target {
		o.head = target
		o.ring.reset(target)
		return false
	}
	o.ring.reset(o.live[at].index - 1)
	return true
}

// step takes the next pane into the ring. If it does not fit, the ring is given up.
func (o *panesOp[T, K, W, Acc, R, Out]) step() error {
	o.ring.next()
	if o.ring.j == 0 {
		o.slots.tidy(o.ring.move)
		o.ring.shrink(len(o.slots.keys))
	}
	at, ok := o.find(o.ring.head)
	if !ok {
		return nil
	}
	err := o.live[at].space.Each(o.foldEach)
	if err == nil {
		err = o.foldAll()
	}
	if !errors.Is(err, errTooLarge) {
		return err
	}
	o.head = max(o.head, o.ring.head-1)
	o.giveUp()
	return nil
}

// giveUp forgets the ring: windows are merged from their panes from now on.
func (o *panesOp[T, K, W, Acc, R, Out]) giveUp() {
	o.scanning, o.slots = true, slots{}
	o.ring.reset(o.head)
}

// errTooLarge ends what needs more memory than it may.
var errTooLarge = errors.New("derived data is too large")

// foldAhead is how many keys are taken into the ring together: so many that their cache misses
// overlap.
const foldAhead = 64

// foldRun is the partial results that wait to be taken into the ring.
type foldRun[Acc any] struct {
	n      int
	hashes [foldAhead]uint64
	slots  [foldAhead]uint32
	ends   [foldAhead]int
	keys   []byte
	accs   [foldAhead]Acc
}

// foldKey takes the partial result of one key into the run.
func (o *panesOp[T, K, W, Acc, R, Out]) foldKey(hash uint64, key []byte, p *Acc) (bool, error) {
	run := &o.run
	acc := *p
	if o.clone != nil {
		acc = o.clone(acc)
	}
	i := run.n
	run.hashes[i], run.accs[i] = hash, acc
	run.keys = append(run.keys, key...)
	run.ends[i] = len(run.keys)
	if run.n++; run.n < foldAhead {
		return true, nil
	}
	return true, o.foldAll()
}

// foldAll takes the run into the ring.
func (o *panesOp[T, K, W, Acc, R, Out]) foldAll() error {
	run := &o.run
	n, from := run.n, 0
	o.slots.touch(run.hashes[:n])
	for i, hash := range run.hashes[:n] {
		key := run.keys[from:run.ends[i]]
		from = run.ends[i]
		slot, ok := o.slots.find(hash, key)
		if !ok {
			slot = o.takeSlot(hash, key)
		}
		run.slots[i] = slot
	}
	o.ring.touch(run.slots[:n])
	for i, slot := range run.slots[:n] {
		o.ring.put(slot, run.accs[i])
	}
	if o.clone != nil {
		clear(run.accs[:n])
	}
	run.n, run.keys = 0, run.keys[:0]
	if o.tooLarge() {
		return errTooLarge
	}
	return nil
}

func (o *panesOp[T, K, W, Acc, R, Out]) takeSlot(hash uint64, key []byte) uint32 {
	slot := o.slots.add(hash, key)
	o.ring.take(slot)
	return slot
}

func (o *panesOp[T, K, W, Acc, R, Out]) tooLarge() bool {
	return int64(len(o.ring.chunks))*o.ring.chunkBytes()+o.slots.bytes() > o.limit
}

// set makes the window that ends with a pane the one that fires.
func (o *panesOp[T, K, W, Acc, R, Out]) set(pane int64) (err error) {
	end := o.buckets.end(pane)
	w := timeWindow{Start: end - o.windows.size, End: end}
	o.firing.ns = w.Append(o.firing.ns[:0])
	o.firing.maxTime = end - 1
	o.firing.window, err = o.spec.Assigner.Parse(o.firing.ns)
	return err
}

// fire fires the window that ends at the head, and forgets the keys that have nothing in it.
func (o *panesOp[T, K, W, Acc, R, Out]) fire() error {
	if err := o.set(o.head); err != nil {
		return err
	}
	plain := o.fn == nil && o.fired.ahead == nil
	for at, c := range o.ring.chunks {
		for i := range c.tops {
			if c.tops[i].before == freeSlot {
				continue
			}
			acc, ok := o.ring.value(c, i)
			if ok && plain {
				o.direct.EmitAt(o.fold.result(acc), o.firing.maxTime)
				continue
			}
			slot := uint32(at)<<o.ring.shift | uint32(i)
			if !ok {
				o.slots.remove(slot)
				o.ring.release(slot)
				continue
			}
			if err := o.fireKey(o.slots.keys[slot].hash, o.slots.key(slot, o.scratch),
				acc); err != nil {
				return err
			}
		}
	}
	return nil
}

// fireKey fires the window of one key, unless it has fired before a restore.
func (o *panesOp[T, K, W, Acc, R, Out]) fireKey(hash uint64, key []byte, acc Acc) error {
	if o.fired.ahead != nil && o.fired.watermarkOf(hash) >= o.firing.maxTime {
		return nil
	}
	if err := o.emit(&o.firing, hash, key, o.fold.result(acc)); err != nil {
		return err
	}
	if o.clearer != nil {
		return o.clear(&o.firing, hash, key)
	}
	return nil
}

// dropOver drops the panes whose last window is over.
func (o *panesOp[T, K, W, Acc, R, Out]) dropOver(now int64) error {
	over := subtract(now, o.lateness)
	n := 0
	for n < len(o.live) && o.windows.end(o.windows.last(o.live[n].start))-1 <= over {
		n++
	}
	return o.dropFirst(n)
}

// afterEnd is called after a record was added to a pane that has ended: windows that have not fired
// get it too, and those that have fire again.
func (o *panesOp[T, K, W, Acc, R, Out]) afterEnd(bk *bucket[Acc], r *record[T], _ *Acc,
	now int64) error {
	if !o.scanning && bk.index <= o.head && bk.index > o.head+1-o.n {
		slot, ok := o.slots.find(r.hash, r.key)
		if !ok {
			slot = o.takeSlot(r.hash, r.key)
		}
		o.ring.add(slot, bk.index, r.value)
	}
	if o.lateness == 0 {
		return nil
	}
	return o.refire(bk.index, r, now)
}

// refire fires, for one key, the windows that include a pane, have fired and are not over.
func (o *panesOp[T, K, W, Acc, R, Out]) refire(pane int64, r *record[T], now int64) error {
	start := o.buckets.start(pane)
	from := max(o.windows.first(start), o.windows.done(subtract(now, o.lateness))+1)
	to := min(o.windows.last(start), o.windows.done(now))
	if from > to {
		return nil
	}
	if o.single == nil {
		o.single = newRing[T, Acc, R](o.fold, o.clone, int(o.n), 0)
		o.single.take(0)
	}
	s := o.single
	s.release(0)
	s.take(0)
	firstEnd := o.buckets.last(o.windows.end(from) - 1)
	lastEnd := o.buckets.last(o.windows.end(to) - 1)
	s.head = firstEnd - o.n
	s.j = int(floorMod(s.head, o.n))
	for s.head < lastEnd {
		s.next()
		if err := o.foldOne(s, r); err != nil {
			return err
		}
		if s.head < firstEnd || s.head != o.endFrom(s.head) {
			continue
		}
		if acc, ok := s.value(s.chunks[0], 0); ok {
			if err := o.set(s.head); err != nil {
				return err
			}
			if err := o.emit(&o.firing, r.hash, r.key, o.fold.result(acc)); err != nil {
				return err
			}
		}
	}
	return nil
}

// foldOne takes what the pane at the head holds for one key.
func (o *panesOp[T, K, W, Acc, R, Out]) foldOne(s *ring[T, Acc, R], r *record[T]) error {
	at, ok := o.find(s.head)
	if !ok {
		return nil
	}
	p, err := o.live[at].space.Find(r.hash, r.key)
	if err != nil || p == nil {
		return err
	}
	acc := *p
	if o.clone != nil {
		acc = o.clone(acc)
	}
	s.put(0, acc)
	return nil
}

// scan is what merging windows from their panes, without a ring, needs.
type scan[Acc any] struct {
	slots slots
	accs  []Acc
	each  func(hash uint64, key []byte, p *Acc) (bool, error)
	// Keys whose hash begins with the bits of part take part.
	bits uint
	part uint64
	keys int // of the window that fired last
}

const (
	// minScanKeys is how many keys a scan may always hold, maxScanBits log2 of the most parts into
	// which it is divided.
	minScanKeys = 16
	maxScanBits = 16
)

// scanTo fires the windows that end after the head and at or before target.
func (o *panesOp[T, K, W, Acc, R, Out]) scanTo(target int64) error {
	for {
		from := int64(math.MinInt64)
		if o.head != math.MinInt64 {
			from = o.head + 2 - o.n
		}
		at := o.firstFrom(from)
		if at < 0 {
			break
		}
		end := o.endFrom(max(o.live[at].index, o.head+1))
		if end > target {
			break
		}
		o.head = end
		if err := o.set(end); err != nil {
			return err
		}
		o.scan.keys = 0
		if err := o.scanPart(0, 0); err != nil {
			return err
		}
	}
	o.head = target
	if o.fits(o.scan.keys) {
		return o.rebuild()
	}
	return nil
}

// fits reports whether a ring for so many keys would be well within its limit.
func (o *panesOp[T, K, W, Acc, R, Out]) fits(keys int) bool {
	const slotBytes = 64
	perKey := o.ring.chunkBytes()>>o.ring.shift + slotBytes
	return 2*(int64(keys)*perKey+o.ring.chunkBytes()) < o.limit
}

// scanPart merges and fires the window that ends at the head for the keys of one part. If they are
// too many, it divides them.
func (o *panesOp[T, K, W, Acc, R, Out]) scanPart(bits uint, part uint64) error {
	s := &o.scan
	s.bits, s.part = bits, part
	s.slots = slots{}
	clear(s.accs)
	s.accs = s.accs[:0]
	at, _ := o.find(o.head + 1 - o.n)
	for ; at < len(o.live) && o.live[at].index <= o.head; at++ {
		err := o.live[at].space.Each(s.each)
		if errors.Is(err, errTooLarge) {
			if err := o.scanPart(bits+1, part<<1); err != nil {
				return err
			}
			return o.scanPart(bits+1, part<<1|1)
		}
		if err != nil {
			return err
		}
	}
	s.keys += len(s.accs)
	for slot := range s.accs {
		hash, key := s.slots.keys[slot].hash, s.slots.key(uint32(slot), o.scratch)
		if err := o.fireKey(hash, key, s.accs[slot]); err != nil {
			return err
		}
	}
	return nil
}

// scanKey merges the partial result of one key.
func (o *panesOp[T, K, W, Acc, R, Out]) scanKey(hash uint64, key []byte, p *Acc) (bool, error) {
	s := &o.scan
	if hash>>(64-s.bits) != s.part {
		return true, nil
	}
	acc := *p
	if o.clone != nil {
		acc = o.clone(acc)
	}
	if slot, ok := s.slots.find(hash, key); ok {
		s.accs[slot] = o.fold.merge(s.accs[slot], acc)
		return true, nil
	}
	s.slots.add(hash, key)
	s.accs = append(s.accs, acc)
	size := s.slots.bytes() + int64(cap(s.accs))*int64(unsafe.Sizeof(acc))
	if len(s.accs) > minScanKeys && size > o.limit && s.bits < maxScanBits {
		return true, errTooLarge
	}
	return true, nil
}
