package checkpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/stream"
)

// TestCoordinator runs the scenarios of testdata/coordinator: what happens to a coordinator, and
// what it wants done. Each file names the requirements that it is about.
func TestCoordinator(t *testing.T) {
	datadriven.Walk(t, "testdata/coordinator", func(t *testing.T, path string) {
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				w = scenario(t, d)
				return w.take()
			}
			w.t = t
			return command(t, w, d)
		})
	})
}

// scenario makes a world: the arguments are settings, the input is a job.
func scenario(t *testing.T, d *datadriven.TestData) *world {
	o := Options{Settings: settings(), SavepointDirectory: "mem:///sp", Epoch: 1}
	auto := false
	for _, a := range d.CmdArgs {
		value := strings.Join(a.Vals, ",")
		if a.Key == "auto" {
			auto = true
			continue
		}
		if err := setting(&o, a.Key, value); err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
	}
	w := newWorld(t, testJob(t, d.Input), o)
	w.auto = auto
	return w
}

func setting(o *Options, key, value string) (err error) {
	s := &o.Settings
	duration := func(into *time.Duration) { *into, err = time.ParseDuration(value) }
	number := func(into *int) { *into, err = strconv.Atoi(value) }
	switch key {
	case "interval":
		if value == "none" {
			s.Enabled, s.Interval, s.IntervalDuringBacklog = false, 0, 0
			return nil
		}
		duration(&s.Interval)
	case "backlog-interval":
		duration(&s.IntervalDuringBacklog)
	case "timeout":
		duration(&s.Timeout)
	case "pause":
		duration(&s.MinPause)
	case "align-timeout":
		duration(&s.AlignedTimeout)
	case "concurrent":
		number(&s.MaxConcurrent)
	case "tolerable":
		number(&s.TolerableFailures)
	case "retained":
		number(&s.NumRetained)
	case "unaligned":
		s.Unaligned = true
	case "at-least-once":
		s.Mode = config.AtLeastOnce
	case "not-after-finish":
		s.AfterTasksFinish = false
	case "retention":
		s.Retention = config.Retention(value)
	case "no-savepoint-dir":
		o.SavepointDirectory = ""
	case "initial":
		n, _ := strconv.ParseUint(value, 10, 64)
		file := FileName{Attempt: id.Attempt{Job: id.Job{7}}, Checkpoint: n, Hint: "old"}.String()
		o.Initial = &Completed{Foreign: true, Path: "mem:///old/chk-" + value,
			Metadata: oneFile(n, "mem:///old/chk-"+value+"/"+file)}
	default:
		return fmt.Errorf("no setting %q", key)
	}
	return err
}

// command carries out one line of a scenario.
func command(t *testing.T, w *world, d *datadriven.TestData) string {
	names, args := []string{}, map[string]string{}
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			names = append(names, a.Key)
		} else {
			args[a.Key] = strings.Join(a.Vals, ",")
		}
	}
	first := func() uint64 {
		n, err := strconv.ParseUint(names[0], 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		return n
	}
	switch d.Cmd {
	case "running":
		w.step(TasksRunning{Attempts: w.tasks(names...)})
	case "finished":
		for _, a := range w.tasks(names...) {
			w.step(TaskFinished{Attempt: a})
		}
	case "failed":
		w.step(TasksFailed{Attempts: w.tasks(names...), Reason: "boom"})
	case "next": // the named tasks get new attempts, which run later
		for _, a := range w.tasks(names...) {
			plain := w.name(id.Attempt{Vertex: a.Vertex, Subtask: a.Subtask})
			a.Number++
			w.attempt[plain] = a
		}
	case "wants":
		for _, a := range w.tasks(names...) {
			w.step(WantsCheckpoint{Attempt: a})
		}
	case "advance":
		by, err := time.ParseDuration(names[0])
		if err != nil {
			t.Fatal(err)
		}
		w.advance(by)
	case "prepared":
		kind, target := stream.NoSavepoint, ""
		if args["savepoint"] != "" {
			kind, target = stream.Savepoint, args["savepoint"]
		}
		w.step(LocationPrepared{Checkpoint: first(), Err: errOf(args["err"]),
			Location: location(PrepareLocation{Checkpoint: first(), Kind: kind, Target: target})})
	case "coordinator":
		w.step(CoordinatorSnapshot{Checkpoint: first(), Err: errOf(args["err"]),
			Operator: id.OperatorFromUID(names[1]), State: []byte("x")})
	case "ack":
		ackCommand(w, first(), names[1:], args)
	case "decline":
		causes := []string{"failed", "not-ready", "ended", "superseded"}
		for _, a := range w.tasks(names[1:]...) {
			w.step(Declined{Attempt: a, Checkpoint: first(), Reason: errOf(args["reason"]),
				Cause: DeclineCause(max(0, slices.Index(causes, args["cause"])))})
		}
	case "written":
		w.step(MetadataWritten{Checkpoint: first(), Err: errOf(args["err"]),
			Path: fmt.Sprintf("path-%d", first())})
	default:
		return command2(t, w, d, names, args)
	}
	return w.take()
}

// ackCommand acknowledges: shared=N adds a new shared file, reuse=N names the shared file of
// checkpoint N again, carry=N the exclusive one.
func ackCommand(w *world, checkpoint uint64, names []string, args map[string]string) {
	for _, a := range w.tasks(names...) {
		var files []string
		if args["shared"] != "" {
			files = append(files, w.stateFile(a, checkpoint, 2, true))
		}
		if n, err := strconv.ParseUint(args["reuse"], 10, 64); err == nil {
			files = append(files, w.stateFile(a, n, 2, true))
		}
		if n, err := strconv.ParseUint(args["carry"], 10, 64); err == nil {
			files = append(files, w.stateFile(a, n, 1, false))
		}
		w.ack(checkpoint, []id.Attempt{a}, files...)
	}
}

func command2(t *testing.T, w *world, d *datadriven.TestData, names []string,
	args map[string]string,
) string {
	switch d.Cmd {
	case "savepoint":
		kinds := map[string]stream.SavepointKind{"": stream.Savepoint,
			"stop": stream.StopSavepoint, "drain": stream.DrainSavepoint}
		w.step(TriggerSavepoint{Request: names[0], Kind: kinds[args["kind"]],
			Target: args["target"]})
	case "checkpoint":
		w.step(TriggerCheckpoint{Request: names[0], Full: slices.Contains(names, "full")})
	case "backlog":
		w.step(BacklogChanged{Backlog: names[0] == "on"})
	case "restore":
		w.step(RestoreWanted{})
	case "stop":
		ends := []string{"SUSPENDED", "FINISHED", "CANCELED", "FAILED"}
		w.step(Stop{End: JobEnd(slices.Index(ends, names[0]))})
	case "discarded":
		for _, n := range slices.Sorted(mapKeys(w.c.files.discards)) {
			w.step(Discarded{ID: n})
		}
	case "state":
		return describeState(w.c)
	case "stats":
		return describeStats(w.c)
	default:
		t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
	}
	return w.take()
}

func mapKeys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func describeState(c *Coordinator) string {
	var b strings.Builder
	for _, p := range c.pending {
		fmt.Fprintf(&b, "pending %d: %v\n", p.id, p.stage)
	}
	for _, r := range c.Retained() {
		fmt.Fprintf(&b, "retained %d\n", r.Checkpoint)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func describeStats(c *Coordinator) string {
	o := c.Overview()
	var b strings.Builder
	fmt.Fprintf(&b, "restored %d, in progress %d, completed %d, failed %d\n", o.Restored,
		o.InProgress, o.Completed, o.Failed)
	for _, s := range o.History {
		fmt.Fprintf(&b, "%d %v %v: %d of %d tasks, %d bytes, %d new", s.ID, s.Status,
			s.Duration(c.now), s.Acknowledged, s.Tasks, s.StateBytes, s.NewBytes)
		if s.Discarded {
			b.WriteString(", discarded")
		}
		if s.Failure != "" {
			fmt.Fprintf(&b, ": %s", s.Failure)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
