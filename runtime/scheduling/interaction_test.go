package scheduling_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/execgraph"
	"goflink/runtime/execgraph/graphtest"
	"goflink/runtime/scheduling"
)

// TestInteraction runs the scenarios in testdata: each is a job, the events that reach its
// scheduler, and the effects that follow. The commands are
//
//	new [strategy=eager] [failover=full] [restart=NAME] [KEY=VALUE ...] [checkpoints] [blocking]
//	    GRAPH                     as in package graphtest; KEY=VALUE are configuration keys
//	step [after=DURATION]         one event per line, see parseEvent; prints the effects
//	state                         the job, its tasks and what is known of its failures
//
// Run with -rewrite to write what happens in the place of what is expected.
func TestInteraction(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				var err error
				if s, err = newScript(d); err != nil {
					return "error: " + err.Error() + "\n"
				}
				return fmt.Sprintf("%d tasks in %d regions need %d slots\n", s.graph.Len(),
					len(s.graph.Regions()), scheduling.RequiredSlots(s.graph))
			}
			if s == nil {
				d.Fatalf(t, "no job: the scenario must begin with a new one")
			}
			switch d.Cmd {
			case "step":
				return s.steps(t, d)
			case "state":
				return s.state()
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

// epoch is when scenarios begin.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// script is a running scenario.
type script struct {
	graph *execgraph.ExecutionGraph
	sched *scheduling.Scheduler
	now   time.Time
}

func newScript(d *datadriven.TestData) (*script, error) {
	job, err := graphtest.Parse(d.Input)
	if err != nil {
		return nil, err
	}
	graph, err := execgraph.New(epoch, job)
	if err != nil {
		return nil, err
	}
	c := config.New()
	checkpoints, blocking := false, false
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "checkpoints":
			checkpoints = true
		case "blocking":
			blocking = true
		case "strategy":
			c.Set(config.SchedulingStrategy.Key, a.Vals[0], "test")
		case "failover":
			c.Set(config.FailoverStrategy.Key, a.Vals[0], "test")
		case "restart":
			c.Set(config.RestartStrategyType.Key, a.Vals[0], "test")
		default:
			c.Set(a.Key, a.Vals[0], "test")
		}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	opts, err := scheduling.OptionsOf(c, checkpoints)
	if err != nil {
		return nil, err
	}
	opts.BlockingResults = blocking
	sched, err := scheduling.New(graph, opts)
	return &script{graph: graph, sched: sched, now: epoch}, err
}

// steps feeds the events of one command, and prints what follows from each.
func (s *script) steps(t *testing.T, d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		if a.Key != "after" {
			d.Fatalf(t, "unknown argument %q", a.Key)
		}
		after, err := time.ParseDuration(a.Vals[0])
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.now = s.now.Add(after)
	}
	var out strings.Builder
	lines := strings.Split(d.Input, "\n")
	for _, line := range lines {
		events, err := s.parseEvent(line)
		if err != nil {
			d.Fatalf(t, "%q: %v", line, err)
		}
		if len(lines) > 1 {
			fmt.Fprintf(&out, "> %s\n", line)
		}
		for _, ev := range events {
			effects, err := s.sched.Step(s.now, ev)
			for _, e := range effects {
				s.print(&out, e)
			}
			if err != nil {
				fmt.Fprintf(&out, "error: %v\n", err)
			}
		}
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

// parseEvent reads one of
//
//	start | cancel | suspend [TEXT] | global[!] [TEXT] | timer RESTART
//	task VERTEX/SUBTASK[#ATTEMPT] STATE[!] [TEXT]   the current attempt, if none is given
//	task VERTEX/* STATE[!] [TEXT]                   all subtasks
//	slots REQUEST=SLOT@WORKER ...
//	unmet REQUEST ... [: TEXT]
//	lost SLOT ... [: TEXT]
//	consumable VERTEX/SUBTASK[#ATTEMPT] RESULT
//
// An exclamation mark makes a failure one that is not retried.
func (s *script) parseEvent(line string) ([]scheduling.Event, error) {
	verb, rest, _ := strings.Cut(line, " ")
	class := failure.Retryable
	if strings.HasSuffix(verb, "!") {
		verb, class = strings.TrimSuffix(verb, "!"), failure.FailJob
	}
	list, text, _ := strings.Cut(rest, ": ")
	fields := strings.Fields(list)
	switch verb {
	case "start":
		return []scheduling.Event{scheduling.StartScheduling{}}, nil
	case "cancel":
		return []scheduling.Event{scheduling.CancelJob{}}, nil
	case "suspend":
		return []scheduling.Event{scheduling.Suspend{Cause: failure.Info{Message: rest}}}, nil
	case "global":
		cause := failure.Info{Message: rest, Class: class}
		return []scheduling.Event{scheduling.GlobalFailure{Cause: cause}}, nil
	case "timer":
		n, err := strconv.Atoi(rest)
		return []scheduling.Event{scheduling.RestartTimerFired{Restart: scheduling.RestartID(n)}},
			err
	case "task":
		return s.taskEvents(rest)
	case "consumable":
		v, a, err := s.subtask(fields[0])
		if err != nil {
			return nil, err
		}
		output, err := strconv.Atoi(fields[1])
		return []scheduling.Event{scheduling.PartitionConsumable{
			Partition: id.Partition{Producer: attemptOf(v, a), Output: int32(output)},
		}}, err
	case "slots":
		ev, err := slotsEvent(fields)
		return []scheduling.Event{ev}, err
	case "unmet":
		ev := scheduling.SlotAllocationFailed{Cause: failure.Info{Message: text}}
		for _, f := range fields {
			n, err := strconv.Atoi(f)
			if err != nil {
				return nil, err
			}
			ev.Requests = append(ev.Requests, id.SlotRequest(n))
		}
		return []scheduling.Event{ev}, nil
	case "lost":
		ev := scheduling.SlotsLost{Cause: failure.Info{Message: text}}
		for _, f := range fields {
			a, err := allocationID(f)
			if err != nil {
				return nil, err
			}
			ev.Allocations = append(ev.Allocations, a)
		}
		return []scheduling.Event{ev}, nil
	}
	return nil, fmt.Errorf("unknown event")
}

func slotsEvent(fields []string) (scheduling.SlotsAllocated, error) {
	var ev scheduling.SlotsAllocated
	for _, f := range fields {
		request, at, _ := strings.Cut(f, "=")
		name, worker, _ := strings.Cut(at, "@")
		n, err := strconv.Atoi(request)
		if err != nil {
			return ev, err
		}
		a, err := allocationID(name)
		if err != nil {
			return ev, err
		}
		ev.Slots = append(ev.Slots, scheduling.AllocatedSlot{
			Request: id.SlotRequest(n),
			Slot:    execgraph.Slot{Allocation: a, Worker: id.Worker(worker)},
		})
	}
	return ev, nil
}

func (s *script) taskEvents(rest string) ([]scheduling.Event, error) {
	name, rest, _ := strings.Cut(rest, " ")
	stateName, text, _ := strings.Cut(rest, " ")
	info := failure.Info{Message: text}
	if strings.HasSuffix(stateName, "!") {
		stateName, info.Class = strings.TrimSuffix(stateName, "!"), failure.FailJob
	}
	state, err := execgraph.ParseExecutionState(stateName)
	if err != nil {
		return nil, err
	}
	if vertex, all := strings.CutSuffix(name, "/*"); all {
		jv, ok := s.graph.JobVertex(graphtest.VertexID(vertex))
		if !ok {
			return nil, fmt.Errorf("unknown vertex %q", vertex)
		}
		var events []scheduling.Event
		for i := range jv.Subtasks() {
			events = append(events, scheduling.TaskStateChanged{
				Attempt: jv.Subtasks()[i].Current().Attempt(), State: state, Failure: info,
			})
		}
		return events, nil
	}
	v, a, err := s.subtask(name)
	if err != nil {
		return nil, err
	}
	return []scheduling.Event{scheduling.TaskStateChanged{
		Attempt: attemptOf(v, a), State: state, Failure: info,
	}}, nil
}

// subtask reads VERTEX/SUBTASK[#ATTEMPT]; attempt is 0 where it is left out.
func (s *script) subtask(name string) (v *execgraph.ExecutionVertex, attempt int, err error) {
	name, number, has := strings.Cut(name, "#")
	if has {
		if attempt, err = strconv.Atoi(number); err != nil {
			return nil, 0, err
		}
	}
	vertex, index, _ := strings.Cut(name, "/")
	i, err := strconv.Atoi(index)
	jv, ok := s.graph.JobVertex(graphtest.VertexID(vertex))
	if !ok || err != nil || i >= len(jv.Subtasks()) {
		return nil, 0, fmt.Errorf("unknown subtask %q", name)
	}
	return &jv.Subtasks()[i], attempt, nil
}

func attemptOf(v *execgraph.ExecutionVertex, number int) id.Attempt {
	a := v.Current().Attempt()
	if number != 0 {
		a.Number = int32(number)
	}
	return a
}

// allocationID is the id of the slot with a name such as s12.
func allocationID(name string) (id.Allocation, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "s"))
	return id.Allocation{0: byte(n >> 8), 1: byte(n), 15: 1}, err
}

func slotName(a id.Allocation) string {
	if a.IsZero() {
		return "none"
	}
	return fmt.Sprintf("s%d", int(a[0])<<8|int(a[1]))
}

func (s *script) taskName(a id.Attempt) string {
	v, err := s.graph.Find(a)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s/%d#%d", v.JobVertex().Vertex().Name, a.Subtask, a.Number)
}

// print writes one effect in one line, or one line per state that tasks changed to.
func (s *script) print(out *strings.Builder, e scheduling.Effect) {
	switch e := e.(type) {
	case scheduling.TasksChanged:
		for i := 0; i < len(e.Changes); {
			to := e.Changes[i].To
			fmt.Fprintf(out, "tasks %v:", to)
			for ; i < len(e.Changes) && e.Changes[i].To == to; i++ {
				fmt.Fprintf(out, " %s", s.taskName(e.Changes[i].Attempt))
			}
			out.WriteByte('\n')
		}
	case scheduling.CancelTasks:
		out.WriteString("cancel:")
		for _, c := range e.Tasks {
			fmt.Fprintf(out, " %s@%s", s.taskName(c.Attempt), c.Slot.Worker)
		}
		out.WriteByte('\n')
	case scheduling.CancelSlotRequests:
		fmt.Fprintf(out, "withdraw: %v\n", e.Requests)
	case scheduling.ReleaseSlots:
		out.WriteString("release:")
		for _, a := range e.Allocations {
			fmt.Fprintf(out, " %s", slotName(a))
		}
		out.WriteByte('\n')
	case scheduling.JobStateChanged:
		fmt.Fprintf(out, "job: %v → %v", e.From, e.To)
		if e.Cause.Message != "" {
			fmt.Fprintf(out, ": %s", e.Cause.Message)
		}
		out.WriteByte('\n')
	case scheduling.ScheduleRestart:
		fmt.Fprintf(out, "restart %d after %v\n", e.Restart, e.After)
	case scheduling.TasksToRestore:
		out.WriteString("restore")
		if e.Global {
			out.WriteString(" globally")
		}
		for _, i := range e.Vertices {
			fmt.Fprintf(out, " %s", s.taskName(s.graph.Subtask(i).Current().Attempt()))
		}
		out.WriteByte('\n')
	case scheduling.RequestSlots:
		out.WriteString("request:")
		for _, r := range e.Requests {
			fmt.Fprintf(out, " %d=%s[%d]", r.ID, r.Group, r.Index)
			if !r.Previous.Allocation.IsZero() {
				fmt.Fprintf(out, "(was %s@%s)", slotName(r.Previous.Allocation), r.Previous.Worker)
			}
		}
		out.WriteByte('\n')
	case scheduling.DeployTasks:
		out.WriteString("deploy:")
		for _, d := range e.Tasks {
			fmt.Fprintf(out, " %s→%s@%s", s.taskName(d.Attempt), slotName(d.Slot.Allocation),
				d.Slot.Worker)
		}
		out.WriteByte('\n')
	default:
		fmt.Fprintf(out, "unknown effect %T\n", e)
	}
}

// state prints the job, its tasks and its failures.
func (s *script) state() string {
	var out strings.Builder
	fmt.Fprintf(&out, "job %v after %d restarts\n", s.graph.Status(), s.sched.Restarts())
	for _, jv := range s.graph.JobVertices() {
		fmt.Fprintf(&out, "%s %v:", jv.Vertex().Name, jv.Counts().Aggregate())
		for i := range jv.Subtasks() {
			c := jv.Subtasks()[i].Current()
			fmt.Fprintf(&out, " #%d %v", c.Attempt().Number, c.State())
			if !c.Slot().Allocation.IsZero() {
				fmt.Fprintf(&out, "@%s", slotName(c.Slot().Allocation))
			}
		}
		out.WriteByte('\n')
	}
	if missing, since := s.sched.MissingSlots(); missing > 0 {
		fmt.Fprintf(&out, "%d slots are missing", missing)
		if !since.IsZero() {
			fmt.Fprintf(&out, " since %v", s.now.Sub(since))
		}
		out.WriteByte('\n')
	}
	for _, e := range s.sched.History() {
		s.printException(&out, "failure", e)
		for _, c := range e.Concurrent {
			s.printException(&out, "  with", c)
		}
	}
	if c := s.sched.FailureCause(); c.Message != "" {
		fmt.Fprintf(&out, "cause: %s\n", c.Message)
	}
	return out.String()
}

func (s *script) printException(out *strings.Builder, head string, e scheduling.Exception) {
	task := "the job"
	if e.Task != "" {
		task = e.Task
	}
	fmt.Fprintf(out, "%s at %v of %s on %s: %s\n", head, e.Time.Sub(epoch), task,
		slotName(e.Slot.Allocation), e.Failure.Message)
}
