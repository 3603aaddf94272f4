package windowing

import (
	"fmt"
	"slices"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/window"
)

// merged is a window of a key with the window under which its contents were first kept: contents
// need not move when a window grows.
type merged[W Window] struct{ Window, Held W }

// mergedName names the state that holds the windows of each key.
const mergedName = "window-merging-set"

// merger keeps the windows of each key, which merge when they belong together (R43).
type merger[T, K any, W Window, Acc, R, Out any] struct {
	o        *generalOp[T, K, W, Acc, R, Out]
	assigner window.Merging[W]
	trigger  window.MergingTrigger[W]
	table    statebackend.Table[[]merged[W]]
	found    []merge[W]
	windows  []W
	ns, to   []byte
	collect  func(result W, of []W)
}

// merge is one result of merging and what it is made of.
type merge[W Window] struct {
	result W
	of     []W
}

func openMerger[T, K any, W Window, Acc, R, Out any](o *generalOp[T, K, W, Acc, R, Out],
	assigner window.Merging[W],
) (*merger[T, K, W, Acc, R, Out], error) {
	m := &merger[T, K, W, Acc, R, Out]{o: o, assigner: assigner}
	var ok bool
	if m.trigger, ok = o.trigger.(window.MergingTrigger[W]); !ok {
		return nil, fmt.Errorf("the trigger %T does not work with windows that merge", o.trigger)
	}
	var err error
	m.table, err = state.OpenTable[[]merged[W]](o.keyed,
		statetable.NewSpec[[]merged[W]](mergedName, state.KindValue, nil))
	if err != nil {
		return nil, err
	}
	m.collect = func(result W, of []W) {
		m.found = append(m.found, merge[W]{result, slices.Clone(of)})
	}
	return m, nil
}

// index is the place of a window in a set, or −1.
func index[W Window](set []merged[W], w W) int {
	for i := range set {
		if set[i].Window == w {
			return i
		}
	}
	return -1
}

// element adds a record to its window, after this was merged with others; late says that the
// resulting window is over.
func (m *merger[T, K, W, Acc, R, Out]) element(v T, timestamp int64, w W) (late bool, err error) {
	actual, held, err := m.place(w)
	if err != nil {
		return false, err
	}
	if m.o.windowLate(actual) {
		return true, m.retire(actual)
	}
	m.ns, m.to = actual.Append(m.ns[:0]), held.Append(m.to[:0])
	return false, m.o.add(v, timestamp, actual, m.ns, m.to)
}

// place enters a window into the set of the current key and returns the window that it became part
// of, and where that one's contents are.
func (m *merger[T, K, W, Acc, R, Out]) place(w W) (actual, held W, err error) {
	p, _, err := m.table.Modify(nil)
	if err != nil {
		return w, w, err
	}
	set := *p
	if i := index(set, w); i >= 0 {
		return w, set[i].Held, nil
	}
	m.windows = m.windows[:0]
	for i := range set {
		m.windows = append(m.windows, set[i].Window)
	}
	m.windows = append(m.windows, w)
	m.found = m.found[:0]
	m.assigner.Merge(m.windows, m.collect)

	actual, placed := w, false
	for i := range m.found {
		f := &m.found[i]
		if slices.Contains(f.of, w) {
			actual, placed = f.result, true
		}
		if set, err = m.apply(set, f, w); err != nil {
			return w, w, err
		}
	}
	if !placed {
		set = append(set, merged[W]{w, w})
	}
	if p, _, err = m.table.Upsert(nil); err != nil {
		return w, w, err
	}
	*p = set
	return actual, set[index(set, actual)].Held, nil
}

// apply replaces the windows of one merge, added apart, by its result; contents, trigger state and
// timers follow.
func (m *merger[T, K, W, Acc, R, Out]) apply(set []merged[W], f *merge[W], added W) (
	[]merged[W], error,
) {
	var old []merged[W] // in the order in which the assigner named them
	for _, w := range f.of {
		if i := index(set, w); i >= 0 && index(old, w) < 0 {
			old = append(old, set[i])
		}
	}
	kept := set[:0:0]
	for _, s := range set {
		if index(old, s.Window) < 0 {
			kept = append(kept, s)
		}
	}
	if len(old) == 0 { // windows of which none was there: an assigner that merges one with itself
		return append(set, merged[W]{f.result, added}), nil
	}
	set = append(kept, merged[W]{f.result, old[0].Held})
	if len(old) == 1 && old[0].Window == f.result {
		return set, nil // the added window lies inside
	}
	return set, m.join(f.result, old)
}

// join makes one window of old ones.
func (m *merger[T, K, W, Acc, R, Out]) join(result W, old []merged[W]) error {
	o := m.o
	if o.windowLate(result) {
		return fmt.Errorf("merging moved the end of window %v to before the watermark %d; the "+
			"end of a merged window must not be earlier than those of its parts", result,
			o.progress.watermarkOf(o.hash))
	}
	o.tc.window, o.tc.ns = result, result.Append(nil)
	o.tc.merged = o.tc.merged[:0]
	for i := range old {
		o.tc.merged = append(o.tc.merged, old[i].Window.Append(nil))
	}
	if err := m.trigger.OnMerge(result, &o.tc); err != nil {
		return userError(err, "trigger %T", o.trigger)
	}
	var sources [][]byte
	for i, s := range old {
		if s.Window != result {
			o.tc.window, o.tc.ns = s.Window, o.tc.merged[i]
			if err := o.trigger.Clear(s.Window, &o.tc); err != nil {
				return userError(err, "trigger %T", o.trigger)
			}
			if err := o.removeEnd(s.Window, o.tc.ns); err != nil {
				return err
			}
		}
		if i > 0 {
			sources = append(sources, s.Held.Append(nil))
		}
	}
	if len(sources) == 0 {
		return nil
	}
	return o.contents.merge(old[0].Held.Append(nil), sources)
}

// held returns the namespace of a window's contents; ok is false if the key has no such window.
func (m *merger[T, K, W, Acc, R, Out]) held(w W) (ns []byte, ok bool, err error) {
	p, err := m.table.Find(nil)
	if err != nil || p == nil {
		return nil, false, err
	}
	i := index(*p, w)
	if i < 0 {
		return nil, false, nil
	}
	m.to = (*p)[i].Held.Append(m.to[:0])
	return m.to, true, nil
}

// retire removes a window from the set of the current key.
func (m *merger[T, K, W, Acc, R, Out]) retire(w W) error {
	p, err := m.table.Find(nil)
	if err != nil || p == nil {
		return err
	}
	i := index(*p, w)
	switch {
	case i < 0:
		return nil
	case len(*p) == 1:
		return m.table.Delete(nil)
	}
	rest := append((*p)[:i:i], (*p)[i+1:]...)
	if p, _, err = m.table.Upsert(nil); err != nil {
		return err
	}
	*p = rest
	return nil
}
