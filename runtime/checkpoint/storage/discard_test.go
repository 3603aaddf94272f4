package storage

import (
	"strings"
	"testing"

	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/runtime/checkpoint"
)

// files are the URIs of the exclusive and the shared file of a checkpoint.
func files(c *checkpoint.Completed) (own, shared string) {
	c.Blobs(func(_ *checkpoint.VertexState, _ int, b *statebackend.Blob) {
		if b.Exclusive {
			own = b.File
		} else {
			shared = b.File
		}
	})
	return own, shared
}

func (e *env) discard(d checkpoint.Discard) {
	e.t.Helper()
	for range 2 { // it can be repeated
		if err := e.Discard(e.t.Context(), d); err != nil {
			e.t.Fatal(err)
		}
	}
}

func TestDiscard(t *testing.T) { // R76
	e := newEnv(t)
	first, second := e.complete(1), e.complete(2)
	_, shared := files(first)
	e.discard(checkpoint.Discard{Checkpoint: 1, Location: first.Location})
	e.wantPaths("chk-2/_metadata chk-2/hint@2.2 shared/hint@2.1 shared/hint@2.2")
	e.check(e.load(second.Location))
	e.discard(checkpoint.Discard{Checkpoint: 1, Files: []string{shared}})
	e.wantPaths("chk-2/_metadata chk-2/hint@2.2 shared/hint@2.2")

	// What another checkpoint names stays, and its directory with it.
	third := e.complete(3)
	own, _ := files(third)
	e.discard(checkpoint.Discard{Checkpoint: 3, Location: third.Location, Keep: []string{own}})
	e.wantPaths("chk-2/_metadata chk-2/hint@2.2 chk-3/hint@2.3 shared/hint@2.2 shared/hint@2.3")
	e.discard(checkpoint.Discard{Checkpoint: 4, Files: []string{own}})
	if _, err := e.fs.Stat(t.Context(), strings.TrimPrefix(third.Location, "mem://")); err == nil {
		t.Error("the empty directory is left behind")
	}
}

// TestDiscardSparesOthers: other leaders, other jobs, and what is none of ours.
func TestDiscardSparesOthers(t *testing.T) {
	e := newEnv(t)
	c := e.complete(1)
	dir := strings.TrimPrefix(c.Location, "mem://")
	other := testAttempt
	other.Job = id.Job{9}
	spared := []string{
		checkpoint.FileName{Attempt: testAttempt, Epoch: 3, Checkpoint: 1, Hint: "newer"}.String(),
		checkpoint.FileName{Attempt: other, Epoch: 1, Checkpoint: 1, Hint: "other"}.String(),
		"_metadata.inprogress.3.00", "notes.txt"}
	gone := []string{
		checkpoint.FileName{Attempt: testAttempt, Epoch: 1, Checkpoint: 1, Hint: "older"}.String(),
		"_metadata.inprogress.2.00"}
	for _, name := range append(spared, gone...) {
		w, err := e.fs.Create(t.Context(), dir+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	e.discard(checkpoint.Discard{Checkpoint: 1, Location: c.Location})
	e.wantPaths("chk-1/_metadata.inprogress.3.00 chk-1/newer@3.1 chk-1/notes.txt chk-1/other@1.1 " +
		"shared/hint@2.1")
	for _, name := range spared {
		file := c.Location + "/" + name
		if err := e.Discard(t.Context(), checkpoint.Discard{Files: []string{file}}); err == nil {
			t.Errorf("%s was deleted", name)
		}
	}
}

// TestPausedLeader: a leader that was replaced while it slept wakes up and deletes. Its successor
// uses the same numbers again; it must lose nothing.
func TestPausedLeader(t *testing.T) {
	old := newEnv(t)
	old.complete(1)
	aborted := old.prepare(2)
	old.put(old.location(2, ""), false, long)

	leader := newEnv(t)
	leader.reopen(old.fs, func(o *Options) { o.Epoch = 3 })
	c := leader.complete(2)
	old.discard(checkpoint.Discard{Checkpoint: 2, Location: aborted})
	leader.check(leader.load(c.Location))
	// Nor can it put its own in the place of its successor's.
	w := write(2, aborted, old.put(old.location(2, ""), false, long))
	if _, err := old.WriteMetadata(t.Context(), w); err == nil {
		t.Error("the old leader has replaced the checkpoint of the new one")
	}
	if got := leader.load(c.Location); got.Epoch != 3 {
		t.Errorf("the checkpoint is of epoch %d, want 3", got.Epoch)
	}
	// The other way round: what the old one wrote without having recorded it gives way.
	w.Completed.Checkpoint, w.Completed.Location = 3, old.prepare(3)
	if _, err := old.WriteMetadata(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if got := leader.load(leader.complete(3).Location); got.Epoch != 3 {
		t.Errorf("the checkpoint is of epoch %d, want 3", got.Epoch)
	}
}

func TestSweep(t *testing.T) {
	e := newEnv(t)
	kept, dropped := e.complete(1), e.complete(2)
	e.prepare(3)
	e.put(e.location(3, ""), false, long)
	e.reopen(e.fs, func(o *Options) { o.Epoch = 5 })
	current := e.complete(4)
	own, _ := files(dropped)
	carried := write(9, "", statebackend.Blob{File: own}).Completed
	err := e.Sweep(t.Context(), []*checkpoint.Completed{kept, carried})
	if err != nil {
		t.Fatal(err)
	}
	e.wantPaths("chk-1/_metadata chk-1/hint@2.1 chk-2/hint@2.2 chk-4/_metadata chk-4/hint@5.4 " +
		"shared/hint@2.1 shared/hint@5.4")
	e.check(e.load(kept.Location))
	e.check(e.load(current.Location))
	// Without a directory there is nothing to sweep.
	e.reopen(e.fs, func(o *Options) { o.Directory = "mem:///none" })
	if err := e.Sweep(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
