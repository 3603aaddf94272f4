package memstate

import (
	"context"
	"encoding/binary"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statebackend/backendtest"
)

// million is how many keys the benchmarks have.
const million = 1_000_000

// counts is the state of the benchmarks.
var counts = state.ValueOf[int64]("counts")

// fill opens the state of a subtask and counts a million keys.
func fill(b *testing.B, o statebackend.KeyedOptions) statebackend.Keyed {
	b.Helper()
	k, err := New().NewKeyed(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	v, err := state.OpenValue(k, counts)
	if err != nil {
		b.Fatal(err)
	}
	var key [8]byte
	for i := range uint64(million) {
		binary.BigEndian.PutUint64(key[:], i)
		k.SetKey(keygroup.Hash(key[:]), key[:])
		if err := v.Put(int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	return k
}

// BenchmarkSnapshot takes and writes a snapshot of a million keys; sync is the task's part.
func BenchmarkSnapshot(b *testing.B) {
	storage := &backendtest.Storage{}
	o := statebackend.KeyedOptions{Operator: "o", MaxParallelism: 128,
		Groups: keygroup.RangeOf(128, 1, 0), Reader: storage}
	k := fill(b, o)
	b.Run("sync", func(b *testing.B) {
		for b.Loop() {
			p, err := k.Snapshot(statebackend.SnapshotRequest{Location: storage})
			if err != nil {
				b.Fatal(err)
			}
			p.Abandon()
		}
	})
	var handle statebackend.KeyedHandle
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			p, err := k.Snapshot(statebackend.SnapshotRequest{Location: &backendtest.Storage{}})
			if err == nil {
				_, err = p.Write(context.Background())
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	p, err := k.Snapshot(statebackend.SnapshotRequest{Location: storage})
	if err == nil {
		handle, err = p.Write(context.Background())
	}
	if err != nil {
		b.Fatal(err)
	}
	o.Restore = []statebackend.KeyedHandle{handle}
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			k, err := New().NewKeyed(context.Background(), o)
			if err == nil {
				_, err = state.OpenValue(k, counts)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(handle.Contents.Length)/million, "bytes/key")
	})
}

// BenchmarkValue adds one to the count of a hot key by the way a user's function does it.
func BenchmarkValue(b *testing.B) {
	k, err := New().NewKeyed(context.Background(), statebackend.KeyedOptions{Operator: "o",
		MaxParallelism: 128, Groups: keygroup.RangeOf(128, 1, 0)})
	if err != nil {
		b.Fatal(err)
	}
	v, err := state.OpenValue(k, counts)
	if err != nil {
		b.Fatal(err)
	}
	var keys [1024][8]byte
	var hashes [1024]uint64
	for i := range keys {
		binary.BigEndian.PutUint64(keys[i][:], uint64(i))
		hashes[i] = keygroup.Hash(keys[i][:])
	}
	b.ReportAllocs()
	for at := 0; b.Loop(); at++ {
		i := at * 31 & 1023
		k.SetKey(hashes[i], keys[i][:])
		n, _, err := v.Get()
		if err == nil {
			err = v.Put(n + 1)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
