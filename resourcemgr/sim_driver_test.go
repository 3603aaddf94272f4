package resourcemgr

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"goflink/core/id"
	"goflink/runtime/controlplane"
)

var _ Driver = (*simCluster)(nil)

// Start returns the workers that are there already.
func (c *simCluster) Start(_ context.Context, e Events) (recovered []id.Worker, err error) {
	c.e = e
	for _, w := range c.sorted() {
		recovered = append(recovered, w.id)
	}
	return recovered, nil
}

// Request is answered late, if at all.
func (c *simCluster) Request(r Request) {
	c.calls++
	c.open[r.Number] = true
	n := len(c.open)
	for _, w := range c.workers {
		if w.known {
			n++
		}
	}
	if n > simMaxWorkers {
		c.fail("request %d makes %d workers and requests; %d are allowed", r.Number, n,
			simMaxWorkers)
	}
	c.answerLater(r.Number)
}

func (c *simCluster) answerLater(n RequestNumber) {
	c.later(func() {
		switch {
		case !c.open[n]:
		case c.chance(4):
			c.e.Pending(n, "the queue is full")
			c.answerLater(n)
		case c.chance(4):
			delete(c.open, n)
			c.e.Failed(n, errors.New("no such image"))
		default:
			c.allocate(n)
		}
	})
}

// allocate starts a worker. The news of it may come after the worker, and after its death.
func (c *simCluster) allocate(n RequestNumber) {
	w := c.newWorker()
	if !c.chance(5) { // else it hangs
		c.later(w.connect)
	}
	if c.chance(6) {
		c.later(func() { w.die(Exit{Code: 1, Diagnostics: "bad configuration"}) })
	}
	c.later(func() {
		w.known = !c.gone[n] // a withdrawn one is not the Manager's to count
		delete(c.open, n)
		c.e.Allocated(n, w.id)
		if c.workers[w.id] == nil {
			c.e.Lost(w.id, Exit{Code: 1})
		}
		w.heard = true
	})
}

// Cancel withdraws a request, unless the answer is on its way.
func (c *simCluster) Cancel(n RequestNumber) {
	c.calls++
	c.gone[n] = true
	delete(c.open, n)
}

// Release ends a worker, soon.
func (c *simCluster) Release(name id.Worker, _ string) {
	c.calls++
	w := c.workers[name]
	if w == nil {
		return
	}
	if w.connected && slices.ContainsFunc(w.slots, isGranted) {
		c.fail("worker %s is released, but jobs hold slots of it: %v", name, w.slots)
	}
	c.later(func() { w.die(Exit{Released: true}) })
}

func isGranted(a id.Allocation) bool { return !a.IsZero() }

func (c *simCluster) Finish(context.Context, FinalStatus, string) error { return nil }

func (c *simCluster) Close() error { return nil }

func (c *simCluster) newWorker() *simWorker {
	c.named++
	w := &simWorker{c: c, id: id.Worker(fmt.Sprintf("w%04d", c.named)),
		slots: make([]id.Allocation, simSettings.Spec.Slots)}
	c.workers[w.id] = w
	return w
}

// connect registers a worker, which comes again or ends when it is refused.
func (w *simWorker) connect() {
	if w.c.workers[w.id] == nil || w.connected {
		return
	}
	w.connected = true
	clear(w.slots)
	var r *RefusedError
	err := w.c.m.Register(w)
	switch {
	case err == nil:
	case errors.As(err, &r) && !r.Final:
		w.connected = false
		w.c.later(w.connect)
	default:
		w.connected = false
		w.die(Exit{})
	}
}

// disconnect breaks the connection of a worker, which looks for the leader again.
func (w *simWorker) disconnect() {
	if !w.connected {
		return
	}
	w.silence()
	w.c.note("%s is disconnected", w.id)
	w.c.m.Lost(w.id, errors.New("end of stream"))
	w.c.later(w.connect)
}

// silence ends what a worker does for jobs, whose masters notice it.
func (w *simWorker) silence() {
	w.connected = false
	for _, j := range w.c.jobs {
		for a, of := range j.held {
			if of == w {
				delete(j.held, a)
			}
		}
	}
}

// die ends a worker. Driver and connection tell it in any order.
func (w *simWorker) die(exit Exit) {
	c := w.c
	if c.workers[w.id] == nil {
		return
	}
	delete(c.workers, w.id)
	c.note("%s has ended: %+v", w.id, exit)
	if w.connected {
		w.silence()
		c.later(func() { c.m.Lost(w.id, errors.New("end of stream")) })
	}
	if w.heard {
		c.later(func() { c.e.Lost(w.id, exit) })
	}
}

func (w *simWorker) Worker() id.Worker { return w.id }

func (w *simWorker) Registration() controlplane.Registration {
	return controlplane.Registration{Worker: w.id, Slots: len(w.slots)}
}

// Allocate gives a slot to a job, which may not want it any more.
func (w *simWorker) Allocate(i int, a id.Allocation, j id.Job, _ controlplane.JobMaster) {
	if !w.connected {
		return
	}
	if isGranted(w.slots[i]) {
		w.c.fail("slot %d of worker %s is given away twice", i, w.id)
	}
	w.slots[i] = a
	job := w.c.jobs[j[0]-1]
	if len(job.held) >= job.need || w.c.chance(10) {
		w.c.later(func() { w.free(a) })
		return
	}
	job.held[a] = w
}

// free takes a slot back from its job.
func (w *simWorker) free(a id.Allocation) {
	if i := slices.Index(w.slots, a); i >= 0 && w.connected {
		w.slots[i] = id.Allocation{}
		w.c.m.SlotFreed(w.id, a)
	}
}

func (w *simWorker) Shutdown(string) { w.c.later(func() { w.die(Exit{}) }) }
