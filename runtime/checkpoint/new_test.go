package checkpoint

import (
	"strings"
	"testing"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/graph"
)

// TestNewLeader: a coordinator goes on from what earlier leaders completed.
func TestNewLeader(t *testing.T) { // R79, R85
	job := testJob(t, "src")
	own := func(n uint64, kind stream.SavepointKind) *Completed {
		m := oneFile(n, "mem:///cp/chk/"+FileName{Attempt: id.Attempt{Job: job.ID},
			Checkpoint: n, Epoch: 1, Hint: "s"}.String())
		m.Job, m.Kind = job.ID, kind
		return &Completed{Metadata: m, Location: "mem:///cp/chk"}
	}
	foreign := own(3, stream.NoSavepoint)
	foreign.Foreign = true
	for _, c := range []struct {
		name     string
		retained []*Completed
		initial  *Completed
		latest   uint64
		next     uint64
		full     bool
	}{
		{"nothing", nil, nil, 0, 1, false},
		{"initial", nil, foreign, 3, 4, true},
		{"own", []*Completed{own(7, 0), own(9, 0)}, foreign, 9, 10, false},
		{"stopped", []*Completed{own(4, stream.StopSavepoint)}, foreign, 4, 5, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, job, Options{Epoch: 2, Retained: c.retained, Initial: c.initial})
			w.auto = true
			got := uint64(0)
			if l := w.c.Latest(); l != nil {
				got = l.Checkpoint
			}
			if got != c.latest {
				t.Errorf("it would restore from %d, want %d", got, c.latest)
			}
			w.step(TasksRunning{Attempts: w.tasks("all")})
			w.advance(settings().Interval)
			if b := w.barriers[c.next]; b == nil || b.Full != c.full {
				t.Errorf("checkpoint %d begins with %+v, want full %v", c.next, b, c.full)
			}
		})
	}
	refused := func(change func(*Options), word string) {
		t.Helper()
		o := Options{Job: job, Settings: settings()}
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("New: %v, want an error with %q", err, word)
		}
	}
	refused(func(o *Options) { o.Retained = []*Completed{own(9, 0), own(7, 0)} }, "not in order")
	other := own(1, 0)
	other.Job = id.Job{99}
	refused(func(o *Options) { o.Retained = []*Completed{other} }, "belongs to job")
	refused(func(o *Options) { o.Settings.Timeout = 0 }, "settings")
	refused(func(o *Options) { o.Settings.Interval = 0 }, "settings")
	twice := *job
	twice.Vertices = append(twice.Vertices[:1:1], twice.Vertices[0])
	refused(func(o *Options) { o.Job = &twice }, "is there twice")
	refused(func(o *Options) { o.Job = &graph.JobGraph{Vertices: make([]graph.Vertex, 1)} },
		"0 operators")
}
