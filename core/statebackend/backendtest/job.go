package backendtest

import (
	"context"
	"encoding/json"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// maxParallelism is the number of key groups of the suite's jobs.
const maxParallelism = 32

// Suite says what is tested.
type Suite struct {
	// New makes the backend; it is called once per test.
	New func(t testing.TB) statebackend.Backend
	// Spawn runs f in a goroutine of its own.
	Spawn func(f func())
}

// Run runs the whole suite.
func Run(t *testing.T, s Suite) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Suite)
	}{
		{"Kinds", testKinds},
		{"NoKey", testNoKey},
		{"Reopen", testReopen},
		{"Namespaces", testNamespaces},
		{"MergeNamespaces", testMerge},
		{"Space", testSpace},
		{"Timers", testTimers},
		{"Isolation", testIsolation},
		{"ConcurrentWrite", testConcurrentWrite},
		{"Rescale", testRescale},
		{"Carried", testCarried},
		{"WriteFails", testWriteFails},
		{"TTL", testTTL},
		{"TTLSweep", testTTLSweep},
		{"TTLChanged", testTTLChanged},
		{"Evolution", testEvolution},
		{"Refused", testRefused},
		{"CheckMutation", testCheckMutation},
		{"Metamorphic", testMetamorphic},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// job is a keyed operator at some parallelism.
type job struct {
	t       testing.TB
	backend statebackend.Backend
	subs    []statebackend.Keyed
	storage *Storage
	options statebackend.KeyedOptions
	now     *int64
	// checkpoints counts snapshots.
	checkpoints uint64
}

// keySchema is the schema of string keys.
func keySchema[K any](t testing.TB) []byte {
	t.Helper()
	k, err := typeinfo.KeyOf[K]()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(k.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newJob starts a job without state.
func (s Suite) newJob(t testing.TB, parallelism int) *job {
	t.Helper()
	now := int64(1_000_000)
	j := &job{t: t, backend: s.New(t), storage: &Storage{}, now: &now}
	j.options = statebackend.KeyedOptions{Operator: "sum", UID: "sum-1",
		MaxParallelism: maxParallelism, KeySchema: keySchema[string](t), ManagedBytes: 64 << 20,
		Reader: j.storage, Now: func() int64 { return now }}
	if err := j.open(parallelism, nil); err != nil {
		t.Fatal(err)
	}
	return j
}

// open opens the instances.
func (j *job) open(parallelism int, handles []statebackend.KeyedHandle) error {
	j.subs = nil
	for i := range parallelism {
		o := j.options
		o.Groups = keygroup.RangeOf(maxParallelism, parallelism, i)
		o.Restore = handles
		k, err := j.backend.NewKeyed(context.Background(), o)
		if err != nil {
			return err
		}
		j.subs = append(j.subs, k)
		j.t.Cleanup(func() {
			if err := k.Close(); err != nil {
				j.t.Error(err)
			}
		})
	}
	return nil
}

// at makes key the current one of the instance that owns it.
func (j *job) at(key string) statebackend.Keyed {
	hash := keygroup.HashString(key)
	group := keygroup.Of(hash, maxParallelism)
	k := j.subs[keygroup.Subtask(group, maxParallelism, len(j.subs))]
	k.SetKey(hash, []byte(key))
	k.SetNamespace(nil)
	return k
}

// snapshot takes and writes a snapshot of all instances.
func (j *job) snapshot() []statebackend.KeyedHandle {
	j.t.Helper()
	var handles []statebackend.KeyedHandle
	for _, p := range j.freeze() {
		h, err := p.Write(context.Background())
		if err != nil {
			j.t.Fatal(err)
		}
		handles = append(handles, h)
	}
	return handles
}

// freeze takes a snapshot of all instances.
func (j *job) freeze() []statebackend.PendingSnapshot {
	j.t.Helper()
	j.checkpoints++
	var pending []statebackend.PendingSnapshot
	for _, k := range j.subs {
		p, err := k.Snapshot(statebackend.SnapshotRequest{Checkpoint: j.checkpoints,
			Canonical: j.checkpoints%2 == 0, Location: j.storage})
		if err != nil {
			j.t.Fatal(err)
		}
		pending = append(pending, p)
	}
	return pending
}

// restore starts the job anew from handles, which travel as JSON.
func (j *job) restore(parallelism int, handles []statebackend.KeyedHandle) {
	j.t.Helper()
	if err := j.tryRestore(parallelism, handles); err != nil {
		j.t.Fatal(err)
	}
}

func (j *job) tryRestore(parallelism int, handles []statebackend.KeyedHandle) error {
	j.t.Helper()
	text, err := json.Marshal(handles)
	if err != nil {
		j.t.Fatal(err)
	}
	var read []statebackend.KeyedHandle
	if err := json.Unmarshal(text, &read); err != nil {
		j.t.Fatal(err)
	}
	return j.open(parallelism, read)
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened returns what a state was opened as, or fails the test.
func opened[S any](t testing.TB) func(s S, err error) S {
	return func(s S, err error) S {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// average is an aggregate function whose accumulator is changed in place.
type average struct{}

// meanAcc is the accumulator of average.
type meanAcc struct {
	Seen []int64
	Sum  int64
}

// Create implements state.AggregateFunction.
func (average) Create() *meanAcc { return &meanAcc{} }

// Add implements state.AggregateFunction.
func (average) Add(v int64, acc *meanAcc) *meanAcc {
	acc.Sum += v
	acc.Seen = append(acc.Seen, v)
	acc.Seen[0] = v // in place: a snapshot must not see it
	return acc
}

// Result implements state.AggregateFunction.
func (average) Result(acc *meanAcc) float64 { return float64(acc.Sum) / float64(len(acc.Seen)) }

// Merge implements state.AggregateFunction.
func (average) Merge(a, b *meanAcc) *meanAcc {
	a.Sum += b.Sum
	a.Seen = append(a.Seen, b.Seen...)
	return a
}

// kinds are the states of each kind of one operator instance.
type kinds struct {
	keyed statebackend.Keyed
	value state.InternalValue[int64]
	list  state.InternalList[string]
	sum   state.InternalReducing[int64]
	mean  state.InternalAggregating[int64, float64]
	rules state.InternalMap[string, int64]
	timer statebackend.TimerQueue
}

// openKinds opens them, with a time to live unless ttl is zero.
func openKinds(k statebackend.Keyed, ttl state.TTL) (s kinds, err error) {
	s.keyed = k
	if s.value, err = state.OpenValue(k, state.ValueOf[int64]("value").WithTTL(ttl)); err != nil {
		return s, err
	}
	if s.list, err = state.OpenList(k, state.ListOf[string]("list").WithTTL(ttl)); err != nil {
		return s, err
	}
	s.sum, err = state.OpenReducing(k, state.ReducingOf("sum",
		func(a, b int64) int64 { return a + b }).WithTTL(ttl))
	if err != nil {
		return s, err
	}
	s.mean, err = state.OpenAggregating(k,
		state.AggregatingOf[int64, *meanAcc, float64]("mean", average{}).WithTTL(ttl))
	if err != nil {
		return s, err
	}
	if s.rules, err = state.OpenMap(k, state.MapOf[string,
		int64]("rules").WithTTL(ttl)); err != nil {
		return s, err
	}
	s.timer, err = k.Timers("timers")
	return s, err
}

// kindsAt opens the states of the instance that owns key and makes key current. Opening a state
// again is cheap: it gives the same table.
func (j *job) kindsAt(key string, ttl state.TTL) kinds {
	j.t.Helper()
	return opened[kinds](j.t)(openKinds(j.at(key), ttl))
}
