package taskmanager

import (
	"goflink/runtime/controlplane"
)

// sampling is a measurement of backpressure that is under way.
type sampling struct {
	tm     *TaskManager
	r      controlplane.BackpressureRequest
	master controlplane.JobMaster
	// seen counts the samples that were taken of each task, blocked those that found it blocked.
	seen, blocked []int
	taken         int
}

// SampleBackpressure looks at tasks several times and then reports to master.
func (tm *TaskManager) SampleBackpressure(r controlplane.BackpressureRequest,
	master controlplane.JobMaster) {
	s := &sampling{tm: tm, r: r, master: master, seen: make([]int, len(r.Attempts)),
		blocked: make([]int, len(r.Attempts))}
	s.sample()
}

// sample takes one sample and sees to the next one. It is called by one goroutine at a time.
func (s *sampling) sample() {
	there := false
	for i, a := range s.r.Attempts {
		r := s.tm.find(a)
		if r == nil {
			continue
		}
		there = true
		s.seen[i]++
		if r.t.BackPressured() {
			s.blocked[i]++
		}
	}
	if s.taken++; there && s.taken < s.r.Samples {
		s.tm.o.Host.After(s.r.Delay, s.sample)
		return
	}
	out := controlplane.BackpressureSamples{Request: s.r.Request}
	for i, a := range s.r.Attempts {
		if s.seen[i] > 0 {
			out.Tasks = append(out.Tasks, controlplane.TaskBackpressure{Attempt: a,
				Share: float64(s.blocked[i]) / float64(s.seen[i])})
		}
	}
	s.master.BackpressureSampled(s.tm.o.Worker, out)
}
