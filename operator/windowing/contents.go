package windowing

import (
	"bytes"
	"slices"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/window"
)

// contents is what windows of the general strategy hold, for the current key. ns is the window's
// namespace.
type contents[T any, W Window, R any] interface {
	// add adds a record; found says whether the window held something before.
	add(ns []byte, v T, timestamp int64) (found bool, err error)
	// merge joins what other windows hold into one.
	merge(target []byte, sources [][]byte) error
	// clear drops what a window holds.
	clear(ns []byte) error
	// fire calls emit with the window's result, if it holds anything.
	fire(ns []byte, w W, ctx window.EvictorContext, emit func(r R) error) error
}

// folded keeps an accumulator, or a list, per window (R49).
type folded[T any, W Window, Acc, R any] struct {
	fold  fold[T, Acc, R]
	clone func(Acc) Acc
	table statebackend.Table[Acc]
}

func openFolded[T, K any, W Window, Acc, R, Out any](p *plan[T, K, W, Acc, R, Out],
	k statebackend.Keyed,
) (contents[T, W, R], error) {
	t, err := state.OpenTable[Acc](k, p.table(contentsName))
	if err != nil {
		return nil, err
	}
	return &folded[T, W, Acc, R]{fold: p.fold, clone: p.clone, table: t}, nil
}

// change returns the accumulator of a window for change.
func (c *folded[T, W, Acc, R]) change(ns []byte) (p *Acc, found bool, err error) {
	if c.clone != nil {
		return c.table.Modify(ns)
	}
	return c.table.Upsert(ns)
}

func (c *folded[T, W, Acc, R]) add(ns []byte, v T, _ int64) (found bool, err error) {
	p, found, err := c.change(ns)
	if err != nil {
		return false, err
	}
	if found {
		*p = c.fold.add(v, *p)
	} else {
		*p = c.fold.first(v)
	}
	return found, nil
}

func (c *folded[T, W, Acc, R]) merge(target []byte, sources [][]byte) error {
	for _, ns := range sources {
		if bytes.Equal(ns, target) {
			continue
		}
		if err := c.mergeOne(target, ns); err != nil {
			return err
		}
	}
	return nil
}

func (c *folded[T, W, Acc, R]) mergeOne(target, ns []byte) error {
	p, err := c.table.Find(ns)
	if p == nil {
		return err
	}
	// Merge may change both accumulators: the source must be detached from snapshots, too.
	if p, _, err = c.change(ns); err != nil {
		return err
	}
	acc := *p
	if err := c.table.Delete(ns); err != nil {
		return err
	}
	p, found, err := c.change(target)
	if err != nil {
		return err
	}
	if found {
		acc = c.fold.merge(*p, acc)
	}
	*p = acc
	return nil
}

func (c *folded[T, W, Acc, R]) clear(ns []byte) error { return c.table.Delete(ns) }

func (c *folded[T, W, Acc, R]) fire(ns []byte, _ W, _ window.EvictorContext,
	emit func(r R) error,
) error {
	p, err := c.table.Find(ns)
	if err != nil || p == nil {
		return err
	}
	acc := *p
	if c.clone != nil {
		acc = c.clone(acc)
	}
	return emit(c.fold.result(acc))
}

// evicted keeps all records of a window, for an evictor to choose from.
type evicted[T any, W Window, R any] struct {
	table   statebackend.Table[[]window.Element[T]]
	evictor window.Evictor[T, W]
	result  func([]window.Element[T]) R
}

// elementsName names the state of windows with an evictor.
const elementsName = "window-elements"

func openEvicted[T, K any, W Window, Acc, R, Out any](p *plan[T, K, W, Acc, R, Out],
	k statebackend.Keyed,
) (contents[T, W, R], error) {
	t, err := state.OpenTable[[]window.Element[T]](k,
		state.ListSpec[window.Element[T]](elementsName))
	if err != nil {
		return nil, err
	}
	return &evicted[T, W, R]{table: t, evictor: p.spec.Evictor, result: p.ofList}, nil
}

func (c *evicted[T, W, R]) add(ns []byte, v T, timestamp int64) (found bool, err error) {
	p, found, err := c.table.Upsert(ns)
	if err != nil {
		return false, err
	}
	*p = append(*p, window.Element[T]{Value: v, Timestamp: timestamp})
	return found, nil
}

func (c *evicted[T, W, R]) merge(target []byte, sources [][]byte) error {
	for _, ns := range sources {
		if bytes.Equal(ns, target) {
			continue
		}
		p, err := c.table.Find(ns)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		vs := *p
		if err := c.table.Delete(ns); err != nil {
			return err
		}
		if p, _, err = c.table.Upsert(target); err != nil {
			return err
		}
		*p = append(*p, vs...)
	}
	return nil
}

func (c *evicted[T, W, R]) clear(ns []byte) error { return c.table.Delete(ns) }

// fire hands the elements to the evictor, the rest to the function, and keeps what the evictor
// leaves after that.
func (c *evicted[T, W, R]) fire(ns []byte, w W, ctx window.EvictorContext,
	emit func(r R) error,
) error {
	p, err := c.table.Find(ns)
	if err != nil || p == nil {
		return err
	}
	all := slices.Clip(*p)
	kept := c.evictor.EvictBefore(all, w, ctx)
	if len(kept) > 0 {
		if err := emit(c.result(kept)); err != nil {
			return err
		}
		kept = c.evictor.EvictAfter(kept, w, ctx)
	}
	switch {
	case len(kept) == len(all):
		return nil
	case len(kept) == 0:
		return c.table.Delete(ns)
	}
	if p, _, err = c.table.Upsert(ns); err != nil {
		return err
	}
	// A copy, so that what was evicted is freed.
	*p = slices.Clone(kept)
	return nil
}
