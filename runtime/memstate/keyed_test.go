package memstate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statebackend/backendtest"
)

// TestForeignKey: a key that belongs to another instance is found at the snapshot: it would be
// lost, or there twice, at the next restore.
func TestForeignKey(t *testing.T) {
	storage := &backendtest.Storage{}
	own := keygroup.RangeOf(128, 2, 0)
	k, err := New().NewKeyed(context.Background(), statebackend.KeyedOptions{Operator: "totals",
		Groups: own, MaxParallelism: 128, Reader: storage})
	if err != nil {
		t.Fatal(err)
	}
	v, err := state.OpenValue(k, state.ValueOf[int]("v"))
	if err != nil {
		t.Fatal(err)
	}
	for key := range []string{"some", "keys", "of", "all", "key", "groups"} {
		b := []byte{byte(key)}
		k.SetKey(keygroup.Hash(b), b)
		if err := v.Put(key); err != nil {
			t.Fatal(err)
		}
	}
	p, err := k.Snapshot(statebackend.SnapshotRequest{Checkpoint: 1, Location: storage})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Write(context.Background())
	if err == nil || !strings.Contains(err.Error(), own.String()) ||
		!strings.Contains(err.Error(), `"totals"`) {
		t.Errorf("%v", err)
	}
	if f, u := storage.Files(), storage.Unfinished(); f != 0 || u != 0 {
		t.Errorf("%d files, %d unfinished writers", f, u)
	}
}

// TestClosed: state that was closed is not opened or snapshotted.
func TestClosed(t *testing.T) {
	k, err := New().NewKeyed(context.Background(), statebackend.KeyedOptions{
		Groups: keygroup.RangeOf(8, 1, 0), MaxParallelism: 8})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	_, e1 := state.OpenValue(k, state.ValueOf[int]("v"))
	_, e2 := k.Timers("t")
	_, e3 := k.Snapshot(statebackend.SnapshotRequest{})
	for i, err := range []error{e1, e2, e3} {
		if !errors.Is(err, errClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestClockOfTheSystem: without a clock, state expires by the system's.
func TestClockOfTheSystem(t *testing.T) {
	k, err := New().NewKeyed(context.Background(), statebackend.KeyedOptions{
		Groups: keygroup.RangeOf(8, 1, 0), MaxParallelism: 8})
	if err != nil {
		t.Fatal(err)
	}
	const year2020, year2200 = 1_577_836_800_000, 7_258_118_400_000
	if now := k.Now(); now < year2020 || now > year2200 {
		t.Errorf("now is %d", now)
	}
	if k.Groups() != (keygroup.Range{First: 0, Last: 7}) || k.MaxParallelism() != 8 {
		t.Errorf("key groups %v of %d", k.Groups(), k.MaxParallelism())
	}
}
