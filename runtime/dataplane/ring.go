package dataplane

// ring is a growing FIFO. The zero value is empty. It keeps the memory of up to ringKeep elements
// when it runs empty.
type ring[T any] struct {
	items []T // len is 0 or a power of two
	head  int
	n     int
}

const ringKeep = 64

func (r *ring[T]) len() int { return r.n }

// at returns element i from the front; i must be below len.
func (r *ring[T]) at(i int) *T { return &r.items[(r.head+i)&(len(r.items)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.items) {
		r.grow()
	}
	r.n++
	*r.at(r.n - 1) = v
}

func (r *ring[T]) grow() {
	items := make([]T, max(8, 2*len(r.items)))
	k := copy(items, r.items[r.head:])
	copy(items[k:], r.items[:r.head])
	r.items, r.head = items, 0
}

// pop removes the first element; the ring must not be empty.
func (r *ring[T]) pop() T {
	var zero T
	p := r.at(0)
	v := *p
	*p = zero
	r.n--
	r.head = (r.head + 1) & (len(r.items) - 1)
	if r.n == 0 && len(r.items) > ringKeep {
		r.items, r.head = nil, 0
	}
	return v
}

// remove takes out element i; those before it keep their order.
func (r *ring[T]) remove(i int) T {
	v := *r.at(i)
	for ; i > 0; i-- {
		*r.at(i) = *r.at(i - 1)
	}
	r.pop()
	return v
}
