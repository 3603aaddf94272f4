package backendtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// OpenStore opens a store of operator state.
type OpenStore func(ctx context.Context, o statebackend.OperatorOptions) (
	statebackend.OperatorStore, error)

// RunOperator runs the suite of operator state.
func RunOperator(t *testing.T, open OpenStore) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, j *operatorJob)
	}{
		{"Split", testSplit},
		{"Union", testUnion},
		{"Broadcast", testBroadcast},
		{"Raw", testRaw},
		{"Isolation", testOperatorIsolation},
		{"Carried", testOperatorCarried},
		{"Evolution", testOperatorEvolution},
		{"Refused", testOperatorRefused},
		{"WriteFails", testOperatorWriteFails},
		{"Damage", testOperatorDamage},
		{"CheckMutation", testOperatorMutation},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := &operatorJob{t: t, open: open, storage: &Storage{}}
			j.options = statebackend.OperatorOptions{Operator: "source", UID: "source-1",
				Reader: j.storage}
			must(t, j.start(2, nil, nil))
			test.run(t, j)
		})
	}
}

// operatorJob is an operator with operator state, at some parallelism.
type operatorJob struct {
	t       *testing.T
	open    OpenStore
	subs    []statebackend.OperatorStore
	storage *Storage
	options statebackend.OperatorOptions
}

func (j *operatorJob) start(parallelism int, managed,
	raw [][]statebackend.OperatorStateHandle) error {
	j.subs = nil
	for i := range parallelism {
		o := j.options
		o.Subtask = i
		if managed != nil {
			o.Restore, o.RestoreRaw = managed[i], raw[i]
		}
		s, err := j.open(context.Background(), o)
		if err != nil {
			return err
		}
		j.subs = append(j.subs, s)
	}
	return nil
}

// snapshot takes and writes a snapshot of all subtasks.
func (j *operatorJob) snapshot() (managed, raw [][]statebackend.OperatorStateHandle) {
	j.t.Helper()
	for _, s := range j.subs {
		p := opened[statebackend.PendingOperatorSnapshot](j.t)(s.Snapshot(
			statebackend.SnapshotRequest{Checkpoint: 1, Location: j.storage}))
		m, r, err := p.Write(context.Background())
		must(j.t, err)
		managed, raw = append(managed, m), append(raw, r)
	}
	return managed, raw
}

// restore starts the job anew from handles, which travel as JSON.
func (j *operatorJob) restore(parallelism int, managed, raw [][]statebackend.OperatorStateHandle) {
	j.t.Helper()
	var dealt [2][][]statebackend.OperatorStateHandle
	for i, old := range [][][]statebackend.OperatorStateHandle{managed, raw} {
		text, err := json.Marshal(old)
		must(j.t, err)
		var read [][]statebackend.OperatorStateHandle
		must(j.t, json.Unmarshal(text, &read))
		dealt[i], err = statebackend.Redistribute(read, parallelism)
		must(j.t, err)
	}
	must(j.t, j.start(parallelism, dealt[0], dealt[1]))
}

// rescale is a snapshot and a restore.
func (j *operatorJob) rescale(parallelism int) {
	j.t.Helper()
	managed, raw := j.snapshot()
	j.restore(parallelism, managed, raw)
}

// list opens the list state of a subtask.
func (j *operatorJob) list(subtask int) state.OperatorList[string] {
	j.t.Helper()
	return opened[state.OperatorList[string]](j.t)(state.OpenOperatorList(j.subs[subtask],
		state.ListOf[string]("offsets")))
}

// rules opens the broadcast state of a subtask.
func (j *operatorJob) rules(subtask int) state.Map[string, int64] {
	j.t.Helper()
	return opened[state.Map[string, int64]](j.t)(state.OpenBroadcast(j.subs[subtask],
		state.MapOf[string, int64]("rules")))
}

// lists returns the lists of all subtasks.
func (j *operatorJob) lists() (all [][]string) {
	j.t.Helper()
	for i := range j.subs {
		all = append(all, j.list(i).Get())
	}
	return all
}

func equalLists(a, b [][]string) bool {
	return slices.EqualFunc(a, b, func(x, y []string) bool { return slices.Equal(x, y) })
}

// testSplit: R62: six entries at parallelism 2 are two each at 3, and nothing is lost on the way
// back.
func testSplit(t *testing.T, j *operatorJob) {
	large := strings.Repeat("large", 100)
	j.list(0).Put([]string{"a", large})
	j.list(0).Add("c")
	j.list(1).Put([]string{"d", "e", "f"})
	j.rescale(3)
	if got, want := j.lists(), [][]string{{"a", large}, {"c", "d"}, {"e", "f"}}; !equalLists(got,
		want) {
		t.Errorf("at 3: %q, want %q", got, want)
	}
	j.list(1).Add("new")
	j.rescale(3)
	j.rescale(1)
	want := [][]string{{"a", large, "c", "d", "new", "e", "f"}}
	if got := j.lists(); !equalLists(got, want) {
		t.Errorf("at 1: %q, want %q", got, want)
	}
	j.list(0).Put(nil)
	j.rescale(2)
	if got := j.lists(); !equalLists(got, [][]string{nil, nil}) {
		t.Errorf("emptied: %q", got)
	}
}

// testUnion: R62: each subtask gets the elements of all.
func testUnion(t *testing.T, j *operatorJob) {
	open := func(i int) state.OperatorList[int64] {
		t.Helper()
		return opened[state.OperatorList[int64]](t)(state.OpenUnionList(j.subs[i],
			state.ListOf[int64]("known")))
	}
	open(0).Put([]int64{1, 2})
	open(1).Put([]int64{3})
	j.rescale(3)
	for i := range 3 {
		if got := open(i).Get(); !slices.Equal(got, []int64{1, 2, 3}) {
			t.Errorf("subtask %d has %v", i, got)
		}
		open(i).Put([]int64{int64(i)}) // its own share
	}
	j.rescale(2)
	if got := open(1).Get(); !slices.Equal(got, []int64{0, 1, 2}) {
		t.Errorf("after each wrote its share: %v", got)
	}
}

// testBroadcast: R63: each subtask has the whole map, also after rescaling; the data side reads
// only.
func testBroadcast(t *testing.T, j *operatorJob) {
	want := map[string]int64{}
	for i := range int64(100) {
		want[fmt.Sprint("rule ", i)] = i
	}
	for i := range j.subs {
		m := j.rules(i)
		for k, v := range want {
			must(t, m.Put(k, v))
		}
		must(t, m.Put("gone", 1))
		must(t, m.Remove("gone"))
	}
	for _, p := range []int{3, 1, 2} {
		j.rescale(p)
		for i := range p {
			r := state.ReadOnly(j.rules(i))
			got := maps.Collect(r.All())
			n := opened[int](t)(r.Len())
			v, found, err := r.Get("rule 7")
			has := opened[bool](t)(r.Contains("gone"))
			if must(t, errors.Join(err, r.Err())); !maps.Equal(got, want) || n != 100 || v != 7 ||
				!found || has {
				t.Errorf("at %d, subtask %d: %d rules, rule 7 is %d", p, i, n, v)
			}
			if _, writes := r.(interface{ Put(string, int64) error }); writes {
				t.Error("the data side can change the rules")
			}
		}
	}
	must(t, j.rules(0).Clear())
	if n := opened[int](t)(j.rules(0).Len()); n != 0 {
		t.Errorf("%d rules after clearing", n)
	}
}

// testRaw: R60: raw operator state comes back as the bytes that were written.
func testRaw(t *testing.T, j *operatorJob) {
	all := [][]byte{bytes.Repeat([]byte{0, 255, 7}, 500), {}}
	for i := range j.subs {
		if len(j.subs[i].Raw()) != 0 {
			t.Error("a new job has raw state")
		}
		j.subs[i].SetRaw(all[i])
	}
	managed, raw := j.snapshot()
	for p := 1; p <= 3; p++ {
		j.restore(p, managed, raw)
		var got [][]byte
		for _, s := range j.subs {
			got = append(got, s.Raw()...)
		}
		if !slices.EqualFunc(got, all, bytes.Equal) {
			t.Errorf("at %d: %d pieces of raw state, want %d", p, len(got), len(all))
		}
	}
	j.subs[0].SetRaw(nil)
	if _, raw = j.snapshot(); len(raw[0]) != 0 {
		t.Error("raw state that was taken back was written")
	}
}

// testOperatorIsolation: R75: a snapshot has the elements of its moment.
func testOperatorIsolation(t *testing.T, j *operatorJob) {
	change := func(n int) {
		j.list(0).Add(fmt.Sprint(n))
		must(t, j.rules(0).Put(fmt.Sprint("r", n), int64(n)))
		must(t, j.rules(0).Put("r0", int64(n)))
	}
	for n := range 50 {
		change(n)
	}
	p := opened[statebackend.PendingOperatorSnapshot](t)(j.subs[0].Snapshot(
		statebackend.SnapshotRequest{Checkpoint: 1, Location: j.storage}))
	n := 50
	j.storage.OnWrite = func(int) {
		change(n)
		n++
	}
	change(n)
	n++
	must(t, j.rules(0).Remove("r7"))
	managed, _, err := p.Write(context.Background())
	must(t, err)
	j.storage.OnWrite = nil
	j.restore(1, [][]statebackend.OperatorStateHandle{managed},
		[][]statebackend.OperatorStateHandle{nil})
	if got := j.list(0).Get(); len(got) != 50 {
		t.Errorf("%d elements, want 50", len(got))
	}
	v, _, err := j.rules(0).Get("r0")
	must(t, err)
	if size := opened[int](t)(j.rules(0).Len()); size != 50 || v != 49 {
		t.Errorf("%d rules, r0 is %d; want 50 and 49", size, v)
	}
}

// testOperatorCarried: state that is not opened stays in the snapshots, once.
func testOperatorCarried(t *testing.T, j *operatorJob) {
	for i := range j.subs {
		j.list(i).Add(fmt.Sprint("element ", i))
		must(t, j.rules(i).Put("rule", 1))
		u := opened[state.OperatorList[int64]](t)(state.OpenUnionList(j.subs[i],
			state.ListOf[int64]("known")))
		u.Add(int64(i))
	}
	for _, p := range []int{3, 3, 1, 2} {
		j.rescale(p)
	}
	if got, want := j.lists(), [][]string{{"element 0"}, {"element 1"}}; !equalLists(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for i := range j.subs {
		u := opened[state.OperatorList[int64]](t)(state.OpenUnionList(j.subs[i],
			state.ListOf[int64]("known")))
		if n := opened[int](t)(j.rules(i).Len()); n != 1 || !slices.Equal(u.Get(), []int64{0, 1}) {
			t.Errorf("subtask %d: %d rules, union %v", i, n, u.Get())
		}
	}
}

// testOperatorEvolution: R109: elements are read into a type with added and removed fields.
func testOperatorEvolution(t *testing.T, j *operatorJob) {
	l1 := opened[state.OperatorList[orderV1]](t)(state.OpenOperatorList(j.subs[0],
		state.ListOf[orderV1]("orders")))
	l1.Add(orderV1{"item", 3, "secret"})
	m1 := opened[state.Map[string, orderV1]](t)(state.OpenBroadcast(j.subs[0],
		state.MapOf[string, orderV1]("book")))
	must(t, m1.Put("k", orderV1{"item", 3, "secret"}))
	j.rescale(1)
	l2 := opened[state.OperatorList[orderV2]](t)(state.OpenOperatorList(j.subs[0],
		state.ListOf[orderV2]("orders")))
	m2 := opened[state.Map[string, orderV2]](t)(state.OpenBroadcast(j.subs[0],
		state.MapOf[string, orderV2]("book")))
	want := orderV2{nil, 3, "item"}
	if got := l2.Get(); !slices.Equal(got, []orderV2{want}) {
		t.Errorf("list: %+v", got)
	}
	if v, found, err := m2.Get("k"); err != nil || !found || v != want {
		t.Errorf("map: %+v (%t), %v", v, found, err)
	}
}

// testOperatorRefused: what cannot be is refused with an error that names operator, UID and state.
func testOperatorRefused(t *testing.T, j *operatorJob) {
	s := j.subs[0]
	l := opened[state.OperatorList[orderV1]](t)(state.OpenOperatorList(s,
		state.ListOf[orderV1]("s")))
	l.Add(orderV1{})
	m := opened[state.Map[string, int64]](t)(state.OpenBroadcast(s, state.MapOf[string,
		int64]("m")))
	must(t, m.Put("k", 1))
	again := func(when string) {
		t.Helper()
		s := j.subs[0]
		_, e1 := state.OpenUnionList(s, state.ListOf[orderV1]("s"))
		_, e2 := state.OpenOperatorList(s, state.ListOf[orderV3]("s"))
		_, e3 := state.OpenBroadcast(s, state.MapOf[int64, int64]("m"))
		for i, err := range []error{e1, e2, e3} {
			if err == nil {
				t.Errorf("%s: %d was opened", when, i)
				continue
			}
			for _, name := range []string{`"source"`, `"source-1"`, []string{`"s"`, `"s"`,
				`"m"`}[i]} {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%s: the error does not name %s: %v", when, name, err)
				}
			}
		}
	}
	again("open already")
	j.rescale(1)
	again("restored")
	_, err := state.OpenOperatorList(j.subs[0], state.ListOf[int]("x").WithTTL(state.TTL{After: 1}))
	if err == nil || !strings.Contains(err.Error(), "time to live") {
		t.Errorf("a time to live: %v", err)
	}
	_, err = state.OpenOperatorList(j.subs[0], state.ListOf[chan int]("x"))
	if !errors.Is(err, typeinfo.ErrUnsupported) {
		t.Errorf("a type that is none for state: %v", err)
	}
}

// testOperatorWriteFails: a snapshot that fails leaves nothing behind.
func testOperatorWriteFails(t *testing.T, j *operatorJob) {
	j.list(0).Put([]string{strings.Repeat("x", 1000), "y"})
	must(t, j.rules(0).Put("r", 1))
	j.subs[0].SetRaw(make([]byte, 2000))
	take := func() statebackend.PendingOperatorSnapshot {
		t.Helper()
		return opened[statebackend.PendingOperatorSnapshot](t)(j.subs[0].Snapshot(
			statebackend.SnapshotRequest{Checkpoint: 1, Location: j.storage}))
	}
	for _, after := range []int{10, 1500} {
		j.storage.FailAfter = after
		_, _, err := take().Write(context.Background())
		if !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), `"source"`) {
			t.Errorf("failing after %d bytes: %v", after, err)
		}
	}
	j.storage.FailAfter = 0
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := take().Write(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	take().Abandon()
	if f, u := j.storage.Files(), j.storage.Unfinished(); f != 0 || u != 0 {
		t.Errorf("%d files and %d unfinished writers are left", f, u)
	}
	j.rescale(1)
	if got := j.list(0).Get(); len(got) != 2 {
		t.Errorf("after failures the list has %d elements", len(got))
	}
}

// testOperatorDamage: flipped bits and wrong offsets are errors, found also where only a part of
// the elements is read.
func testOperatorDamage(t *testing.T, j *operatorJob) {
	j.list(0).Put([]string{"a", "b"})
	managed, _ := j.snapshot()
	h := managed[0][0]
	for i := range h.Contents.Inline {
		bad := h
		bad.Contents.Inline = bytes.Clone(h.Contents.Inline)
		bad.Contents.Inline[i] ^= 4
		o := j.options
		o.Restore = []statebackend.OperatorStateHandle{bad}
		if _, err := j.open(context.Background(), o); !errors.Is(err, statebackend.ErrCorrupt) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
	for _, offsets := range [][]int64{{-1, 5}, {0, 1 << 40}, {5, 0}, {0, 1}, {0, 20, 6}} {
		bad := h
		bad.Offsets = offsets
		o := j.options
		o.Restore = []statebackend.OperatorStateHandle{bad}
		if _, err := j.open(context.Background(), o); !errors.Is(err, statebackend.ErrCorrupt) {
			t.Errorf("offsets %v: %v", offsets, err)
		}
	}
}

// testOperatorMutation: elements that are changed after they were handed over are found.
func testOperatorMutation(t *testing.T, j *operatorJob) {
	j.options.CheckMutation = true
	must(t, j.start(1, nil, nil))
	s := j.subs[0]
	l := opened[state.OperatorList[[]int64]](t)(state.OpenOperatorList(s,
		state.ListOf[[]int64]("l")))
	v := []int64{1}
	l.Add(v)
	j.snapshot()
	v[0] = 2
	_, err := s.Snapshot(statebackend.SnapshotRequest{Checkpoint: 2, Location: j.storage})
	if !errors.Is(err, statetable.ErrMutated) || !strings.Contains(err.Error(), `"l"`) {
		t.Errorf("the change was not reported: %v", err)
	}
	l.Put(nil)
	m := opened[state.Map[string, []int64]](t)(state.OpenBroadcast(s, state.MapOf[string,
		[]int64]("m")))
	must(t, m.Put("k", v))
	j.snapshot()
	v[0] = 3
	_, err = s.Snapshot(statebackend.SnapshotRequest{Checkpoint: 3, Location: j.storage})
	if !errors.Is(err, statetable.ErrMutated) || !strings.Contains(err.Error(), `"m"`) {
		t.Errorf("the change was not reported: %v", err)
	}
}
