package resourcemgr

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/runtime/controlplane"
)

// roomy are settings under which only the limits of the package hold.
var roomy = Settings{Spec: WorkerSpec{Slots: 1}, IdleTimeout: time.Hour,
	RegistrationTimeout: time.Hour, FailuresPerMinute: 10, RetryInterval: time.Second}

// limited is a machine that has begun, and a way to tell it something.
func limited(t *testing.T, s Settings, hasDriver bool) (*machine, func(event) ([]effect, error)) {
	n := uint32(0)
	m := newMachine(s, hasDriver, func() id.Allocation {
		n++
		return id.Allocation{byte(n), byte(n >> 8), byte(n >> 16), 1}
	})
	tell := func(ev event) ([]effect, error) { return m.step(epoch, ev) }
	if _, err := tell(driverStarted{}); err != nil {
		t.Fatal(err)
	}
	return m, tell
}

func requests(effects []effect) (n int) {
	for _, e := range effects {
		if _, ok := e.(requestWorker); ok {
			n++
		}
	}
	return n
}

// No more than MaxPending requests wait at a time; further ones follow answers.
func TestPendingRequestsAreLimited(t *testing.T) {
	m, tell := limited(t, roomy, true)
	effects, err := tell(needDeclared{id.Job{1}, MaxPending + 3, nil})
	if n := requests(effects); n != MaxPending || err != nil {
		t.Fatalf("%d requests, %v; want %d", n, err, MaxPending)
	}
	for i := range RequestNumber(2) {
		effects, err := tell(workerAllocated{i + 1, id.Worker(fmt.Sprint("w", i))})
		if n := requests(effects); n != 1 || err != nil {
			t.Fatalf("%d requests after an answer, %v; want 1", n, err)
		}
	}
	if len(m.requests) != MaxPending {
		t.Errorf("%d requests wait", len(m.requests))
	}
}

// Beyond MaxWorkers nobody is taken in, and nothing is asked for.
func TestWorkersAreLimited(t *testing.T) {
	m, tell := limited(t, roomy, false)
	worker := func(i int) event {
		return workerRegistered{stub{controlplane.Registration{Worker: id.Worker(fmt.Sprint(i)),
			Slots: 1}}}
	}
	for i := range MaxWorkers {
		if _, err := tell(worker(i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := tell(worker(MaxWorkers))
	if err == nil || !strings.Contains(err.Error(), "there are 65536 workers") {
		t.Errorf("error %v", err)
	}
	if why := m.limit(m.all()); !strings.Contains(why, "the limit of 65536 workers") {
		t.Errorf("the limit is %q", why)
	}
	if _, err := tell(connectionLost{"7", "end"}); err != nil || len(m.order) != MaxWorkers-1 {
		t.Fatalf("%d workers, %v", len(m.order), err)
	}
	if _, err := tell(worker(MaxWorkers)); err != nil {
		t.Error(err)
	}
}

// The latest MaxEnded workers that have ended are refused by their end, earlier ones as unknown.
func TestEndedWorkersAreLimited(t *testing.T) {
	m, tell := limited(t, roomy, true)
	for i := range MaxEnded + 2 {
		if _, err := tell(workerEnded{id.Worker(fmt.Sprint(i)), Exit{Code: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.ended) != MaxEnded || len(m.endedSeq) != MaxEnded {
		t.Errorf("%d and %d ended workers are remembered", len(m.ended), len(m.endedSeq))
	}
	for i, want := range map[int]string{1: "was not started by this cluster", 2: "has ended"} {
		_, err := tell(workerRegistered{stub{controlplane.Registration{Slots: 1,
			Worker: id.Worker(fmt.Sprint(i))}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("worker %d: %v, want %q", i, err, want)
		}
	}
}

// What comes from outside is cut.
func TestReasonsAreLimited(t *testing.T) {
	m, tell := limited(t, roomy, true)
	long := strings.Repeat("x", 2*MaxReason)
	for _, ev := range []event{needDeclared{id.Job{1}, 1, nil}, requestPending{1, long}} {
		if _, err := tell(ev); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(m.requests[0].reason); got > MaxReason+len("…") {
		t.Errorf("a reason of %d bytes is kept", got)
	}
	if text := describeExit(Exit{Code: 1, Diagnostics: long}); len(text) > MaxReason+100 {
		t.Errorf("the description of an end has %d bytes", len(text))
	}
	if text := describeExit(Exit{Code: -1}); text != "the exit code is not known" {
		t.Errorf("an unknown end is %q", text)
	}
}

// Settings come from the keys that Flink has for them.
func TestSettingsOf(t *testing.T) {
	c := config.New()
	spec := WorkerSpec{Slots: 4, VCores: 2, MemoryBytes: 1 << 30}
	s, err := SettingsOf(c, spec)
	want := Settings{Spec: spec, MaxSlots: 1<<31 - 1, IdleTimeout: 30 * time.Second,
		RegistrationTimeout: 5 * time.Minute, RecoveryTimeout: 30 * time.Second,
		GatherDelay: 100 * time.Millisecond, FailuresPerMinute: 10, RetryInterval: 3 * time.Second}
	if err != nil || s != want {
		t.Errorf("the defaults are %+v, %v; want %+v", s, err, want)
	}
	for key, value := range map[string]string{
		"slotmanager.number-of-slots.min": "4", "slotmanager.number-of-slots.max": "40",
		"slotmanager.min-total-resource.cpu": "2", "slotmanager.max-total-resource.cpu": "20",
		"slotmanager.min-total-resource.memory":            "1 gb",
		"slotmanager.max-total-resource.memory":            "10 gb",
		"slotmanager.redundant-taskmanager-num":            "1",
		"slotmanager.requirement-check.delay":              "1 s",
		"slotmanager.declare-needed-resource.delay":        "2 s",
		"resourcemanager.taskmanager-timeout":              "4 s",
		"resourcemanager.taskmanager-registration.timeout": "5 s",
		"resourcemanager.previous-worker.recovery.timeout": "6 s",
		"resourcemanager.start-worker.max-failure-rate":    "7.5",
		"resourcemanager.start-worker.retry-interval":      "8 s",
		"taskmanager.load-balance.mode":                    "SLOTS",
	} {
		c.Set(key, value, "test")
	}
	s, err = SettingsOf(c, spec)
	want = Settings{Spec: spec, MinSlots: 4, MaxSlots: 40, MinVCores: 2, MaxVCores: 20,
		MinMemoryBytes: 1 << 30, MaxMemoryBytes: 10 << 30, Redundant: 1, Spread: true,
		IdleTimeout: 4 * time.Second, RegistrationTimeout: 5 * time.Second,
		RecoveryTimeout: 6 * time.Second, GatherDelay: 3 * time.Second, FailuresPerMinute: 7.5,
		RetryInterval: 8 * time.Second}
	if err != nil || s != want {
		t.Errorf("the settings are %+v, %v; want %+v", s, err, want)
	}
	c.Set("resourcemanager.taskmanager-timeout", "soon", "file x:3")
	if _, err := SettingsOf(c, spec); err == nil ||
		!strings.Contains(err.Error(), "resourcemanager.taskmanager-timeout") {
		t.Errorf("error %v", err)
	}
}
