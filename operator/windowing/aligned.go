package windowing

import (
	"goflink/operator"
)

// alignedOp runs windows that lie alike for all keys and are kept one by one: the bucket of a
// window is a namespace, and firing it is a scan.
type alignedOp[T, K any, W Window, Acc, R, Out any] struct {
	ingest[T, K, W, Acc, R, Out]
	plan *plan[T, K, W, Acc, R, Out]
	// what fires now: the window, whether it is over then, and up to when the windows of each key
	// group had fired before.
	firing firing[W]
	final  bool
	fired  progress
	each   func(hash uint64, key []byte, p *Acc) (bool, error)
	clean  func(hash uint64, key []byte, p *Acc) (bool, error)
}

func _[T, K any, W Window, Acc, R, Out any](v *alignedOp[T, K, W, Acc, R, Out]) {
	var _ operator.Snapshotter = v
}

func newAligned[T, K any, W Window, Acc, R, Out any](p *plan[T, K, W, Acc, R, Out],
	fn Function[K, W, R, Out],
) operator.Operator {
	o := &alignedOp[T, K, W, Acc, R, Out]{plan: p}
	o.base = newBase[T, K, W, R, Out](&p.spec, fn)
	o.init(p)
	o.buckets = o.windows
	o.closed, o.due, o.advance = o.refire, o.nextEnd, o.advanceTo
	o.each, o.clean = o.fireKey, o.clearKey
	return o
}

// Open opens state and outputs.
func (o *alignedOp[T, K, W, Acc, R, Out]) Open(rt operator.Runtime) error {
	if err := o.open(rt, false); err != nil {
		return err
	}
	if err := o.openTable(o.plan.table(alignedName)); err != nil {
		return err
	}
	o.arm()
	return nil
}

// Input is the operator itself.
func (o *alignedOp[T, K, W, Acc, R, Out]) Input(int) any { return o }

// nextEnd is the end of the first window.
func (o *alignedOp[T, K, W, Acc, R, Out]) nextEnd() (int64, bool) {
	if len(o.live) == 0 {
		return 0, false
	}
	return o.live[0].end, true
}

// set makes the window of a bucket the one that fires.
func (o *alignedOp[T, K, W, Acc, R, Out]) set(bk *bucket[Acc]) (err error) {
	o.firing.ns, o.firing.maxTime = bk.ns, bk.end-1
	o.firing.window, err = o.spec.Assigner.Parse(bk.ns)
	return err
}

// advanceTo fires the windows that end at or before now, the earliest first, and drops those that
// take no late records any more.
func (o *alignedOp[T, K, W, Acc, R, Out]) advanceTo(now int64) error {
	o.fired = o.progress
	if !o.progress.advance(now) {
		return nil
	}
	over := subtract(now, o.lateness)
	dropped := 0
	for _, bk := range o.live {
		if bk.end-1 > now {
			break
		}
		if err := o.set(bk); err != nil {
			return err
		}
		o.final = bk.end-1 <= over
		fresh := bk.end-1 > o.fired.now
		if fresh {
			if err := bk.space.Each(o.each); err != nil {
				return err
			}
		}
		if o.final {
			dropped++
			if !fresh && o.clearer != nil {
				if err := bk.space.Each(o.clean); err != nil {
					return err
				}
			}
		}
	}
	return o.dropFirst(dropped)
}

// fireKey fires the window of one key.
func (o *alignedOp[T, K, W, Acc, R, Out]) fireKey(hash uint64, key []byte, p *Acc) (bool, error) {
	if o.fired.ahead == nil || o.fired.watermarkOf(hash) < o.firing.maxTime {
		acc := *p
		if o.clone != nil && !o.final {
			acc = o.clone(acc)
		}
		if err := o.emit(&o.firing, hash, key, o.fold.result(acc)); err != nil {
			return true, err
		}
	}
	if o.final && o.clearer != nil {
		return true, o.clear(&o.firing, hash, key)
	}
	return true, nil
}

// clearKey lets the function clear its state of a window that fired earlier.
func (o *alignedOp[T, K, W, Acc, R, Out]) clearKey(hash uint64, key []byte, _ *Acc) (bool, error) {
	return true, o.clear(&o.firing, hash, key)
}

// refire fires the window of one key again, for a record that came late.
func (o *alignedOp[T, K, W, Acc, R, Out]) refire(bk *bucket[Acc], r *record[T], p *Acc, _ int64,
) error {
	if err := o.set(bk); err != nil {
		return err
	}
	acc := *p
	if o.clone != nil {
		acc = o.clone(acc)
	}
	return o.emit(&o.firing, r.hash, r.key, o.fold.result(acc))
}
