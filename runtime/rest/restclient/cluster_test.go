package restclient_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"goflink/core/accumulator"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/operator/reading"
	"goflink/runtime/rest/message"
	"goflink/runtime/rest/restclient"
)

func endless(env *datastream.Environment) {
	datastream.Generate(env, reading.Endless, 1000, func(n int64) int64 { return n }).
		Rebalance().ForEach(func(int64) {}).Name("nothing")
}

// running waits until all tasks of a job run.
func (x *rig) running(j *restclient.Job) {
	x.t.Helper()
	x.until("all tasks run", func() bool {
		all, err := x.client.Jobs(x.t.Context())
		if err != nil {
			x.t.Fatal(err)
		}
		for _, s := range all {
			if s.ID == j.ID() {
				return s.Tasks["running"] == s.Tasks["total"] && s.Tasks["total"] > 0
			}
		}
		return false
	})
}

// TestLifeOverREST: R120, R131: a job is seen, checkpointed, saved and stopped over REST.
func TestLifeOverREST(t *testing.T) {
	x := newRig(t)
	ctx := t.Context()
	j := x.submit(endless)
	x.running(j)
	if s, err := j.Status(ctx); err != nil || s != job.Running {
		t.Fatalf("%s, %v", s, err)
	}
	o, err := x.client.Overview(ctx)
	want := message.Overview{TaskManagers: 2, SlotsTotal: 4, SlotsAvailable: 3, JobsRunning: 1,
		Version: "2.1.0", Product: "test"}
	if err != nil || o != want {
		t.Errorf("overview %+v, %v", o, err)
	}
	path, err := j.Checkpoint(ctx)
	if err != nil || !strings.HasPrefix(path, "mem:///cp/") {
		t.Fatalf("checkpoint %q, %v", path, err)
	}
	path, err = j.Savepoint(ctx, "mem:///sp/mine")
	if err != nil || !strings.HasPrefix(path, "mem:///sp/mine/") {
		t.Fatalf("savepoint %q, %v", path, err)
	}
	path, err = j.Stop(ctx, "", true)
	if err != nil || !strings.HasPrefix(path, "mem:///sp/") {
		t.Fatalf("stop %q, %v", path, err)
	}
	r, err := j.Wait(ctx)
	if err != nil || r.Name != "job" || r.ID != j.ID() || r.Runtime <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := x.client.DisposeSavepoint(ctx, path); err != nil {
		t.Error(err)
	}
	if err := x.client.DisposeSavepoint(ctx, "mem:///other"); err == nil ||
		err.Error() != "mem:///other is no savepoint" {
		t.Errorf("disposal of no savepoint: %v", err)
	}
	if _, err := j.Savepoint(ctx, ""); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("a savepoint of a job that has ended: %v", err)
	}
}

// TestCancelOverREST: R150: Wait of a cancelled job says so.
func TestCancelOverREST(t *testing.T) {
	x := newRig(t)
	j := x.submit(endless)
	x.running(j)
	if err := j.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	var cancelled *job.CancelledError
	if _, err := j.Wait(t.Context()); !errors.As(err, &cancelled) || cancelled.ID != j.ID() {
		t.Errorf("Wait says %v", err)
	}
}

// TestCollectOverREST: R183: results of a collecting sink come through its coordinator.
func TestCollectOverREST(t *testing.T) {
	x := newRig(t)
	var results *datastream.Results[int64]
	j := x.submit(func(env *datastream.Environment) {
		results = datastream.Collect(datastream.Generate(env, 100, 0,
			func(n int64) int64 { return n * n }))
	})
	var got []int64
	for v, err := range results.All(t.Context(), j) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if len(got) != 100 || got[99] != 99*99 {
		t.Errorf("%d results: %v", len(got), got)
	}
	_, err := j.Coordinate(t.Context(), id.OperatorFromUID("nobody"), nil)
	var status *restclient.StatusError
	if !errors.As(err, &status) || status.Code != 404 {
		t.Errorf("an operator that is not there: %v", err)
	}
}

// TestFailureOverREST: R152: the failure of a job comes to the client with its cause.
func TestFailureOverREST(t *testing.T) {
	x := newRig(t)
	j := x.submit(func(env *datastream.Environment) {
		datastream.Generate(env, 10, 0, func(n int64) int64 { return n }).
			ForEach(func(n int64) { panic("no good") })
	})
	_, err := j.Wait(t.Context())
	local, want := x.cluster.Master(j.ID()).Client().Wait(t.Context())
	if err == nil || err.Error() != want.Error() || !strings.Contains(err.Error(), "no good") {
		t.Errorf("the client says\n%v\nthe JobMaster\n%v", err, want)
	}
	again, err := j.Wait(t.Context())
	again.Runtime = local.Runtime // in whole milliseconds over REST
	if err == nil || !reflect.DeepEqual(again, local) {
		t.Errorf("the client says %+v, the JobMaster %+v", again, local)
	}
}

// counting has accumulators.
type counting struct {
	sum     *accumulator.Number[int64]
	largest *accumulator.Number[float64]
}

func (f *counting) Open(ctx *datastream.FunctionContext) error {
	f.sum, f.largest = accumulator.NewCounter(), accumulator.NewMax()
	if err := ctx.Accumulators().Add("sum", f.sum); err != nil {
		return err
	}
	return ctx.Accumulators().Add("largest", f.largest)
}

func (f *counting) Map(n int64) (int64, error) {
	f.sum.Add(n)
	f.largest.Add(float64(n))
	return n, nil
}

// TestResultOverREST: R120, R131: the result of a job is the same over REST.
func TestResultOverREST(t *testing.T) {
	x := newRig(t)
	j := x.submit(func(env *datastream.Environment) {
		datastream.RichMap(datastream.FromSequence(env, 1, 100), func() *counting {
			return &counting{}
		}).ForEach(func(int64) {})
	})
	r, err := j.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	local, err := x.cluster.Master(j.ID()).Client().Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	local.Runtime = local.Runtime.Truncate(time.Millisecond)
	want := map[string]any{"sum": int64(5050), "largest": 100.0}
	if !reflect.DeepEqual(r, local) || !reflect.DeepEqual(r.Accumulators, want) {
		t.Errorf("the client says %+v, the JobMaster %+v", r, local)
	}
}

// TestShutDown: R120: the cluster is asked to end.
func TestShutDown(t *testing.T) {
	x := newRig(t)
	if err := x.client.ShutDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-x.down
	workers, err := x.client.TaskManagers(t.Context())
	if err != nil || len(workers) != 2 || workers[0].ID != "taskmanager-1" {
		t.Errorf("%+v, %v", workers, err)
	}
}
