package task_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/internal/host"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/runtime/dataplane"
	"goflink/runtime/memstate"
	"goflink/runtime/metric"
	"goflink/runtime/task"
)

// TestSlowFunction: R104–R106: with a function that takes 20 ms a record and 1000 of them queued,
// whatever else the task has to do waits for about one record: the barrier of a source, an
// unaligned barrier, an aligned one whose time is over, a timer, mail and a cancel.
func TestSlowFunction(t *testing.T) {
	const takes, patience = 20 * time.Millisecond, 50 * time.Millisecond
	// A timer of the simulated host may lose the toss against the task's next step several times.
	const tosses = 20
	for _, c := range []struct {
		name   string
		source bool
		cause  string // an action of the scripts
		effect string
	}{
		{"trigger at a source", true, "trigger 1", "snapshot(1)"},
		{"unaligned barrier", false, "barrier 0/0 1 unaligned", "snapshot(1)"},
		{"aligned barrier, timed out", false, "barrier 0/0 1 timeout=1", "snapshot(1)"},
		{"mail", false, "event 7", "event(7)"},
		{"completion", false, "complete 7", "complete(7)"},
		{"cancel", false, "cancel", "close()"},
		{"cancel of a source", true, "cancel", "close()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.EachSeed(t, 4, func(t *testing.T, seed uint64) {
				r := newRig(t, seed)
				d := design{operators: 1, channels: []int{1}}
				if c.source {
					d.channels = nil
				}
				r.start(d)
				records := slices.Repeat([]string{"slow=" + takes.String()}, 1000)
				if c.source {
					r.feed.records = records
					r.rt.Wake()
				} else {
					must(t, actions["put"](r, append([]string{"0/0"}, records...)))
				}
				until := r.w.Now().Add(time.Second)
				must(t, r.w.Run(func() bool { return r.w.Now().After(until) }, turnsMax))
				r.flush()
				began := r.w.Now()
				must(t, r.do("hold "+c.cause))
				must(t, r.w.Run(func() bool { return r.logged(c.effect) }, turnsMax))
				limit := patience
				if strings.Contains(c.cause, "timeout") {
					limit += tosses * takes
				}
				if d := r.w.Now().Sub(began); d > limit {
					t.Errorf("it took %s", d)
				}
				r.stop()
			})
		})
	}
}

// TestTimerOfSlowFunction: R104: a timer fires between two records of a slow function.
func TestTimerOfSlowFunction(t *testing.T) {
	testkit.EachSeed(t, 8, func(t *testing.T, seed uint64) {
		r := newRig(t, seed)
		r.start(design{operators: 1, channels: []int{1}})
		records := append([]string{"timer=200ms"}, slices.Repeat([]string{"slow=20ms"}, 1000)...)
		must(t, actions["put"](r, append([]string{"0/0"}, records...)))
		began := r.w.Now()
		must(t, r.w.Run(func() bool { return r.logged("timer(200ms)") }, turnsMax))
		// It may lose the toss against the task's next step several times.
		if d := r.w.Now().Sub(began); d < 200*time.Millisecond || d > 700*time.Millisecond {
			t.Errorf("the timer of 200 ms fired after %s", d)
		}
		r.stop()
	})
}

// TestBeforeOpen: what reaches a task before its first step waits for it, and a cancel then opens
// nothing.
func TestBeforeOpen(t *testing.T) {
	r := newRig(t, 1)
	r.make(design{operators: 1})
	r.task.Trigger(&stream.Barrier{Checkpoint: 1, Alignment: stream.Aligned})
	r.task.CheckpointComplete(7)
	r.task.CoordinatorEvent(id.Operator{1}, []byte("x"))
	r.settle()
	want := "op0: open(1)\nrunning\nop0: snapshot(1) complete(7) event(x)\nacknowledge 1\n"
	if got := r.flush(); got != want {
		t.Errorf("happened:\n%swant:\n%s", got, want)
	}
	r.stop()
	r.make(design{operators: 1})
	r.task.Cancel()
	r.settle()
	if got := r.flush(); got != "cancelled\n" {
		t.Errorf("happened:\n%s", got)
	}
}

// TestCancelWithinPut: R18, R104: on the real host, a step that puts more than the outputs may hold
// blocks within Put; a cancel ends that, and asynchronous work hears of it before the task ends.
func TestCancelWithinPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		v, code := r.vertex(design{operators: 1, results: 1})
		op := &flood{stopped: make(chan struct{})}
		nc := code.Nodes[0]
		nc.Factory = operator.FactoryFunc(func() (operator.Operator, error) { return op, nil })
		code.Nodes[0] = nc
		p, err := dataplane.NewPartition(dataplane.PartitionOptions{Channels: 1, MayBlock: true,
			Type: textType, Buffers: dataplane.Buffers{SegmentBytes: 256}})
		must(t, err)
		ends := make(chan error, 1)
		tk := task.New(task.Options{Host: host.Real{}, Info: operator.Info{TaskName: "flood (1/1)",
			Parallelism: 1, MaxParallelism: 128}, Vertex: v, Code: code, Config: config.New(),
			Partitions: []task.Partition{p}, Backend: memstate.New(), Storage: &r.storage,
			OperatorStates: func(ctx context.Context, o statebackend.OperatorOptions) (
				statebackend.OperatorStore, error) {
				return memstate.NewOperatorStore(ctx, o)
			},
			Listener: ended{listener{r}, ends}, Logger: slog.New(slog.DiscardHandler),
			Metrics: metric.NewRegistry().Group("task"), Shared: task.NewShared()})
		tk.Start()
		synctest.Wait()
		if !tk.BackPressured() {
			t.Error("the task does not wait for room")
		}
		if _, hard := p.BackPressured(); hard < 0 {
			t.Error("a negative time")
		}
		tk.Cancel()
		synctest.Wait()
		select {
		case err := <-ends:
			if !errors.Is(err, task.ErrCancelled) {
				t.Errorf("ended with %v", err)
			}
		default:
			t.Fatal("the task has not ended")
		}
		select {
		case <-op.stopped:
		default:
			t.Error("the task ended before its asynchronous work")
		}
	})
}

// flood is a source whose Poll never comes to an end by itself.
type flood struct {
	out     *operator.Emitter[string]
	stopped chan struct{}
}

func (f *flood) Open(rt operator.Runtime) (err error) {
	rt.Go("work", func(ctx context.Context) {
		<-ctx.Done()
		close(f.stopped)
	})
	f.out, err = operator.NewEmitter[string](rt, "")
	return err
}

func (f *flood) Input(int) any { return nil }
func (f *flood) Finish() error { return nil }
func (f *flood) Close() error  { return nil }

func (f *flood) Poll(int) (operator.PollStatus, error) {
	for {
		f.out.Emit("more and more")
		if err := f.out.Flush(); err != nil {
			return operator.PollIdle, err
		}
	}
}

// ended tells of a task's end.
type ended struct {
	listener
	ends chan error
}

func (e ended) Running(id.Attempt) {}
func (e ended) Ended(_ id.Attempt, err error, _ []accumulator.Share) {
	e.ends <- err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
