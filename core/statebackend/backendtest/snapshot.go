package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/internal/testkit"
)

// keyName is the name of key i: short and long ones.
func keyName(i int) string {
	return strings.Repeat("k", i%12) + fmt.Sprint(i)
}

// fill writes n keys, some in namespaces, with a timer each.
func (j *job) fill(n int, times int64) {
	j.t.Helper()
	for i := range n {
		k := j.kindsAt(keyName(i), state.TTL{})
		for m := range times {
			k.write(j.t, int64(i)+m)
		}
		k.value.SetNamespace(namespaceOf(i))
		k.write(j.t, int64(i))
		must(j.t, k.timer.Add(int64(i), namespaceOf(i)))
	}
}

func namespaceOf(i int) []byte { return fmt.Appendf(nil, "window %d", i%5) }

// image is all that a job's states hold, in text.
func (j *job) image(n int) map[string]string {
	j.t.Helper()
	out := map[string]string{}
	for i := range n {
		k := j.kindsAt(keyName(i), state.TTL{})
		out[keyName(i)] = k.read(j.t).String()
		k.value.SetNamespace(namespaceOf(i))
		out[keyName(i)+" in its window"] = k.read(j.t).String()
	}
	timers := 0
	for _, s := range j.subs {
		q := opened[statebackend.TimerQueue](j.t)(s.Timers("timers"))
		must(j.t, q.Each(func(tm statebackend.Timer) error {
			out[fmt.Sprintf("timer %d %q", tm.Time, tm.Key)] = string(tm.Namespace)
			return nil
		}))
		timers += q.Len()
	}
	out["timers"] = fmt.Sprint(timers)
	return out
}

// compareImages fails the test when two images differ.
func compareImages(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Fatalf("%s: %s: %s, want %s", what, k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d entries, want %d", what, len(got), len(want))
	}
}

// testIsolation: R75: a snapshot has the values of the barrier's moment, whatever changes between
// it and each write to the storage, for several snapshots at once.
func testIsolation(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	const n = 300
	j.fill(n, 2)
	want := j.image(n)
	first := j.freeze()
	j.fill(n/2, 1)
	want2 := j.image(n)
	second := j.freeze()
	// The storage is as slow as it can be: between any two writes everything changes.
	changes := 0
	j.storage.OnWrite = func(int) {
		for i := range 30 {
			k := j.kindsAt(keyName((changes*30+i)%n), state.TTL{})
			switch changes % 3 {
			case 0:
				k.write(t, -1)
			case 1:
				must(t, k.list.Put([]string{"new"}))
				must(t, k.rules.Put("r1", -5))
				must(t, k.timer.Add(int64(1000+i), nil))
			default:
				k.clear(t)
				must(t, k.timer.Remove(int64((changes*30+i)%n), namespaceOf(i)))
			}
		}
		changes++
	}
	write := func(p []statebackend.PendingSnapshot) []statebackend.KeyedHandle {
		t.Helper()
		h, err := p[0].Write(context.Background())
		must(t, err)
		return []statebackend.KeyedHandle{h}
	}
	h2 := write(second)
	h1 := write(first)
	if changes == 0 {
		t.Fatal("nothing was written")
	}
	j.storage.OnWrite = nil
	j.restore(1, h1)
	compareImages(t, "first snapshot", j.image(n), want)
	j.restore(1, h2)
	compareImages(t, "second snapshot", j.image(n), want2)
}

// testConcurrentWrite: R75: snapshots are written by other goroutines while the task goes on; under
// the race detector this shows that they share nothing that changes.
func testConcurrentWrite(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	const n = 200
	type written struct {
		handle statebackend.KeyedHandle
		want   map[string]string
		err    error
	}
	results := make(chan written, 8)
	rounds := testkit.Scaled(24)
	for range rounds {
		j.fill(n, 1)
		want := j.image(n)
		pending := j.freeze()[0]
		s.Spawn(func() {
			h, err := pending.Write(context.Background())
			results <- written{h, want, err}
		})
		if len(results) == cap(results)-1 {
			must(t, (<-results).err)
			rounds--
		}
	}
	for range rounds {
		w := <-results
		must(t, w.err)
		j.restore(1, []statebackend.KeyedHandle{w.handle})
		compareImages(t, "snapshot", j.image(n), w.want)
	}
}

// testRescale: R31, R85: restoring at another parallelism keeps all keys, in both directions and in
// steps; each instance fetches only what it owns.
func testRescale(t *testing.T, s Suite) {
	const n = 200
	for _, steps := range [][]int{{1, 3, 2}, {2, 4, 3}, {5, 1, 5}} {
		j := s.newJob(t, steps[0])
		j.fill(n, 1)
		want := j.image(n)
		for _, p := range steps[1:] {
			handles := j.snapshot()
			total := int64(0)
			for _, h := range handles {
				total += h.Contents.Length
			}
			before := j.storage.Fetched()
			j.restore(p, handles)
			// Headers are read by every instance, blocks by one.
			headers := int64(len(handles)*p) * (16 << 10)
			if got := j.storage.Fetched() - before; got > total+headers {
				t.Errorf("%v: %d bytes were fetched of %d", steps, got, total)
			}
			compareImages(t, fmt.Sprint(steps, " at ", p), j.image(n), want)
		}
	}
}

// testCarried: a state that a program does not open stays in its snapshots, through rescaling, and
// is there when a later program opens it again.
func testCarried(t *testing.T, s Suite) {
	const n = 100
	j := s.newJob(t, 2)
	j.fill(n, 1)
	want := j.image(n)
	for _, p := range []int{3, 1, 2} {
		j.restore(p, j.snapshot())
		for i := range n {
			k := j.at(keyName(i))
			v := opened[state.InternalValue[string]](t)(state.OpenValue(k,
				state.ValueOf[string]("new")))
			must(t, v.Put(fmt.Sprint("new ", i)))
		}
	}
	j.restore(2, j.snapshot())
	compareImages(t, "after three programs without these states", j.image(n), want)
	for i := range n {
		k := j.at(keyName(i))
		v := opened[state.InternalValue[string]](t)(state.OpenValue(k,
			state.ValueOf[string]("new")))
		if got, _, err := v.Get(); err != nil || got != fmt.Sprint("new ", i) {
			t.Fatalf("key %d has %q in the new state, %v", i, got, err)
		}
	}
}

// testWriteFails: a snapshot that cannot be written, or is abandoned, leaves nothing behind and
// disturbs neither the state nor later snapshots.
func testWriteFails(t *testing.T, s Suite) {
	const n = 300
	j := s.newJob(t, 1)
	j.fill(n, 1)
	want := j.image(n)
	for _, fail := range []int{1, 5000} {
		j.storage.FailAfter = fail
		_, err := j.freeze()[0].Write(context.Background())
		if !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), j.options.Operator) {
			t.Errorf("failing after %d bytes: %v", fail, err)
		}
	}
	j.storage.FailAfter = 0
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := j.freeze()[0].Write(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	j.freeze()[0].Abandon()
	for _, k := range j.subs {
		k.CheckpointAborted(j.checkpoints)
	}
	if f, u := j.storage.Files(), j.storage.Unfinished(); f != 0 || u != 0 {
		t.Errorf("%d files and %d unfinished writers are left", f, u)
	}
	compareImages(t, "after failures", j.image(n), want)
	j.restore(1, j.snapshot())
	compareImages(t, "restored after failures", j.image(n), want)
}
