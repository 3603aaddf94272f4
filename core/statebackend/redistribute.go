package statebackend

import (
	"fmt"
	"slices"

	"goflink/core/keygroup"
)

// Redistribute deals the operator states of the earlier subtasks out to parallelism new ones (R62).
// States are told apart by name.
//
//   - Split: the elements of all subtasks, in order, are dealt out in runs as even as possible; at
//     the same parallelism each subtask keeps its own.
//   - Union: each subtask gets the elements of all.
//   - Broadcast: each subtask gets the whole of one earlier subtask.
//
// The new handles name parts of the old contents; nothing is read or copied.
func Redistribute(old [][]OperatorStateHandle, parallelism int) ([][]OperatorStateHandle, error) {
	if parallelism < 1 {
		return nil, fmt.Errorf("redistribute operator state to %d subtasks", parallelism)
	}
	dealt := make([][]OperatorStateHandle, parallelism)
	names, err := stateNames(old)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var parts [][]OperatorStateHandle // by earlier subtask
		mode := Split
		for _, handles := range old {
			var own []OperatorStateHandle
			for _, h := range handles {
				if h.Name == name {
					own = append(own, h)
					mode = h.Mode
				}
			}
			parts = append(parts, own)
		}
		switch {
		case mode == Union:
			all := slices.Concat(parts...)
			for i := range dealt {
				dealt[i] = append(dealt[i], all...)
			}
		case mode == Broadcast:
			parts = slices.DeleteFunc(parts,
				func(p []OperatorStateHandle) bool { return len(p) == 0 })
			for i := range dealt {
				dealt[i] = append(dealt[i], parts[i%len(parts)]...)
			}
		case len(old) == parallelism:
			for i := range dealt {
				dealt[i] = append(dealt[i], parts[i]...)
			}
		default:
			split(slices.Concat(parts...), dealt)
		}
	}
	return dealt, nil
}

// stateNames returns the names of states in the order of their first appearance, and verifies that
// each has one mode and sound offsets.
func stateNames(old [][]OperatorStateHandle) ([]string, error) {
	var names []string
	modes := map[string]Redistribution{}
	for subtask, handles := range old {
		for _, h := range handles {
			if err := h.check(); err != nil {
				return nil, fmt.Errorf("operator state %q of subtask %d: %w", h.Name, subtask, err)
			}
			mode, seen := modes[h.Name]
			if !seen {
				names = append(names, h.Name)
				modes[h.Name] = h.Mode
			} else if mode != h.Mode {
				return nil, fmt.Errorf("operator state %q: %v in one subtask, %v in subtask %d",
					h.Name, mode, h.Mode, subtask)
			}
		}
	}
	return names, nil
}

// check verifies mode and offsets.
func (h *OperatorStateHandle) check() error {
	if h.Mode > Broadcast {
		return corrupt("unknown redistribution %d", h.Mode)
	}
	last := int64(0)
	for _, o := range h.Offsets {
		if o < last || o > h.Contents.Length {
			return corrupt("offset %d after %d in %d bytes", o, last, h.Contents.Length)
		}
		last = o
	}
	return nil
}

// Len is the number of elements.
func (h *OperatorStateHandle) Len() int { return max(0, len(h.Offsets)-1) }

// split deals the elements of handles out evenly: the first n mod p subtasks get one more.
func split(handles []OperatorStateHandle, dealt [][]OperatorStateHandle) {
	total := 0
	for i := range handles {
		total += handles[i].Len()
	}
	at, done := 0, 0 // the handle, and how many of its elements are dealt
	for i := range dealt {
		want := total / len(dealt)
		if i < total%len(dealt) {
			want++
		}
		for want > 0 {
			h := handles[at]
			take := min(want, h.Len()-done)
			if take > 0 {
				h.Offsets = h.Offsets[done : done+take+1]
				dealt[i] = append(dealt[i], h)
				want -= take
				done += take
			}
			if done == handles[at].Len() {
				at, done = at+1, 0
			}
		}
	}
}

// HandlesIn returns the handles whose key groups meet groups.
func HandlesIn(handles []KeyedHandle, groups keygroup.Range) []KeyedHandle {
	var in []KeyedHandle
	for _, h := range handles {
		if h.Range.Intersect(groups).Len() > 0 {
			in = append(in, h)
		}
	}
	return in
}
