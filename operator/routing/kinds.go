package routing

import (
	"fmt"
	"math/rand/v2"
	"unsafe"

	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// Single returns the router that sends everything to channel 0: forward (R26), where the only
// channel is the neighbour's, and global (R25), where it is the first subtask's.
func Single[T any](t *Type[T]) operator.RouterFactory {
	return func(w operator.ChannelWriter, _ operator.RouterOptions) (operator.Router, error) {
		return &single[T]{newOpen(t, w)}, nil
	}
}

type single[T any] struct{ open[T] }

func (r *single[T]) Batch(b *stream.Batch[T]) error {
	return r.appendRange(0, b, 0, len(b.Values), r.limit(b))
}

// RoundRobin returns the router that deals records out in turn: over all subtasks for rebalance
// (R28), over the producer's group for rescale (R29). It begins at the producer's own index.
func RoundRobin[T any](t *Type[T]) operator.RouterFactory {
	return func(w operator.ChannelWriter, o operator.RouterOptions) (operator.Router, error) {
		return &roundRobin[T]{open: newOpen(t, w), next: o.Subtask % w.Channels()}, nil
	}
}

type roundRobin[T any] struct {
	open[T]
	next int
}

// Batch gives each channel as many of the batch's records as dealing them out singly would, but as
// one run.
func (r *roundRobin[T]) Batch(b *stream.Batch[T]) error {
	n, channels, limit := len(b.Values), len(r.batches), r.limit(b)
	share, extra := n/channels, n%channels
	for i, from := 0, 0; i < channels && from < n; i++ {
		to := from + share
		if i < extra {
			to++
		}
		if err := r.appendRange((r.next+i)%channels, b, from, to, limit); err != nil {
			return err
		}
		from = to
	}
	r.next = (r.next + extra) % channels
	return nil
}

// Shuffle returns the router that picks a channel at random for each record (R27).
func Shuffle[T any](t *Type[T]) operator.RouterFactory {
	return func(w operator.ChannelWriter, o operator.RouterOptions) (operator.Router, error) {
		rnd := rand.New(rand.NewPCG(uint64(o.Subtask), 0x5bd1e995))
		return &perRecord[T]{open: newOpen(t, w), pick: func(T) (int, error) {
			return rnd.IntN(w.Channels()), nil
		}}, nil
	}
}

// Custom returns the router of a user's partitioner (R32): partition maps a key and the number of
// channels to a channel.
func Custom[T, K any](t *Type[T], key func(T) K,
	partition func(K, int) int) operator.RouterFactory {
	return func(w operator.ChannelWriter, _ operator.RouterOptions) (operator.Router, error) {
		n := w.Channels()
		return &perRecord[T]{open: newOpen(t, w), pick: func(v T) (int, error) {
			c := partition(key(v), n)
			if c < 0 || c >= n {
				return 0, fmt.Errorf("the custom partitioner returned %d; there are %d partitions",
					c, n)
			}
			return c, nil
		}}, nil
	}
}

type perRecord[T any] struct {
	open[T]
	pick func(v T) (int, error)
}

func (r *perRecord[T]) Batch(b *stream.Batch[T]) error {
	limit := r.limit(b)
	for i, v := range b.Values {
		c, err := r.pick(v)
		if err != nil {
			return err
		}
		dst := r.batch(c)
		dst.Append(v, b.Time(i))
		if len(dst.Values) >= limit {
			if err := r.put(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// Broadcast returns the router that sends every record to every channel (R30).
func Broadcast[T any](t *Type[T]) operator.RouterFactory {
	return func(w operator.ChannelWriter, _ operator.RouterOptions) (operator.Router, error) {
		return &broadcast[T]{newOpen(t, w)}, nil
	}
}

type broadcast[T any] struct{ open[T] }

func (r *broadcast[T]) Batch(b *stream.Batch[T]) error {
	limit := r.limit(b)
	info := r.t.Info()
	for c := range r.batches {
		if c == 0 || !info.Mutable() {
			if err := r.appendRange(c, b, 0, len(b.Values), limit); err != nil {
				return err
			}
			continue
		}
		clone := r.t.NewBatch()
		for i := range b.Values {
			clone.Append(info.Clone(b.Values[i]), b.Time(i))
		}
		err := r.appendRange(c, clone, 0, len(clone.Values), limit)
		clone.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// KeyGroup returns the router that sends each record to the subtask that owns its key's group
// (R31).
func KeyGroup[T, K any](t *Type[T], selector func(T) K,
	key *typeinfo.Key[K]) operator.RouterFactory {
	return func(w operator.ChannelWriter, o operator.RouterOptions) (operator.Router, error) {
		r := &keyed[T, K]{open: newOpen(t, w), selector: selector, key: key,
			str: key.IsString(), maxParallelism: o.MaxParallelism}
		r.channel = make([]int32, o.MaxParallelism)
		for g := range r.channel {
			r.channel[g] = int32(keygroup.Subtask(g, o.MaxParallelism, w.Channels()))
		}
		return r, nil
	}
}

type keyed[T, K any] struct {
	open[T]
	selector       func(T) K
	key            *typeinfo.Key[K]
	str            bool
	scratch        []byte
	maxParallelism int
	// channel maps key groups to channels.
	channel []int32
}

func (r *keyed[T, K]) Batch(b *stream.Batch[T]) error {
	limit := r.limit(b)
	timed := len(b.Times) > 0
	for i := range b.Values {
		k := r.selector(b.Values[i])
		var h uint64
		if r.str {
			h = keygroup.HashString(*(*string)(unsafe.Pointer(&k)))
		} else {
			r.scratch = r.key.Append(r.scratch[:0], &k)
			h = keygroup.Hash(r.scratch)
		}
		c := int(r.channel[keygroup.Of(h, r.maxParallelism)])
		dst := r.batches[c]
		if dst == nil {
			dst = r.batch(c)
		}
		if timed {
			dst.Append(b.Values[i], b.Times[i])
		} else {
			dst.Append(b.Values[i], stream.NoTimestamp)
		}
		dst.Hashes = append(dst.Hashes, h)
		if len(dst.Values) >= limit {
			if err := r.put(c); err != nil {
				return err
			}
		}
	}
	return nil
}
