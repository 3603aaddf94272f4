package slotpool

import (
	"cmp"
	"container/heap"
	"slices"
)

// match gives free slots to the oldest requests; see the package's comment. Afterwards there is no
// free slot, or no request that waits. It costs O(n log n) in the number of free slots.
func (p *Pool) match() {
	serve := p.oldest(min(p.Free(), len(p.waiting)))
	if len(serve) == 0 {
		return
	}
	c := p.candidates()
	taken := make([]*slot, len(serve))
	for i, r := range serve {
		if s := p.slots[r.Previous]; s != nil && !s.used {
			taken[i] = p.take(s)
		}
	}
	for i, r := range serve {
		if taken[i] == nil {
			if w := p.workers[r.PreviousWorker]; w != nil {
				taken[i] = p.takeFrom(w)
			}
		}
	}
	heap.Init(c)
	for i := range serve {
		for taken[i] == nil {
			w := c.workers[0]
			if taken[i] = p.takeFrom(w); taken[i] == nil {
				heap.Pop(c)
				continue
			}
			heap.Fix(c, 0)
		}
	}
	for _, s := range p.free {
		s.worker.free = nil
	}
	for i, r := range serve {
		delete(p.waiting, r.ID)
		p.out.allocated = append(p.out.allocated, Allocated{
			Request: r.ID, Allocation: taken[i].allocation, Worker: taken[i].worker.id,
		})
	}
}

// candidates returns the workers with free slots, and lists these slots in the workers.
func (p *Pool) candidates() *candidates {
	c := &candidates{spread: p.opts.Spread}
	p.free = slices.DeleteFunc(p.free, p.unlist)
	for _, s := range p.free {
		if len(s.worker.free) == 0 {
			c.workers = append(c.workers, s.worker)
		}
		s.worker.free = append(s.worker.free, s)
	}
	return c
}

// oldest returns the waiting requests with the lowest ids, and drops from the queue what does not
// wait any more and stands before them.
func (p *Pool) oldest(count int) []*pending {
	if count == 0 {
		return nil
	}
	if p.unsorted {
		slices.Sort(p.queue)
		p.queue = slices.Compact(p.queue)
		p.unsorted = false
	}
	serve := make([]*pending, 0, count)
	next := 0
	for ; next < len(p.queue) && len(serve) < count; next++ {
		if w := p.waiting[p.queue[next]]; w != nil {
			serve = append(serve, w)
		}
	}
	p.queue = p.queue[next:]
	return serve
}

// take marks a free slot as used.
func (p *Pool) take(s *slot) *slot {
	s.used = true
	s.worker.used++
	p.used++
	return s
}

// takeFrom takes the next slot that candidates listed for a worker; nil if there is none.
func (p *Pool) takeFrom(w *worker) *slot {
	for len(w.free) > 0 {
		s := w.free[0]
		w.free = w.free[1:]
		if !s.used {
			return p.take(s)
		}
	}
	return nil
}

// candidates is a heap of workers: first the one to take a slot from.
type candidates struct {
	workers []*worker
	spread  bool
}

// Len implements heap.Interface.
func (c *candidates) Len() int { return len(c.workers) }

// Less implements heap.Interface. Shares used/len are compared without dividing.
func (c *candidates) Less(i, j int) bool {
	a, b := c.workers[i], c.workers[j]
	share := 0
	if c.spread {
		share = cmp.Compare(a.used*len(b.list), b.used*len(a.list))
	}
	return cmp.Or(share, cmp.Compare(a.order, b.order)) < 0
}

// Swap implements heap.Interface.
func (c *candidates) Swap(i, j int) {
	c.workers[i], c.workers[j] = c.workers[j], c.workers[i]
}

// Push implements heap.Interface; all workers are added before.
func (c *candidates) Push(w any) { c.workers = append(c.workers, w.(*worker)) }

// Pop implements heap.Interface.
func (c *candidates) Pop() any {
	last := c.workers[len(c.workers)-1]
	c.workers = c.workers[:len(c.workers)-1]
	return last
}
