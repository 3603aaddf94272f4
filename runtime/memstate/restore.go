package memstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// part is what one handle holds of a state in the key groups of this instance, as it was written.
type part struct {
	header   statebackend.StateHeader
	sections []groupSection // in the order of key groups
	bytes    int64
}

// groupSection is a section of a key group.
type groupSection struct {
	group int
	statebackend.Section
}

// restore reads the handles.
func (k *keyed) restore(ctx context.Context) error {
	for _, h := range k.o.Restore {
		var parts []*part
		header := func(sh *statebackend.SnapshotHeader) error {
			if err := k.checkHeader(sh); err != nil {
				return err
			}
			for _, s := range sh.States {
				parts = append(parts, &part{header: s})
			}
			return nil
		}
		section := func(group int, s statebackend.Section) error {
			p := parts[s.State]
			p.sections = append(p.sections, groupSection{group, s})
			p.bytes += int64(len(s.Payload))
			return nil
		}
		err := statebackend.ReadKeyed(ctx, k.o.Reader, h, k.o.Groups, header, section)
		if err != nil {
			return fmt.Errorf("restore key groups %v from %s: %w", h.Range.Intersect(k.o.Groups),
				blobName(h.Contents), err)
		}
		for _, p := range parts {
			id := stateID{p.header.Kind == statebackend.KindTimers, p.header.Name}
			if _, known := k.restored[id]; !known {
				k.order = append(k.order, id)
			}
			// A part without entries is kept, too: its schema counts.
			k.restored[id] = append(k.restored[id], p)
		}
	}
	return nil
}

// blobName names contents in errors.
func blobName(b statebackend.Blob) string {
	if b.File == "" {
		return "the checkpoint's metadata"
	}
	return b.File
}

// checkHeader verifies that a snapshot fits this instance.
func (k *keyed) checkHeader(h *statebackend.SnapshotHeader) error {
	if h.MaxParallelism != k.o.MaxParallelism {
		return fmt.Errorf("it was written at a maximal parallelism of %d and cannot be read at "+
			"%d; set the operator's maximal parallelism to %d",
			h.MaxParallelism, k.o.MaxParallelism, h.MaxParallelism)
	}
	if len(h.KeySchema) == 0 || len(k.o.KeySchema) == 0 || bytes.Equal(h.KeySchema, k.o.KeySchema) {
		return nil
	}
	was, err := typeinfo.ParseSnapshot(h.KeySchema)
	if err != nil {
		return fmt.Errorf("the schema of its key: %w", err)
	}
	is, err := typeinfo.ParseSnapshot(k.o.KeySchema)
	if err != nil {
		return fmt.Errorf("the schema of the key: %w", err)
	}
	if !was.Equal(is) {
		return fmt.Errorf("the key was %v and is now %v: %w; the type of a key cannot be "+
			"changed, because keys would move to other key groups",
			was, is, typeinfo.ErrIncompatible)
	}
	return nil
}

// load adds the entries of a part to a table that was opened under h.
func (p *part) load(h *statebackend.StateHeader, table statetable.Any, now int64) error {
	was := &p.header
	switch {
	case was.Kind != h.Kind || was.Mapped != h.Mapped:
		return fmt.Errorf("state %q was %s and is now %s: %w; the kind of a state cannot be "+
			"changed", h.Name, describe(was), describe(h), typeinfo.ErrIncompatible)
	case h.Mapped && !was.MapKey.Equal(h.MapKey):
		return fmt.Errorf("the keys of map state %q were %v and are now %v: %w; the type of map "+
			"keys cannot be changed", h.Name, was.MapKey, h.MapKey, typeinfo.ErrIncompatible)
	}
	add, err := table.Loader(was, now)
	if err != nil {
		return fmt.Errorf("state %q: %w", h.Name, err)
	}
	for _, s := range p.sections {
		err := s.Entries(h.Mapped, add)
		if err != nil {
			if errors.Is(err, statebackend.ErrCorrupt) {
				err = fmt.Errorf("state %q: %w", h.Name, err)
			}
			return fmt.Errorf("key group %d: %w", s.group, err)
		}
	}
	return nil
}
