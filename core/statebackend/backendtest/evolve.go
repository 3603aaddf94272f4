package backendtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// Versions of the values of a program.
type (
	orderV1 struct {
		Item   string
		Count  int32
		Secret string
	}
	// orderV2 has a new field, lacks another, and has a new order.
	orderV2 struct {
		Note  *string
		Count int32
		Item  string
	}
	// orderV3 has a field of another type.
	orderV3 struct {
		Item  string
		Count string
	}
)

// testEvolution: R87, R109: values are restored into types with fields added, removed and moved,
// in all kinds of state; a new state of a known operator is empty.
func testEvolution(t *testing.T, s Suite) {
	j := s.newJob(t, 2)
	const n = 50
	for i := range n {
		k := j.at(keyName(i))
		v := orderV1{fmt.Sprint("item ", i), int32(i), "secret"}
		value := opened[state.InternalValue[orderV1]](t)(state.OpenValue(k,
			state.ValueOf[orderV1]("v")))
		list := opened[state.InternalList[orderV1]](t)(state.OpenList(k,
			state.ListOf[orderV1]("l")))
		rules := opened[state.InternalMap[int32, orderV1]](t)(state.OpenMap(k,
			state.MapOf[int32, orderV1]("m")))
		must(t, value.Put(v))
		must(t, list.AddAll([]orderV1{v, v}))
		must(t, rules.Put(int32(i), v))
	}
	j.restore(3, j.snapshot())
	for round := range 2 {
		for i := range n {
			k := j.at(keyName(i))
			want := orderV2{nil, int32(i), fmt.Sprint("item ", i)}
			value := opened[state.InternalValue[orderV2]](t)(state.OpenValue(k,
				state.ValueOf[orderV2]("v")))
			list := opened[state.InternalList[orderV2]](t)(state.OpenList(k,
				state.ListOf[orderV2]("l")))
			rules := opened[state.InternalMap[int32, orderV2]](t)(state.OpenMap(k,
				state.MapOf[int32, orderV2]("m")))
			v, _, err := value.Get()
			must(t, err)
			l := opened[[]orderV2](t)(list.Get())
			m, _, err := rules.Get(int32(i))
			must(t, err)
			if v != want || len(l) != 2 || l[1] != want || m != want {
				t.Fatalf("round %d: %+v, %+v, %+v, want %+v", round, v, l, m, want)
			}
			fresh := opened[state.InternalValue[int64]](t)(state.OpenValue(k,
				state.ValueOf[int64]("new")))
			if _, found, err := fresh.Get(); err != nil || found {
				t.Fatalf("a new state holds something, %v", err)
			}
		}
		j.restore(2, j.snapshot())
	}
}

// testRefused: R109: what cannot be restored is refused with an error that names operator, UID,
// state and what has changed.
func testRefused(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	k := j.at("key")
	value := opened[state.InternalValue[orderV1]](t)(state.OpenValue(k,
		state.ValueOf[orderV1]("orders")))
	must(t, value.Put(orderV1{Item: "i"}))
	rules := opened[state.InternalMap[string, int64]](t)(state.OpenMap(k,
		state.MapOf[string, int64]("rules")))
	must(t, rules.Put("r", 1))
	handles := j.snapshot()
	refuse := func(what string, err error, names ...string) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: it was restored", what)
			return
		}
		for _, name := range append(names, `"sum"`, `"sum-1"`) {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s: the error does not name %s: %v", what, name, err)
			}
		}
	}
	j.restore(1, handles)
	k = j.at("key")
	_, err := state.OpenValue(k, state.ValueOf[orderV3]("orders"))
	refuse("a field of another type", err, `"orders"`, "Count", "int32", "string")
	if !errors.Is(err, typeinfo.ErrIncompatible) {
		t.Errorf("%v is not ErrIncompatible", err)
	}
	_, err = state.OpenList(k, state.ListOf[orderV1]("orders"))
	refuse("another kind", err, `"orders"`, "value", "list")
	_, err = state.OpenMap(k, state.MapOf[int64, int64]("rules"))
	refuse("other map keys", err, `"rules"`, "string", "int64")

	options := j.options
	j.options.KeySchema = keySchema[int64](t)
	refuse("another key", j.tryRestore(1, handles), "string", "int64")
	j.options = options
	j.options.MaxParallelism *= 2
	refuse("another maximal parallelism", j.tryRestore(1, handles), "32", "64")
	j.options = options
	foreign := append([]statebackend.KeyedHandle(nil), handles...)
	foreign[0].Format = "something-9"
	refuse("another format", j.tryRestore(1, foreign), "something-9")
	handles[0].Contents.Inline, handles[0].Contents.File = nil, "no such file"
	refuse("a missing file", j.tryRestore(1, handles), "no such file")
}

// testCheckMutation: values that are changed after they were put are found, if that is asked for.
func testCheckMutation(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	j.options.CheckMutation = true
	must(t, j.open(1, nil))
	const n = 20
	j.fill(n, 2)
	handles := j.snapshot() // none of the suite's own values are changed
	j.restore(1, handles)
	j.fill(n, 1)
	j.snapshot()
	k := j.at("key")
	v := opened[state.InternalValue[[]string]](t)(state.OpenValue(k,
		state.ValueOf[[]string]("cart")))
	cart := []string{"apples"}
	must(t, v.Put(cart))
	cart[0] = "pears"
	_, err := k.Snapshot(statebackend.SnapshotRequest{Checkpoint: 9, Location: j.storage})
	if err == nil {
		// The change may also be found when it is too late to call it one: between putting and
		// the next access it is the value. A second one is found.
		cart[0] = "plums"
		_, err = k.Snapshot(statebackend.SnapshotRequest{Checkpoint: 10, Location: j.storage})
	}
	if !errors.Is(err, statetable.ErrMutated) || !strings.Contains(err.Error(), `"cart"`) ||
		!strings.Contains(err.Error(), `"sum"`) {
		t.Errorf("the change was not reported: %v", err)
	}
}
