package state

import "goflink/core/statebackend"

// value is a Value.
type value[V any] struct {
	base
	t statebackend.Table[V]
}

func _[V any](v *value[V]) { var _ InternalValue[V] = v }

// Get implements Value.
func (s *value[V]) Get() (v V, found bool, err error) {
	p, err := s.t.Find(s.keyed.Namespace())
	if p == nil {
		return v, false, err
	}
	return *p, true, nil
}

// Put implements Value.
func (s *value[V]) Put(v V) error {
	p, _, err := s.t.Upsert(s.keyed.Namespace())
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// Clear implements Value.
func (s *value[V]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// reducing is a Reducing.
type reducing[V any] struct {
	base
	t      statebackend.Table[V]
	reduce func(a, b V) V
}

func _[V any](v *reducing[V]) { var _ InternalReducing[V] = v }

// Get implements Reducing.
func (s *reducing[V]) Get() (v V, found bool, err error) {
	p, err := s.t.Find(s.keyed.Namespace())
	if p == nil {
		return v, false, err
	}
	return *p, true, nil
}

// Add implements Reducing.
func (s *reducing[V]) Add(v V) error { return s.addIn(s.keyed.Namespace(), v) }

func (s *reducing[V]) addIn(ns []byte, v V) error {
	p, found, err := s.t.Upsert(ns)
	if err != nil {
		return err
	}
	if found {
		v = s.reduce(*p, v)
	}
	*p = v
	return nil
}

// Clear implements Reducing.
func (s *reducing[V]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// MergeNamespaces implements Merging.
func (s *reducing[V]) MergeNamespaces(target []byte, sources [][]byte) error {
	for _, ns := range sources {
		if isTarget(target, ns) {
			continue
		}
		p, err := s.t.Find(ns)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		v := *p
		if err := s.t.Delete(ns); err != nil {
			return err
		}
		if err := s.addIn(target, v); err != nil {
			return err
		}
	}
	return nil
}

// aggregating is an Aggregating.
type aggregating[In, Acc, Out any] struct {
	base
	t statebackend.Table[Acc]
	f AggregateFunction[In, Acc, Out]
}

func _[In, Acc, Out any](v *aggregating[In, Acc, Out]) { var _ InternalAggregating[In, Out] = v }

// Get implements Aggregating.
func (s *aggregating[In, Acc, Out]) Get() (v Out, found bool, err error) {
	p, err := s.t.Find(s.keyed.Namespace())
	if p == nil {
		return v, false, err
	}
	return s.f.Result(*p), true, nil
}

// Add implements Aggregating. The function may change the accumulator in place.
func (s *aggregating[In, Acc, Out]) Add(v In) error {
	p, found, err := s.t.Modify(s.keyed.Namespace())
	if err != nil {
		return err
	}
	if !found {
		*p = s.f.Create()
	}
	*p = s.f.Add(v, *p)
	return nil
}

// Clear implements Aggregating.
func (s *aggregating[In, Acc, Out]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// MergeNamespaces implements Merging.
func (s *aggregating[In, Acc, Out]) MergeNamespaces(target []byte, sources [][]byte) error {
	for _, ns := range sources {
		if isTarget(target, ns) {
			continue
		}
		if err := s.mergeOne(target, ns); err != nil {
			return err
		}
	}
	return nil
}

func (s *aggregating[In, Acc, Out]) mergeOne(target, ns []byte) error {
	p, err := s.t.Find(ns)
	if p == nil {
		return err
	}
	// Merge may change both accumulators: the source must be detached from snapshots, too.
	if p, _, err = s.t.Modify(ns); err != nil {
		return err
	}
	acc := *p
	if err := s.t.Delete(ns); err != nil {
		return err
	}
	p, found, err := s.t.Modify(target)
	if err != nil {
		return err
	}
	if found {
		acc = s.f.Merge(*p, acc)
	}
	*p = acc
	return nil
}
