package jobmaster_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/runtime/controlplane"
	"goflink/runtime/jobmaster"
)

// TestMaster runs the scenarios in testdata: each is a job, what reaches its master, and what the
// master does: the ordered log of events (R139). They hold whatever the order of what runs at once,
// so each is run with several seeds. The commands are
//
//	job [restore=PATH] [KEY=VALUE …]
//	    GRAPH      as in package graphtest; a vertex with a capital has a coordinator
//	do             one line per thing that happens, see actions
//	tasks          the tasks as the client sees them
//	result         how the job ended
//
// Run with -rewrite to write what happens in the place of what is expected.
func TestMaster(t *testing.T) {
	for seed := range uint64(4) {
		datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
			synctest.Test(t, func(t *testing.T) { runScript(t, path, seed) })
		})
	}
}

func runScript(t *testing.T, path string, seed uint64) {
	r := newRig(t, seed)
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		r.t = t
		if err := r.command(d); err != nil {
			r.log("error: %v", err)
		}
		return r.flush()
	})
}

func (r *rig) command(d *datadriven.TestData) error {
	switch d.Cmd {
	case "job":
		settings, restore := map[string]string{}, ""
		for _, a := range d.CmdArgs {
			if a.Key == "restore" {
				restore = a.Vals[0]
				continue
			}
			settings[a.Key] = strings.Join(a.Vals, " ")
		}
		return r.start(d.Input, restore, settings)
	case "do":
		for _, l := range strings.Split(d.Input, "\n") {
			if err := r.do(l); err != nil {
				return fmt.Errorf("%s: %w", l, err)
			}
		}
		return nil
	case "tasks":
		ts, err := r.tasks()
		for _, t := range ts {
			r.log("%s#%d %s@%s, %d before: %q", t.Name, t.Attempt.Number, t.State, t.Worker,
				t.Prior,
				t.Causes)
		}
		return err
	case "result":
		return r.result()
	}
	return errors.New("unknown command")
}

func (r *rig) result() error {
	select {
	case <-r.m.Done():
	default:
		return errors.New("the job has not ended")
	}
	res, err := r.m.Client().Wait(r.t.Context())
	r.log("restarts %d: %v", res.Restarts, err)
	return nil
}

func (r *rig) do(text string) error {
	words := strings.Fields(text)
	f := actions[words[0]]
	if f == nil {
		return errors.New("unknown action")
	}
	if err := f(r, words[1:]); err != nil {
		return err
	}
	return r.w.Settle(turnsMax)
}

// actions are what can happen. TASK is vertex/subtask, with #attempt if it is not the current one.
var actions = map[string]func(r *rig, args []string) error{
	// offer WORKER N
	"offer": func(r *rig, args []string) error {
		w := r.workers[args[0]]
		if w == nil {
			w = &worker{r: r, name: args[0]}
			r.workers[args[0]] = w
		}
		n, err := strconv.Atoi(args[1])
		var offers []controlplane.SlotOffer
		for i := range n {
			a := id.Allocation{byte(len(r.workers)), byte(i + 1)}
			offers = append(offers, controlplane.SlotOffer{Allocation: a, Index: i})
		}
		r.m.OfferSlots(w, offers)
		return err
	},
	// lose WORKER
	"lose": func(r *rig, args []string) error {
		r.m.Disconnected(id.Worker(args[0]), failure.InfoOf(errors.New("the worker is gone")))
		return nil
	},
	// refuse WORKER [gone]: tasks are not started from now on, because the slot is gone
	"refuse": func(r *rig, args []string) error {
		gone := len(args) > 1
		info := failure.InfoOf(errors.New("deployment: refused"))
		if gone {
			info = failure.InfoOf(errors.New("deployment: the slot does not belong to the job " +
				"any more"))
		}
		r.workers[args[0]].refuses = &controlplane.TaskEnd{Failure: &info,
			SlotGone: gone}
		return nil
	},
	"running": each(func(r *rig, a id.Attempt,
		_ []string) error {
		r.m.TaskRunning(a)
		return nil
	}),
	"finished": each(func(r *rig, a id.Attempt, _ []string) error {
		r.m.TaskEnded(a, controlplane.TaskEnd{})
		return nil
	}),
	"cancelled": each(func(r *rig, a id.Attempt, _ []string) error {
		r.m.TaskEnded(a, controlplane.TaskEnd{Cancelled: true})
		return nil
	}),
	// failed TASK CAUSE …
	"failed": one(func(r *rig, a id.Attempt, args []string) error {
		info := failure.InfoOf(errors.New(strings.Join(args, " ")))
		r.m.TaskEnded(a, controlplane.TaskEnd{Failure: &info})
		return nil
	}),
	// ack TASK N [foreign]
	"ack": one(func(r *rig, a id.Attempt, args []string) error {
		n, err := strconv.ParseUint(args[0], 10, 64)
		s := statebackend.TaskSnapshot{}
		if len(args) > 1 {
			a.Vertex = id.Vertex{0xff}
		}
		r.m.AcknowledgeCheckpoint(a, n, s, statebackend.SnapshotMetrics{})
		return err
	}),
	// decline TASK N CAUSE …
	"decline": one(func(r *rig, a id.Attempt, args []string) error {
		n, err := strconv.ParseUint(args[0], 10, 64)
		cause := map[string]controlplane.DeclineCause{"failed": controlplane.DeclineFailed,
			"notready": controlplane.DeclineNotReady, "ended": controlplane.DeclineEnded,
			"superseded": controlplane.DeclineSuperseded}[args[1]]
		r.m.DeclineCheckpoint(a, n, cause, failure.InfoOf(errors.New(args[1])))
		return err
	}),
	"wants": each(func(r *rig, a id.Attempt, _ []string) error {
		r.m.WantsCheckpoint(a)
		return nil
	}),
	// event TASK TEXT
	"event": one(func(r *rig, a id.Attempt, args []string) error {
		v, _, _ := strings.Cut(r.taskName(a), "/")
		r.m.OperatorEvent(a, id.OperatorFromUID(v), []byte(args[0]))
		return nil
	}),
	// faulty COORDINATOR METHOD
	"faulty": func(r *rig, args []string) error {
		r.coordinators[args[0]].fails = args[1]
		return nil
	},
	// checkpoint, savepoint, stop, drain: requests of a client
	"checkpoint": func(r *rig, _ []string) error {
		r.m.TriggerCheckpoint(r.answer("checkpoint"))
		return nil
	},
	"savepoint": savepoint(stream.Savepoint),
	"stop":      savepoint(stream.StopSavepoint),
	"drain":     savepoint(stream.DrainSavepoint),
	// backpressure VERTEX
	"backpressure": func(r *rig, args []string) error {
		n, err := strconv.Atoi(args[0])
		r.m.Backpressure(n, func(b jobmaster.Backpressure, err error) {
			if err != nil {
				r.log("backpressure: %v", err)
				return
			}
			text := ""
			for _, s := range b.Subtasks {
				text += fmt.Sprintf(", %s %.2f %s", r.taskName(s.Attempt), s.Share, s.Level)
			}
			r.log("backpressure %s%s", b.Level, text)
		})
		return err
	},
	// sampled WORKER REQUEST TASK=SHARE …
	"sampled": func(r *rig, args []string) error {
		s := controlplane.BackpressureSamples{}
		var err error
		if s.Request, err = strconv.Atoi(args[1]); err != nil {
			return err
		}
		for _, t := range args[2:] {
			name, share, _ := strings.Cut(t, "=")
			tb := controlplane.TaskBackpressure{}
			if tb.Attempt, err = r.attempt(name); err != nil {
				return err
			}
			if tb.Share, err = strconv.ParseFloat(share, 64); err != nil {
				return err
			}
			s.Tasks = append(s.Tasks, tb)
		}
		r.m.BackpressureSampled(id.Worker(args[0]), s)
		return nil
	},
	"cancel": func(r *rig, _ []string) error { return r.m.Client().Cancel(r.t.Context()) },
	"suspend": func(r *rig, _ []string) error {
		r.m.Suspend(errors.New("no longer the " +
			"leader"))
		return nil
	},
	"pass": func(r *rig, args []string) error {
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		return r.w.Pass(d, turnsMax)
	},
	"storage": func(r *rig, args []string) error {
		r.store.broken = args[0] == "broken"
		return nil
	},
	// logged TEXT: whether the text was logged
	"logged": func(r *rig, args []string) error {
		r.log("logged: %t", strings.Contains(r.logged.String(), strings.Join(args, " ")))
		r.logged.Reset()
		return nil
	},
	// metric NAME …
	"metric": func(r *rig, args []string) error {
		for _, name := range args {
			v, ok := r.metrics.Value("jobmanager." + name)
			if !ok {
				r.log("%s: none", name)
				continue
			}
			if name == "uptime" || name == "downtime" || name == "lastCheckpointDuration" {
				r.log("%s: about %s", name, time.Duration(v*1e6).Round(time.Second))
				continue
			}
			r.log("%s: %.0f", name, v)
		}
		return nil
	},
}

func each(f func(*rig, id.Attempt, []string) error) func(*rig, []string) error {
	return func(r *rig, args []string) error {
		for _, name := range args {
			a, err := r.attempt(name)
			if err != nil {
				return err
			}
			if err := f(r, a, nil); err != nil {
				return err
			}
			if err := r.w.Settle(turnsMax); err != nil {
				return err
			}
		}
		return nil
	}
}

func one(f func(*rig, id.Attempt, []string) error) func(*rig, []string) error {
	return func(r *rig, args []string) error {
		a, err := r.attempt(args[0])
		if err != nil {
			return err
		}
		return f(r, a, args[1:])
	}
}

// answer logs the answer to a request, which must come once.
func (r *rig) answer(what string) func(string, error) {
	answered := false
	return func(path string, err error) {
		if answered {
			r.t.Errorf("the request for a %s was answered twice", what)
		}
		answered = true
		if err != nil {
			r.log("%s: %v", what, err)
			return
		}
		r.log("%s: %s", what, path)
	}
}

func savepoint(kind stream.SavepointKind) func(*rig, []string) error {
	return func(r *rig, _ []string) error {
		r.m.TriggerSavepoint(kind, "mem:///sp", r.answer("savepoint"))
		return nil
	}
}
