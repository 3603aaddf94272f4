package rpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/core/accumulator"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/rpc"
)

// prepared is what is noted when the job is made ready.
const prepared = "prepare graph: execute 1, [{k v o}], [{{00000000000000000000000000000000 first " +
	"0s map[] 0} <nil> false}]"

// TestToWorker: R139, R152: all that a JobMaster says arrives at the TaskManager as it was said, in
// its order; a job is made ready before its first task.
func TestToWorker(t *testing.T) {
	testkit.NoLeaks(t)
	c := startServer(t, 3, patient)
	x := startClient(t, fixed(c.address), nil).x
	w := <-c.hub.workers
	c.hub.expect(t, "register w1: 2 slots, data at here:1")
	if w.Worker() != "w1" || w.DataAddress() != "here:1" || w.Registration().Slots != 2 {
		t.Errorf("registration: %+v", w.Registration())
	}
	w.Allocate(1, id.Allocation{5}, jobID)
	x.expect(t, "allocate slot 1 as 5 for 7", prepared)
	m := master{c.hub.journal}
	shared := []controlplane.Producer{
		{Partition: id.Partition{Producer: attempt(1, 0, 2), Output: 1}, Worker: "w1",
			Address: "a:1"},
		{Partition: id.Partition{Producer: attempt(1, 1, 2), Output: 1}, Worker: "w2",
			Address: "b:2"}}
	for sub := range int32(2) {
		w.Submit(&controlplane.TaskDeployment{Attempt: attempt(2, sub, 4), Vertex: 1,
			Allocation: id.Allocation{5}, Outputs: []int{3, 4},
			Inputs: []controlplane.InputDeployment{{Producers: shared, Channel: int(sub)}}}, m)
	}
	const from = "1.0#2/1@w1(a:1) 1.1#2/1@w2(b:2)"
	x.expect(t, "submit 2.0#4: vertex 1 in 5 outputs [3 4] from 0 []: "+from,
		"submit 2.1#4: vertex 1 in 5 outputs [3 4] from 1 []: "+from)
	restore := &controlplane.TaskRestore{Checkpoint: 9, Finished: true,
		Operators: map[id.Operator]statebackend.OperatorSnapshot{{8}: {
			RawKeyed: []statebackend.KeyedHandle{{Contents: statebackend.Blob{Length: 3}}}}}}
	w.Submit(&controlplane.TaskDeployment{Attempt: attempt(3, 0, 1), Vertex: 2, Restore: restore,
		Inputs: []controlplane.InputDeployment{{Producers: shared[:1], Channels: []int{6}}}}, m)
	x.expect(t, fmt.Sprintf("submit 3.0#1: vertex 2 in 0 outputs [] from 0 [6]: "+
		"1.0#2/1@w1(a:1) restore %+v", *restore))
	a, b := attempt(2, 0, 4), attempt(2, 1, 4)
	barrier := stream.Barrier{Checkpoint: 1, Triggered: 2, Alignment: stream.Unaligned,
		AlignTimeout: 3, Savepoint: stream.DrainSavepoint, Full: true, Target: "t"}
	w.TriggerCheckpoint(a, &barrier)
	w.CheckpointComplete([]id.Attempt{a, b}, 4)
	w.CheckpointAborted([]id.Attempt{b}, 5)
	w.CoordinatorEvent(a, id.Operator{8}, []byte("e"))
	w.SampleBackpressure(controlplane.BackpressureRequest{Request: 6, Attempts: []id.Attempt{a},
		Samples: 7, Delay: time.Second}, m)
	w.CancelTask(b)
	x.expect(t, fmt.Sprintf("trigger at 2.0#4: %+v", barrier), "complete 4: 2.0#4 2.1#4",
		"aborted 5: 2.1#4", `event "e" for 8 in 2.0#4`, "sample 6: 2.0#4 7 times every 1s",
		"cancel 2.1#4")
	w.ReleaseJob(jobID)
	x.expect(t, "release 7", "forget 7")
	w.FreeSlot(id.Allocation{5}, errors.New("why"))
	x.expect(t, "free 5: why")
}

// TestFromWorker: R130, R152: all that tasks report arrives at their JobMaster, in its order.
func TestFromWorker(t *testing.T) {
	testkit.NoLeaks(t)
	c := startServer(t, 1, patient)
	tm := startClient(t, fixed(c.address), nil)
	w := <-c.hub.workers
	w.Allocate(0, id.Allocation{5}, jobID)
	m := <-tm.x.masters
	if m.ID() != jobID {
		t.Errorf("the master of job %s", m.ID())
	}
	c.hub.expect(t, "register w1: 2 slots, data at here:1")
	a := attempt(1, 2, 3)
	m.OfferSlots(nil, []controlplane.SlotOffer{{Allocation: id.Allocation{5}, Index: 1}})
	m.TaskRunning(a)
	m.OperatorEvent(a, id.Operator{8}, []byte("e"))
	snapshot := statebackend.TaskSnapshot{Finished: true, Operators: []statebackend.NamedSnapshot{
		{ID: id.Operator{8}}}}
	metrics := statebackend.SnapshotMetrics{Sync: 1, StateBytes: 2, Unaligned: true}
	m.AcknowledgeCheckpoint(a, 4, snapshot, metrics)
	m.DeclineCheckpoint(a, 5, controlplane.DeclineEnded, failure.InfoOf(errors.New("why")))
	m.WantsCheckpoint(a)
	m.BackpressureSampled("w1", controlplane.BackpressureSamples{Request: 6,
		Tasks: []controlplane.TaskBackpressure{{Attempt: a, Share: 0.5}}})
	info := failure.InfoOf(errors.New("a fault"))
	m.TaskEnded(a, controlplane.TaskEnd{Failure: &info, SlotGone: true})
	m.TaskEnded(a, controlplane.TaskEnd{Cancelled: true})
	m.TaskEnded(a, controlplane.TaskEnd{Accumulators: []accumulator.Share{{Name: "n", Kind: "k",
		Value: json.RawMessage("1")}}})
	tm.SlotFreed(id.Allocation{5})
	c.hub.expect(t, "offer of slot 1 as 5 by w1", "running 1.2#3", `event "e" of 8 in 1.2#3`,
		fmt.Sprintf("ack 4 by 1.2#3: %+v %+v", snapshot, metrics),
		fmt.Sprintf("decline 5 by 1.2#3: %d why", controlplane.DeclineEnded),
		"1.2#3 wants a checkpoint", "samples 6 of w1: 0.5",
		`ended 1.2#3 cancelled=false gone=true failure="a fault" []`,
		`ended 1.2#3 cancelled=true gone=false failure="" []`,
		`ended 1.2#3 cancelled=false gone=false failure="" [{n k [49]}]`, "freed 5 by w1")
}

// TestRefusals: a worker of another version of the cluster, or one that the ResourceManager does
// not want, is told why, and ends if that is final.
func TestRefusals(t *testing.T) {
	testkit.NoLeaks(t)
	for _, c := range []struct {
		name, want string
		refuse     error
		change     func(o *rpc.ClientOptions)
	}{
		{"another cluster", `belongs to the cluster "c2"`, nil,
			func(o *rpc.ClientOptions) { o.Cluster = "c2" }},
		{"no slots", "with 0 slots", nil,
			func(o *rpc.ClientOptions) { o.Registration.Slots = 0 }},
		{"unwanted", "it was released", &rpc.RefusedError{Reason: "it was released", Final: true},
			nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startServer(t, 1, patient)
			s.hub.refuse = c.refuse
			tm := startClient(t, fixed(s.address), c.change)
			<-tm.ended
			var refused *rpc.RefusedError
			if !errors.As(tm.err, &refused) || !refused.Final || !contains(tm.err, c.want) {
				t.Errorf("ended with %v, want %q", tm.err, c.want)
			}
		})
	}
}

func contains(err error, want string) bool {
	return err != nil && strings.Contains(err.Error(), want)
}

// TestLeaderChanges: R6, R150: a worker whose connection ends gives all up and finds the next
// leader; it does not go back to one of a lower epoch.
func TestLeaderChanges(t *testing.T) {
	testkit.NoLeaks(t)
	first, second := startServer(t, 1, patient), startServer(t, 2, patient)
	leaders := &changing{address: first.address}
	tm := startClient(t, leaders, nil)
	w := <-first.hub.workers
	w.Allocate(0, id.Allocation{5}, jobID)
	m := <-tm.x.masters
	tm.x.expect(t, "allocate slot 0 as 5 for 7", prepared)
	leaders.set(second.address)
	w.Disconnect(errors.New("cut off"))
	first.hub.expect(t, "register w1: 2 slots, data at here:1", "lost w1")
	tm.x.expect(t, "leader lost")
	w = <-second.hub.workers
	w.FreeSlot(id.Allocation{6}, errors.New("hello")) // heard once the worker is registered
	tm.x.expect(t, "free 6: hello")
	// What comes late of the first connection goes nowhere.
	m.TaskRunning(attempt(1, 1, 1))
	leaders.set(first.address)
	w.Disconnect(errors.New("cut off"))
	tm.x.expect(t, "leader lost")
	second.hub.expect(t, "register w1: 2 slots, data at here:1", "lost w1")
	leaders.set(second.address)
	<-second.hub.workers
	second.hub.expect(t, "register w1: 2 slots, data at here:1")
	first.hub.expect(t)
}

// TestShutdown: the leader can end a worker, which then does not look for another one.
func TestShutdown(t *testing.T) {
	testkit.NoLeaks(t)
	c := startServer(t, 1, patient)
	tm := startClient(t, fixed(c.address), nil)
	(<-c.hub.workers).Shutdown("no longer needed")
	<-tm.ended
	if !errors.Is(tm.err, rpc.ErrShutdown) || !contains(tm.err, "no longer needed") {
		t.Errorf("ended with %v", tm.err)
	}
	tm.x.expect(t, "leader lost")
}

// TestNoLeader: R153: without a leader for the time of the configuration the worker ends.
func TestNoLeader(t *testing.T) {
	testkit.NoLeaks(t)
	tm := startClient(t, fixed("127.0.0.1:1"),
		func(o *rpc.ClientOptions) { o.Timeout = time.Millisecond })
	<-tm.ended
	if !errors.Is(tm.err, rpc.ErrNoLeader) || !contains(tm.err, "127.0.0.1:1") {
		t.Errorf("ended with %v", tm.err)
	}
}

// TestUnknownJob: an offer for a job that is gone is given back; what comes of its tasks is
// dropped.
func TestUnknownJob(t *testing.T) {
	testkit.NoLeaks(t)
	c := startServer(t, 1, patient)
	c.hub.silent = true
	tm := startClient(t, fixed(c.address), nil)
	w := <-c.hub.workers
	w.Allocate(0, id.Allocation{5}, jobID)
	m := <-tm.x.masters
	m.TaskRunning(attempt(1, 1, 1))
	m.OfferSlots(nil, []controlplane.SlotOffer{{Allocation: id.Allocation{5}}})
	c.hub.expect(t, "register w1: 2 slots, data at here:1")
	tm.x.await(t, "free 5: job 07")
}

// TestFullWorker: a slot that cannot be allocated comes back.
func TestFullWorker(t *testing.T) {
	testkit.NoLeaks(t)
	c := startServer(t, 1, patient)
	tm := startClient(t, fixed(c.address), nil)
	w := <-c.hub.workers
	tm.x.full = true
	w.Allocate(0, id.Allocation{5}, jobID)
	c.hub.expect(t, "register w1: 2 slots, data at here:1", "freed 5 by w1")
}
