package checkpoint

import (
	"fmt"
	"maps"
	"slices"

	"goflink/core/statebackend"
	"goflink/core/stream"
)

// files knows which checkpoints are retained and which files they name. What no retained and no
// pending checkpoint can name goes; nothing else ever does.
//
// A checkpoint under way can name files of one that was the newest when it began, so what is
// dropped is held back until the checkpoints that were under way then have ended. A task that
// missed that news may name a dropped file still later: its part is refused (checkFiles), and
// the next checkpoint is full.
type files struct {
	// names counts the retained checkpoints (and, for ever, foreign ones) that name a file.
	names    map[string]int
	retained []retained // oldest first
	dropped  []retained
	// orphans are files of checkpoints that are gone, which only checkpoints under way name.
	orphans map[string]struct{}
	// discards are those under way.
	discards map[uint64]struct{}
	next     uint64
	// ended is set when the last ones were dropped, or kept, at the job's end.
	ended, last, terminated bool
}

// retained is a checkpoint with the files it names.
type retained struct {
	*Completed
	files []string
	// until is the newest checkpoint that may still name its files, once it is dropped.
	until uint64
}

// abortedCheckpoint is what is remembered of a checkpoint that was given up.
type abortedCheckpoint struct {
	id       uint64
	location string
}

func newFiles() files {
	return files{names: map[string]int{}, orphans: map[string]struct{}{},
		discards: map[uint64]struct{}{}}
}

// filesOf returns the files that a checkpoint names, sorted.
func filesOf(m *Metadata) []string {
	set := map[string]struct{}{}
	m.Blobs(func(_ *VertexState, _ int, b *statebackend.Blob) {
		if b.File != "" {
			set[b.File] = struct{}{}
		}
	})
	return slices.Sorted(maps.Keys(set))
}

// keep makes the files of another job's checkpoint stay for ever.
func (f *files) keep(c *Completed) {
	for _, file := range filesOf(&c.Metadata) {
		f.names[file]++
	}
}

// retain adds a checkpoint.
func (f *files) retain(c *Completed) {
	r := retained{Completed: c, files: filesOf(&c.Metadata)}
	for _, file := range r.files {
		f.names[file]++
		delete(f.orphans, file)
	}
	f.retained = append(f.retained, r)
}

// latest is the newest retained checkpoint, or nil.
func (f *files) latest() *Completed {
	if n := len(f.retained); n > 0 {
		return f.retained[n-1].Completed
	}
	return nil
}

func (f *files) completed() []*Completed {
	all := make([]*Completed, len(f.retained))
	for i := range f.retained {
		all[i] = f.retained[i].Completed
	}
	return all
}

// subsume drops the oldest checkpoints beyond keep. Savepoints do not count, and are forgotten once
// there is something newer. until is the newest checkpoint that was begun.
func (f *files) subsume(keep int, until uint64) {
	owned := 0
	for i := len(f.retained) - 1; i >= 0; i-- {
		r := f.retained[i]
		if r.owned() {
			owned++
		}
		if newest := i == len(f.retained)-1; newest || r.owned() && owned <= keep {
			continue
		}
		f.retained = slices.Delete(f.retained, i, i+1)
		r.until = until
		f.dropped = append(f.dropped, r)
	}
}

// dropAll drops everything, at the job's end.
func (f *files) dropAll(until uint64) {
	for _, r := range f.retained {
		r.until = until
		f.dropped = append(f.dropped, r)
	}
	f.retained = nil
	f.last = true
}

// release deletes what was dropped and can no longer be named, and ends the coordinator.
func (c *Coordinator) release() {
	f := &c.files
	oldest := c.oldestCheckpoint()
	var held []retained
	for _, r := range f.dropped {
		if oldest != 0 && oldest <= r.until {
			held = append(held, r)
			continue
		}
		c.discardDropped(r)
	}
	f.dropped = held
	if c.state != stateStopping || !f.ended || len(c.pending) > 0 || len(f.discards) > 0 {
		return
	}
	if f.last && len(f.dropped) == 0 {
		f.last = false
		c.discard(Discard{Last: true})
		return
	}
	if !f.terminated {
		f.terminated = true
		c.state = stateTerminated
		c.emit(Terminated{})
	}
}

// oldestCheckpoint is the oldest one under way that is no savepoint; 0 if there is none. Savepoints
// name files of their own only.
func (c *Coordinator) oldestCheckpoint() uint64 {
	for _, p := range c.pending {
		if p.kind == stream.NoSavepoint {
			return p.id
		}
	}
	return 0
}

// discardDropped deletes a checkpoint that was dropped, but for files that others name.
func (c *Coordinator) discardDropped(r retained) {
	f := &c.files
	for _, file := range r.files {
		if f.names[file]--; f.names[file] == 0 {
			delete(f.names, file)
		}
	}
	if !r.owned() {
		return
	}
	d := Discard{Checkpoint: r.Checkpoint, Location: r.Location}
	for _, file := range r.files {
		inside := Inside(file, r.Location)
		named := c.named(file)
		if named && f.names[file] == 0 {
			f.orphans[file] = struct{}{}
		}
		switch {
		case inside && named:
			d.Keep = append(d.Keep, file)
		case !inside && !named:
			if n, ok := ParseFileName(file); ok && n.Attempt.Job == c.o.Job.ID {
				d.Files = append(d.Files, file)
			}
		}
	}
	c.stats.discarded(r.Checkpoint)
	c.discard(d)
}

// named reports whether a retained checkpoint, or a part of one under way, names a file.
func (c *Coordinator) named(file string) bool {
	if c.files.names[file] > 0 {
		return true
	}
	for _, p := range c.pending {
		if _, ok := p.files[file]; ok {
			return true
		}
	}
	return false
}

// discard begins a deletion. Who gives the job up deletes nothing: the next leader may need it.
func (c *Coordinator) discard(d Discard) {
	if c.state != stateActive && c.end == JobSuspended {
		return
	}
	c.files.next++
	d.ID = c.files.next
	c.files.discards[d.ID] = struct{}{}
	c.emit(d)
}

func (c *Coordinator) discarded(e Discarded) error {
	if _, ok := c.files.discards[e.ID]; !ok {
		return fmt.Errorf("discard %d is not under way", e.ID)
	}
	delete(c.files.discards, e.ID)
	return nil
}

// discardAborted deletes what a checkpoint left that was given up, and remembers it: tasks may
// still be writing.
func (c *Coordinator) discardAborted(p *pending) {
	c.aborted = append(c.aborted, abortedCheckpoint{id: p.id, location: p.location})
	if n := len(c.aborted) - MaxRemembered; n > 0 {
		c.aborted = slices.Delete(c.aborted, 0, n)
	}
	if p.stage == stagePreparing {
		return // its directory is not known yet
	}
	d := Discard{Checkpoint: p.id, Location: p.location,
		Files: c.ownFiles(p.id, p.location, maps.Keys(p.files))}
	for _, file := range slices.Sorted(maps.Keys(p.files)) {
		if _, orphan := c.files.orphans[file]; orphan && !c.named(file) {
			delete(c.files.orphans, file)
			d.Files = append(d.Files, file)
		}
	}
	c.discard(d)
}

// discardLate deletes what comes in of a checkpoint that was given up. Of checkpoints that are not
// remembered nothing is known, so nothing is deleted.
func (c *Coordinator) discardLate(checkpoint uint64, location string,
	s *statebackend.TaskSnapshot,
) {
	i := slices.IndexFunc(c.aborted, func(a abortedCheckpoint) bool { return a.id == checkpoint })
	if i < 0 {
		return
	}
	a := &c.aborted[i]
	if location != "" {
		a.location = location
	}
	named := func(yield func(string) bool) {
		if s == nil {
			return
		}
		for j := range s.Operators {
			eachBlob(&s.Operators[j].OperatorSnapshot, func(b *statebackend.Blob) {
				if b.File != "" {
					yield(b.File)
				}
			})
		}
	}
	c.discard(Discard{Checkpoint: checkpoint, Location: a.location,
		Files: c.ownFiles(checkpoint, a.location, named)})
}

// ownFiles are those of files that were written for the checkpoint by this leader's tasks, that do
// not lie in its directory and that nothing names.
func (c *Coordinator) ownFiles(checkpoint uint64, location string,
	all func(func(string) bool),
) []string {
	var own []string
	for file := range all {
		if !Inside(file, location) && c.writtenFor(checkpoint, file) && !c.named(file) {
			own = append(own, file)
		}
	}
	slices.Sort(own)
	return slices.Compact(own)
}

// writtenFor reports whether a file was written for a checkpoint under this leader.
func (c *Coordinator) writtenFor(checkpoint uint64, file string) bool {
	n, ok := ParseFileName(file)
	return ok && n.Attempt.Job == c.o.Job.ID && n.Epoch == c.o.Epoch && n.Checkpoint == checkpoint
}

// checkFiles verifies that a task's part names only files that are there and will stay.
func (c *Coordinator) checkFiles(p *pending, task int, s *SubtaskState) (err error) {
	v := &c.o.Job.Vertices[c.plan.tasks[task].vertex]
	for i := range s.Operators {
		eachBlob(&s.Operators[i], func(b *statebackend.Blob) {
			if err != nil || b.File == "" || c.writtenFor(p.id, b.File) {
				return
			}
			n := &v.Nodes[i]
			if p.kind != stream.NoSavepoint {
				err = fmt.Errorf("operator %s names the file %s, which does not belong to the "+
					"savepoint: a savepoint must hold all of its state",
					describe(n.Name, n.UID, n.Operator), b.File)
			} else if c.files.names[b.File] == 0 {
				// Not to fail again for the same reason.
				c.full = true
				err = fmt.Errorf("operator %s names the file %s of a checkpoint that is no longer "+
					"kept; the next checkpoint will be a full one",
					describe(n.Name, n.UID, n.Operator), b.File)
			}
		})
	}
	return err
}
