package statebackend

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"goflink/core/keygroup"
)

// part makes a handle of n elements named file0, file1, …, of 10 bytes each.
func part(name string, mode Redistribution, file string, n int) OperatorStateHandle {
	h := OperatorStateHandle{Name: name, Mode: mode, Contents: Blob{File: file,
		Length: int64(10 * n)}}
	for i := range n + 1 {
		h.Offsets = append(h.Offsets, int64(10*i))
	}
	return h
}

// elementsOf lists the elements of handles: file and number.
func elementsOf(handles []OperatorStateHandle) string {
	var out []string
	for _, h := range handles {
		for i := range h.Len() {
			out = append(out, fmt.Sprintf("%s%d", h.Contents.File, h.Offsets[i]/10))
		}
	}
	return strings.Join(out, " ")
}

// TestRedistribute: R62: six elements at parallelism 2 are two each at 3; union gives each all;
// broadcast gives each one whole part.
func TestRedistribute(t *testing.T) {
	for _, c := range []struct {
		name string
		mode Redistribution
		old  []int // elements per subtask, whose file is a, b, c …
		p    int
		want []string
	}{
		{"6 at 2 to 3", Split, []int{3, 3}, 3, []string{"a0 a1", "a2 b0", "b1 b2"}},
		{"scale down", Split, []int{2, 1, 2}, 2, []string{"a0 a1 b0", "c0 c1"}},
		{"to one", Split, []int{1, 0, 2}, 1, []string{"a0 c0 c1"}},
		{"same parallelism", Split, []int{5, 0}, 2, []string{"a0 a1 a2 a3 a4", ""}},
		{"fewer than subtasks", Split, []int{1}, 3, []string{"a0", "", ""}},
		{"remainder first", Split, []int{7}, 3, []string{"a0 a1 a2", "a3 a4", "a5 a6"}},
		{"nothing", Split, []int{0, 0}, 3, []string{"", "", ""}},
		{"union", Union, []int{2, 1}, 3, []string{"a0 a1 b0", "a0 a1 b0", "a0 a1 b0"}},
		{"union, same parallelism", Union, []int{1, 1}, 2, []string{"a0 b0", "a0 b0"}},
		{"broadcast up", Broadcast, []int{2, 2}, 3, []string{"a0 a1", "b0 b1", "a0 a1"}},
		{"broadcast down", Broadcast, []int{2, 2}, 1, []string{"a0 a1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var old [][]OperatorStateHandle
			for i, n := range c.old {
				old = append(old, []OperatorStateHandle{part("s", c.mode, string(rune('a'+i)), n)})
			}
			got, err := Redistribute(old, c.p)
			if err != nil || len(got) != c.p {
				t.Fatalf("%d subtasks, %v", len(got), err)
			}
			for i := range got {
				if e := elementsOf(got[i]); e != c.want[i] {
					t.Errorf("subtask %d has %q, want %q", i, e, c.want[i])
				}
			}
		})
	}
}

// TestRedistributeSeveral: states of different modes, some of which not all subtasks have.
func TestRedistributeSeveral(t *testing.T) {
	old := [][]OperatorStateHandle{
		{part("offsets", Split, "a", 2), part("rules", Broadcast, "r", 1)},
		{part("offsets", Split, "b", 2), part("known", Union, "u", 1)},
	}
	got, err := Redistribute(old, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a0 r0 u0", "a1 r0 u0", "b0 r0 u0", "b1 r0 u0"} {
		if e := elementsOf(got[i]); e != want {
			t.Errorf("subtask %d has %q, want %q", i, e, want)
		}
	}
}

// TestRedistributeRefuses: what cannot be right is an error that names the state.
func TestRedistributeRefuses(t *testing.T) {
	bad := part("s", Split, "a", 2)
	bad.Offsets[1] = 100
	for name, old := range map[string][][]OperatorStateHandle{
		"offsets beyond the contents": {{bad}},
		"two modes":                   {{part("s", Split, "a", 1)}, {part("s", Union, "b", 1)}},
		"unknown mode":                {{part("s", 9, "a", 1)}},
	} {
		if _, err := Redistribute(old, 2); err == nil || !strings.Contains(err.Error(), `"s"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Redistribute(nil, 0); err == nil {
		t.Error("parallelism 0 was taken")
	}
	if _, err := Redistribute([][]OperatorStateHandle{{bad}}, 2); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v is not ErrCorrupt", err)
	}
}

// TestHandlesIn: R31: an instance reads the handles whose key groups it owns in part.
func TestHandlesIn(t *testing.T) {
	var handles []KeyedHandle
	for s := range 3 {
		handles = append(handles, KeyedHandle{Range: keygroup.RangeOf(128, 3, s)})
	}
	for s, want := range [][]int{{0, 1}, {1, 2}} {
		got := HandlesIn(handles, keygroup.RangeOf(128, 2, s))
		if len(got) != len(want) || got[0].Range != handles[want[0]].Range {
			t.Errorf("subtask %d of 2 reads %v", s, got)
		}
	}
}
