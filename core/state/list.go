package state

import (
	"encoding/binary"
	"fmt"
	"slices"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// list is a List. Elements are appended in place, also under a snapshot: it does not look behind
// the length that it knows, and no element is ever written twice.
type list[V any] struct {
	base
	t statebackend.Table[[]V]
}

func _[V any](v *list[V]) { var _ InternalList[V] = v }

// Get implements List.
func (s *list[V]) Get() ([]V, error) {
	p, err := s.t.Find(s.keyed.Namespace())
	if p == nil {
		return nil, err
	}
	return slices.Clip(*p), nil
}

// Add implements List.
func (s *list[V]) Add(v V) error {
	p, _, err := s.t.Upsert(s.keyed.Namespace())
	if err != nil {
		return err
	}
	*p = append(*p, v)
	return nil
}

// AddAll implements List.
func (s *list[V]) AddAll(vs []V) error {
	if len(vs) == 0 {
		return nil
	}
	p, _, err := s.t.Upsert(s.keyed.Namespace())
	if err != nil {
		return err
	}
	*p = append(*p, vs...)
	return nil
}

// Put implements List.
func (s *list[V]) Put(vs []V) error {
	if len(vs) == 0 {
		return s.Clear()
	}
	p, _, err := s.t.Upsert(s.keyed.Namespace())
	if err != nil {
		return err
	}
	// A copy: the caller's slice must not be appended to.
	*p = slices.Clone(vs)
	return nil
}

// Clear implements List.
func (s *list[V]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// MergeNamespaces implements Merging.
func (s *list[V]) MergeNamespaces(target []byte, sources [][]byte) error {
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
		vs := *p
		if err := s.t.Delete(ns); err != nil {
			return err
		}
		if p, _, err = s.t.Upsert(target); err != nil {
			return err
		}
		*p = append(*p, vs...)
	}
	return nil
}

// listCodec encodes a list as typeinfo does.
type listCodec[V any] struct{ *typeinfo.Type[[]V] }

// stampBytes is the size of the time of the last access in encoded state.
const stampBytes = 8

// Reader implements statetable.Codec; it reads lists with and without stamps.
func (c listCodec[V]) Reader(h *statebackend.StateHeader, _ int64) (
	func(src []byte, v *[]V) error, error,
) {
	dec, err := c.Migrate(h.Schema)
	if err != nil {
		return nil, err
	}
	return func(src []byte, v *[]V) error {
		if h.Stamped {
			_, rest, err := splitStamps(src)
			if err != nil {
				return err
			}
			src = rest
		}
		return decodeWhole(dec, src, v)
	}, nil
}

// splitStamps reads the stamps before an encoded list: their number as uvarint, then the stamps, 8
// bytes little endian each.
func splitStamps(src []byte) (stamps, rest []byte, err error) {
	n, k := binary.Uvarint(src)
	if k <= 0 || n > uint64(len(src)-k)/stampBytes {
		return nil, nil, fmt.Errorf("the stamps of a list: %w", typeinfo.ErrTruncated)
	}
	end := k + int(n)*stampBytes
	return src[k:end], src[end:], nil
}

// decodeWhole decodes src, all of it.
func decodeWhole[V any](dec typeinfo.Decoder[V], src []byte, v *V) error {
	rest, err := dec.Decode(src, v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left behind a value: %w", len(rest), typeinfo.ErrCorrupt)
	}
	return err
}

// Expired implements statetable.Codec.
func (listCodec[V]) Expired(*[]V, int64) bool { return false }
