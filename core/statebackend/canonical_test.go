package statebackend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
)

// inline reads blobs that are inline.
type inline struct{ fetched int64 }

func (r *inline) Open(_ context.Context, b Blob) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Inline)), nil
}

func (r *inline) OpenAt(_ context.Context, b Blob, offset, length int64) (io.ReadCloser, error) {
	r.fetched += length
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(b.Inline), offset, length)), nil
}

// placed is an entry with the state and key group that it was written in.
type placed struct {
	group, state       int
	ns, key, mk, value string
}

// example is a header with a table, a map table and timers.
func example() SnapshotHeader {
	return SnapshotHeader{MaxParallelism: 16, Groups: keygroup.Range{First: 3, Last: 9},
		KeySchema: []byte(`{"k":1}`), States: []StateHeader{
			{Name: "sums", Kind: "value", Schema: typeinfo.MustOf[int64]().Snapshot()},
			{Name: "rules", Kind: "map", Mapped: true, Stamped: true,
				MapKey: typeinfo.MustOf[string]().Snapshot(),
				Schema: typeinfo.MustOf[[]string]().Snapshot()},
			{Name: "sums", Kind: KindTimers}}}
}

// write writes entries, which are sorted by key group, and returns the handle.
func write(t testing.TB, h SnapshotHeader, entries []placed) KeyedHandle {
	t.Helper()
	var out bytes.Buffer
	w, err := NewCanonicalWriter(&out, h)
	if err != nil {
		t.Fatal(err)
	}
	for g := h.Groups.First; g <= h.Groups.Last; g++ {
		if err := w.BeginGroup(g); err != nil {
			t.Fatal(err)
		}
		for ; len(entries) > 0 && entries[0].group == g; entries = entries[1:] {
			e := entries[0]
			err := w.Entry(e.state, &Entry{Namespace: []byte(e.ns), Key: []byte(e.key),
				MapKey: []byte(e.mk), Value: []byte(e.value)})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	offsets, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return KeyedHandle{Range: h.Groups, Format: FormatCanonical, Offsets: offsets,
		Contents: Blob{Inline: out.Bytes(), Length: int64(out.Len())}}
}

// read reads the key groups in want.
func read(r BlobReader, h KeyedHandle, want keygroup.Range) (sh SnapshotHeader, got []placed,
	err error) {
	err = ReadKeyed(context.Background(), r, h, want, func(h *SnapshotHeader) error {
		sh = *h
		return nil
	}, func(group int, s Section) error {
		return s.Entries(sh.States[s.State].Mapped, func(e *Entry) error {
			got = append(got, placed{group, s.State, string(e.Namespace), string(e.Key),
				string(e.MapKey), string(e.Value)})
			return nil
		})
	})
	return sh, got, err
}

// TestCanonicalRoundTrip: R80: what was written is read, whatever the order of states, namespaces
// and keys and the size of values; a part of the key groups can be read, and only it is fetched.
func TestCanonicalRoundTrip(t *testing.T) {
	testkit.EachSeed(t, 20, func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		h := example()
		var entries []placed
		for range r.IntN(400) {
			e := placed{group: 3 + r.IntN(7), state: r.IntN(3), ns: strings.Repeat("n", r.IntN(3)),
				key: fmt.Sprint(r.IntN(4)), value: strings.Repeat("v", r.IntN(200))}
			if r.IntN(50) == 0 {
				e.value = strings.Repeat("large", 100_000)
			}
			if e.state == 1 {
				e.mk = fmt.Sprint("m", r.IntN(9))
			}
			entries = append(entries, e)
		}
		slices.SortStableFunc(entries, func(a, b placed) int { return a.group - b.group })
		handle := write(t, h, entries)
		for _, want := range []keygroup.Range{{First: 0, Last: 15}, {First: 3, Last: 3},
			{First: 5, Last: 7}, {First: 9, Last: 12}, {First: 10, Last: 15}} {
			var in inline
			sh, got, err := read(&in, handle, want)
			if err != nil {
				t.Fatalf("%v: %v", want, err)
			}
			wanted := slices.DeleteFunc(slices.Clone(entries), func(e placed) bool {
				return !want.Contains(e.group)
			})
			if !slices.Equal(got, wanted) {
				t.Fatalf("%v: %d entries, want %d", want, len(got), len(wanted))
			}
			meet := want.Intersect(h.Groups)
			if meet.Len() == 0 {
				if in.fetched != 0 {
					t.Errorf("%v: %d bytes were fetched for nothing", want, in.fetched)
				}
				continue
			}
			if len(sh.States) != 3 || !sh.States[1].Schema.Equal(h.States[1].Schema) ||
				!sh.States[1].Stamped || string(sh.KeySchema) != string(h.KeySchema) {
				t.Fatalf("header %+v", sh)
			}
			end := handle.Contents.Length
			if i := meet.Last - 2; i < len(handle.Offsets) {
				end = handle.Offsets[i]
			}
			if most := handle.Offsets[0] + end - handle.Offsets[meet.First-3]; in.fetched != most {
				t.Errorf("%v: %d bytes were fetched, want %d", want, in.fetched, most)
			}
		}
	})
}

// TestCanonicalCopy: sections are carried over into another snapshot, under another number.
func TestCanonicalCopy(t *testing.T) {
	h := example()
	entries := []placed{{3, 1, "", "a", "x", "1"}, {3, 1, "", "a", "y", "2"}, {4, 1, "w", "b", "",
		"3"}}
	old := write(t, h, entries)
	var out bytes.Buffer
	to := h
	to.States = h.States[:2]
	w, err := NewCanonicalWriter(&out, to)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[int][]Section{}
	err = ReadKeyed(context.Background(), &inline{}, old, h.Groups, func(*SnapshotHeader) error {
		return nil
	}, func(group int, s Section) error {
		sections[group] = append(sections[group], s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []placed{}
	for g := h.Groups.First; g <= h.Groups.Last; g++ {
		e := placed{group: g, key: "a", value: "new"}
		errs := []error{w.BeginGroup(g), w.Entry(0, &Entry{Key: []byte(e.key),
			Value: []byte(e.value)})}
		want = append(want, e)
		for _, s := range sections[g] {
			errs = append(errs, w.Copy(s))
			want = append(want, slices.DeleteFunc(slices.Clone(entries), func(e placed) bool {
				return e.group != g
			})...)
		}
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	offsets, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := read(&inline{}, KeyedHandle{Range: h.Groups, Format: FormatCanonical,
		Offsets:  offsets,
		Contents: Blob{Inline: out.Bytes(), Length: int64(out.Len())}}, h.Groups)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v: %v", got, want, err)
	}
}

// TestCanonicalWriterOrder: a snapshot that lacks key groups, or has them in another order, is no
// snapshot.
func TestCanonicalWriterOrder(t *testing.T) {
	w, err := NewCanonicalWriter(io.Discard, example())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.BeginGroup(4); err == nil {
		t.Error("key group 4 was begun first")
	}
	if err := w.BeginGroup(3); err != nil {
		t.Error(err)
	}
	if err := w.BeginGroup(3); err == nil {
		t.Error("key group 3 was begun twice")
	}
	if _, err := w.Close(); err == nil {
		t.Error("a snapshot without key groups 4 to 9 was closed")
	}
}

// TestCanonicalDamage: every truncation and every flipped bit is an error in whose chain is
// ErrCorrupt.
func TestCanonicalDamage(t *testing.T) {
	whole := write(t, example(), []placed{{3, 0, "", "key", "", "value"}, {5, 1, "n", "k", "m",
		"v"},
		{5, 1, "n", "k", "m2", "v2"}, {9, 2, "", "k", "", "12345678"}})
	verify := func(what string, h KeyedHandle) {
		t.Helper()
		_, _, err := read(&inline{}, h, h.Range)
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for n := range whole.Contents.Length {
		h := whole
		h.Contents.Inline, h.Contents.Length = whole.Contents.Inline[:n], n
		verify(fmt.Sprintf("cut to %d bytes", n), h)
	}
	for i := range whole.Contents.Inline {
		for bit := range 8 {
			h := whole
			h.Contents.Inline = bytes.Clone(whole.Contents.Inline)
			h.Contents.Inline[i] ^= 1 << bit
			verify(fmt.Sprintf("bit %d of byte %d flipped", bit, i), h)
		}
	}
	for name, change := range map[string]func(h *KeyedHandle){
		"an offset is missing":   func(h *KeyedHandle) { h.Offsets = h.Offsets[1:] },
		"offsets go back":        func(h *KeyedHandle) { h.Offsets[2] = h.Offsets[1] - 1 },
		"an offset is too large": func(h *KeyedHandle) { h.Offsets[6] = h.Contents.Length + 1 },
		"another range":          func(h *KeyedHandle) { h.Range.First++; h.Range.Last++ },
	} {
		h := whole
		h.Offsets = slices.Clone(whole.Offsets)
		change(&h)
		verify(name, h)
	}
}

// TestForeignFormat: a handle of another backend is refused with what to do.
func TestForeignFormat(t *testing.T) {
	h := write(t, example(), nil)
	h.Format = "pebble-1"
	_, _, err := read(&inline{}, h, h.Range)
	if err == nil || !strings.Contains(err.Error(), "pebble-1") ||
		!strings.Contains(err.Error(), "savepoint") {
		t.Errorf("%v", err)
	}
}

// FuzzCanonical: garbage is an error: no panic, no memory beyond the input's size.
func FuzzCanonical(f *testing.F) {
	whole := write(f, example(), []placed{{3, 0, "", "key", "", "value"}, {5, 1, "n", "k", "m",
		"v"}})
	f.Add(whole.Contents.Inline, 3, 9)
	f.Add([]byte(canonicalMagic+"\xff\xff\xff\x03"), 0, 0)
	f.Fuzz(func(t *testing.T, b []byte, first, last int) {
		if h, err := ReadHeader(bytes.NewReader(b)); err == nil && len(h.States) > len(b) {
			t.Fatalf("%d states in %d bytes", len(h.States), len(b))
		}
		if first < 0 || last >= keygroup.MaxMax {
			return
		}
		r := NewBlockReader(bytes.NewReader(b), 2, keygroup.Range{First: first, Last: last},
			int64(len(b)))
		for {
			_, s, err := r.Next()
			if err != nil {
				return
			}
			if len(s.Payload) > len(b) || s.State > 1 {
				t.Fatalf("a section of state %d, %d bytes", s.State, len(s.Payload))
			}
			for _, mapped := range []bool{false, true} {
				n := 0
				err = s.Entries(mapped, func(*Entry) error {
					n++
					return nil
				})
				if err == nil && n != s.Count || n > len(s.Payload) {
					t.Fatalf("%d of %d entries", n, s.Count)
				}
			}
		}
	})
}

// FuzzEntries is FuzzCanonical behind the checksums.
func FuzzEntries(f *testing.F) {
	f.Add([]byte{0, 1, 'n', 1, 'k', 1, 'v', 3, 0}, 2)
	f.Fuzz(func(t *testing.T, b []byte, count int) {
		for _, mapped := range []bool{false, true} {
			n := 0
			s := Section{Count: max(count, 0), Payload: b}
			err := s.Entries(mapped, func(e *Entry) error {
				n++
				if len(e.Namespace)+len(e.Key)+len(e.Value) > 3*len(b) {
					return fmt.Errorf("entry of %d bytes", len(e.Value))
				}
				return nil
			})
			if err != nil && !errors.Is(err, ErrCorrupt) || n > len(b) {
				t.Fatalf("%d entries: %v", n, err)
			}
		}
	})
}
