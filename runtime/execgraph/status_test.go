package execgraph

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/core/failure"
	"goflink/runtime/execgraph/graphtest"
)

// The tables written once more, as the requirements have them: a row per state, in it the states
// that may follow.
const (
	jobTable = `
CREATED     RUNNING FAILING CANCELLING SUSPENDED
RUNNING     FINISHED FAILING CANCELLING SUSPENDED
FAILING     RESTARTING FAILED CANCELLING SUSPENDED
RESTARTING  CREATED CANCELLING SUSPENDED
CANCELLING  CANCELED SUSPENDED
FAILED
CANCELED
FINISHED
SUSPENDED`
	executionTable = `
CREATED    SCHEDULED CANCELED FAILED
SCHEDULED  DEPLOYING CANCELED FAILED
DEPLOYING  RUNNING CANCELING FAILED
RUNNING    FINISHED CANCELING FAILED
CANCELING  CANCELED FAILED
FINISHED
CANCELED
FAILED`
)

// allowed reads a table into "FROM TO" pairs.
func allowed(table string) (rows int, pairs map[string]bool) {
	pairs = map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(table)) {
		names := strings.Fields(line)
		rows++
		for _, to := range names[1:] {
			pairs[names[0]+" "+to] = true
		}
	}
	return rows, pairs
}

func newGraph(t *testing.T, text string) *ExecutionGraph {
	t.Helper()
	job, err := graphtest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(time.UnixMilli(1000), job)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// R150: all 81 pairs of job states; a change that the table does not know is an error with both
// names and changes nothing.
func TestJobTransitions(t *testing.T) {
	rows, want := allowed(jobTable)
	if got := len(JobStatuses()); got != rows || got != 9 {
		t.Fatalf("%d job states, the table has %d", got, rows)
	}
	for _, from := range JobStatuses() {
		for _, to := range JobStatuses() {
			g := newGraph(t, "vertex v")
			g.status = from
			err := g.Transition(time.UnixMilli(2000), to)
			if want[from.String()+" "+to.String()] {
				if err != nil || g.Status() != to || g.Entered(to) != 2000 {
					t.Errorf("%v → %v: %v, now %v", from, to, err, g.Status())
				}
				continue
			}
			checkRefusal(t, err, from.String(), to.String())
			if g.Status() != from {
				t.Errorf("%v → %v was refused, but the state is %v", from, to, g.Status())
			}
		}
	}
}

// R151: all 64 pairs of task states.
func TestExecutionTransitions(t *testing.T) {
	rows, want := allowed(executionTable)
	if got := len(ExecutionStates()); got != rows || got != 8 {
		t.Fatalf("%d task states, the table has %d", got, rows)
	}
	cause := &failure.Info{Message: "boom"}
	for _, from := range ExecutionStates() {
		for _, to := range ExecutionStates() {
			g := newGraph(t, "vertex v")
			v := g.Subtask(0)
			v.count(v.current.state, from)
			v.current.state = from
			err := v.Transition(time.UnixMilli(2000), to, cause)
			if want[from.String()+" "+to.String()] {
				if err != nil || v.Current().State() != to || v.Current().Entered(to) != 2000 {
					t.Errorf("%v → %v: %v, now %v", from, to, err, v.Current().State())
				}
				if (v.Current().Failure() != nil) != (to == Failed) {
					t.Errorf("%v → %v: failure %v", from, to, v.Current().Failure())
				}
				if g.Counts()[to] != 1 || v.JobVertex().Counts()[to] != 1 {
					t.Errorf("%v → %v: counts are %v", from, to, *g.Counts())
				}
				continue
			}
			checkRefusal(t, err, from.String(), to.String())
			if v.Current().State() != from {
				t.Errorf("%v → %v was refused, but the state is %v", from, to, v.Current().State())
			}
		}
	}
}

// checkRefusal verifies that an error names both states.
func checkRefusal(t *testing.T, err error, from, to string) {
	t.Helper()
	var e *TransitionError
	if !errors.As(err, &e) || e.From != from || e.To != to {
		t.Errorf("%s → %s: error %v", from, to, err)
		return
	}
	if msg := err.Error(); !strings.Contains(msg, "from "+from+" to "+to) {
		t.Errorf("%s → %s: the message is %q", from, to, msg)
	}
}

// R150: which states end a job, and for whom.
func TestTerminalJobStates(t *testing.T) {
	var global, local []string
	for _, s := range JobStatuses() {
		if s.GloballyTerminal() {
			global = append(global, s.String())
		} else if s.Terminal() {
			local = append(local, s.String())
		}
		if s.Terminal() != (len(jobTransitions[s]) == 0) {
			t.Errorf("%v: terminal %v, but %d states may follow", s, s.Terminal(),
				len(jobTransitions[s]))
		}
	}
	if got := fmt.Sprint(global, local); got != "[FAILED CANCELED FINISHED] [SUSPENDED]" {
		t.Errorf("terminal states are %s", got)
	}
}

// States travel by name; unknown names and numbers are refused.
func TestStateNames(t *testing.T) {
	for _, s := range JobStatuses() {
		var back JobStatus
		text, err := s.MarshalText()
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%v: %q, %v, back %v", s, text, err, back)
		}
	}
	for _, s := range ExecutionStates() {
		var back ExecutionState
		text, err := s.MarshalText()
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%v: %q, %v, back %v", s, text, err, back)
		}
	}
	if _, err := ParseJobStatus("RECONCILING"); err == nil {
		t.Error("RECONCILING was taken for a job status")
	}
	if _, err := ParseExecutionState("INITIALIZING"); err == nil {
		t.Error("INITIALIZING was taken for an execution state")
	}
	if _, err := JobStatus(99).MarshalText(); err == nil {
		t.Error("job status 99 was written")
	}
	if JobStatus(99).CanBecome(JobRunning) || ExecutionState(99).CanBecome(Running) {
		t.Error("an unknown state can become another one")
	}
	if got := JobStatus(99).String() + ExecutionState(99).String(); got !=
		"JobStatus(99)ExecutionState(99)" {
		t.Error(got)
	}
}
