package minicluster

import (
	"sync"

	"goflink/core/id"
	"goflink/runtime/controlplane"
	"goflink/runtime/taskmanager"
)

// resources is the ResourceManager of a MiniCluster: it hands out the slots of the workers that are
// there and starts no others (R120).
type resources struct {
	mu      sync.Mutex
	workers []*taskmanager.TaskManager
	// needs are the jobs' declared requirements, in the order of their first declaration.
	needs []*need
}

type need struct {
	job    id.Job
	slots  int
	given  map[id.Allocation]id.Worker
	master controlplane.JobMaster
}

// grant is a slot that is to be given to a job.
type grant struct {
	tm     *taskmanager.TaskManager
	index  int
	alloc  id.Allocation
	job    id.Job
	master controlplane.JobMaster
}

// DeclareRequirements notes how many slots a job needs and gives it what is free.
func (r *resources) DeclareRequirements(j id.Job, slots int, master controlplane.JobMaster) {
	r.mu.Lock()
	n := r.findLocked(j)
	if n == nil && slots > 0 {
		n = &need{job: j, given: map[id.Allocation]id.Worker{}}
		r.needs = append(r.needs, n)
	}
	if n != nil {
		n.slots, n.master = slots, master
		if slots == 0 {
			r.forgetLocked(j)
		}
	}
	grants := r.grantLocked()
	r.mu.Unlock()
	r.give(grants)
}

func (r *resources) findLocked(j id.Job) *need {
	for _, n := range r.needs {
		if n.job == j {
			return n
		}
	}
	return nil
}

func (r *resources) forgetLocked(j id.Job) {
	for i, n := range r.needs {
		if n.job == j {
			r.needs = append(r.needs[:i:i], r.needs[i+1:]...)
			return
		}
	}
}

// grantLocked finds free slots for the needs, first come, first served.
func (r *resources) grantLocked() []grant {
	var grants []grant
	for _, n := range r.needs {
		for _, tm := range r.workers {
			for _, i := range tm.FreeSlots() {
				if len(n.given) >= n.slots || r.promised(grants, tm, i) {
					continue
				}
				g := grant{tm: tm, index: i, alloc: id.NewAllocation(), job: n.job,
					master: n.master}
				n.given[g.alloc] = tm.Worker()
				grants = append(grants, g)
			}
		}
	}
	return grants
}

func (r *resources) promised(grants []grant, tm *taskmanager.TaskManager, index int) bool {
	for _, g := range grants {
		if g.tm == tm && g.index == index {
			return true
		}
	}
	return false
}

// give makes the grants; a slot that was taken meanwhile is asked for again.
func (r *resources) give(grants []grant) {
	for _, g := range grants {
		if err := g.tm.Allocate(g.index, g.alloc, g.job, g.master); err != nil {
			r.freed(g.alloc)
		}
	}
}

// freed notes that an allocation is over, and gives what is free to who waits.
func (r *resources) freed(a id.Allocation) {
	r.mu.Lock()
	for _, n := range r.needs {
		delete(n.given, a)
	}
	grants := r.grantLocked()
	r.mu.Unlock()
	r.give(grants)
}

// add adds a worker and gives its slots to who waits.
func (r *resources) add(tm *taskmanager.TaskManager) {
	r.mu.Lock()
	r.workers = append(r.workers, tm)
	grants := r.grantLocked()
	r.mu.Unlock()
	r.give(grants)
}

// lost forgets a worker and what was given of it.
func (r *resources) lost(w id.Worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, tm := range r.workers {
		if tm.Worker() == w {
			r.workers = append(r.workers[:i:i], r.workers[i+1:]...)
			break
		}
	}
	for _, n := range r.needs {
		for a, of := range n.given {
			if of == w {
				delete(n.given, a)
			}
		}
	}
}
