package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/internal/testkit"
)

func encode(t testing.TB, m *Metadata) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// randomMetadata makes sound metadata of any shape.
func randomMetadata(r *rand.Rand) *Metadata {
	text := func() string {
		return []string{"", "a", "state", "ünïcödé", strings.Repeat("long/", r.IntN(50))}[r.IntN(5)]
	}
	m := &Metadata{Checkpoint: 1 + r.Uint64N(1000), Epoch: r.Uint64N(5), JobName: text(),
		Triggered: r.Int64(), Completed: -r.Int64(), Kind: stream.SavepointKind(r.IntN(4)),
		Full: r.IntN(2) == 0, Vertices: []VertexState{}}
	for i := range m.Job {
		m.Job[i] = byte(r.Uint32())
	}
	for i := range r.IntN(4) {
		m.Vertices = append(m.Vertices, randomVertex(r, i, text))
	}
	for range r.IntN(4) {
		if n := len(m.Vertices); n > 0 {
			m.Edges = append(m.Edges, Edge{Producer: r.IntN(n), Consumer: r.IntN(n),
				Result: r.IntN(5), Input: r.IntN(5), From: id.OperatorFromUID(text()), Tag: text(),
				To: id.OperatorFromUID(text()), ToInput: r.IntN(3), Type: text(),
				Partitioning: graph.Partitioning(r.IntN(9)), Pattern: graph.Pattern(r.IntN(2))})
		}
	}
	return m
}

func randomVertex(r *rand.Rand, i int, text func() string) VertexState {
	v := VertexState{ID: id.Vertex{byte(i), 9}, Name: text(), MaxParallelism: 128}
	for j := range 1 + r.IntN(3) {
		o := OperatorInfo{ID: id.OperatorFromUID(fmt.Sprint(i, j)), UID: text(), Name: text(),
			Coordinated: r.IntN(2) == 0}
		if o.Coordinated && r.IntN(3) > 0 {
			o.Coordinator = []byte(text())
		}
		v.Operators = append(v.Operators, o)
	}
	for range 1 + r.IntN(4) {
		s := SubtaskState{Finished: r.IntN(2) == 0}
		if r.IntN(4) > 0 {
			s.Operators = make([]statebackend.OperatorSnapshot, len(v.Operators))
			for j := range s.Operators {
				s.Operators[j] = randomSnapshot(r, text)
			}
		}
		v.Subtasks = append(v.Subtasks, s)
	}
	return v
}

func randomSnapshot(r *rand.Rand, text func() string) (s statebackend.OperatorSnapshot) {
	blob := func() statebackend.Blob {
		if r.IntN(2) == 0 {
			in := []byte(text())
			if len(in) == 0 {
				in = nil
			}
			return statebackend.Blob{Inline: in, Length: int64(len(in)), CRC: r.Uint32(),
				Exclusive: r.IntN(2) == 0}
		}
		return statebackend.Blob{File: "file:///x/" + text() + "y", Offset: r.Int64N(1 << 40),
			Length: r.Int64N(1 << 40), CRC: r.Uint32(), Exclusive: r.IntN(2) == 0}
	}
	bytes := func() []byte {
		if s := text(); s != "" {
			return []byte(s)
		}
		return nil
	}
	offsets := func() (os []int64) {
		for range r.IntN(5) {
			os = append(os, r.Int64N(1<<40))
		}
		return os
	}
	for range r.IntN(3) {
		first := r.IntN(100)
		h := statebackend.KeyedHandle{Range: keygroup.Range{First: first,
			Last: first + r.IntN(30) - 1}, Format: text(), Contents: blob(), Offsets: offsets(),
			Private: bytes()}
		s.Keyed = append(s.Keyed, h)
		if r.IntN(2) == 0 {
			s.RawKeyed = append(s.RawKeyed, h)
		}
	}
	for range r.IntN(3) {
		h := statebackend.OperatorStateHandle{Name: text(), Schema: bytes(), KeySchema: bytes(),
			Mode: statebackend.Redistribution(r.IntN(3)), Offsets: offsets(), Contents: blob()}
		s.Operator = append(s.Operator, h)
		if r.IntN(2) == 0 {
			s.RawOperator = append(s.RawOperator, h)
		}
	}
	for range r.IntN(3) {
		h := statebackend.ChannelHandle{Edge: r.IntN(5), Channel: r.IntN(50), Contents: blob()}
		s.InputChannels = append(s.InputChannels, h)
		if r.IntN(2) == 0 {
			s.OutputChannels = append(s.OutputChannels, h)
		}
	}
	return s
}

func TestMetadataRoundTrip(t *testing.T) {
	testkit.EachSeed(t, 300, func(t *testing.T, seed uint64) {
		want := randomMetadata(testkit.Source(seed))
		got, err := Decode(encode(t, want), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("comes back as\n%+v\nwant\n%+v", got, want)
		}
	})
}

func TestMetadataRelocates(t *testing.T) {
	m := oneFile(3, "file:///old/chk-3/a")
	var b bytes.Buffer
	rel := func(file string) string { return strings.TrimPrefix(file, "file:///old/chk-3/") }
	if err := Encode(&b, &m, rel); err != nil {
		t.Fatal(err)
	}
	abs := func(file string) (string, error) { return "mem:///new/" + file, nil }
	got, err := Decode(b.Bytes(), abs)
	if err != nil {
		t.Fatal(err)
	}
	if files := filesOf(got); len(files) != 1 || files[0] != "mem:///new/a" {
		t.Errorf("files are %v", files)
	}
	bad := errors.New("no such place")
	_, err = Decode(b.Bytes(), func(string) (string, error) { return "", bad })
	if !errors.Is(err, bad) || !errors.Is(err, ErrCorrupt) {
		t.Errorf("a path that cannot be completed: %v", err)
	}
}

// TestMetadataDamage changes a file in every way: each is noticed and named.
func TestMetadataDamage(t *testing.T) {
	m := oneFile(3, "file:///old/chk-3/a")
	whole := encode(t, &m)
	for n := range whole {
		_, err := Decode(whole[:n], nil)
		if !errors.Is(err, ErrTruncated) {
			t.Fatalf("%d of %d bytes: %v, want ErrTruncated", n, len(whole), err)
		}
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x20
		_, err := Decode(b, nil)
		want := ErrCorrupt
		switch end := len(whole) - trailerBytes; {
		case i < len(magic):
			want = ErrNotMetadata
		case i < headerBytes:
			want = ErrVersion
		case i >= end && i < end+len(endMagic):
			want = ErrTruncated
		}
		if !errors.Is(err, want) {
			t.Fatalf("byte %d of %d changed: %v, want %v", i, len(whole), err, want)
		}
	}
	if _, err := Decode(append(bytes.Clone(whole), 0), nil); err == nil {
		t.Error("a byte too many was not noticed")
	}
}

// frame puts a body between the ends of a metadata file.
func frame(body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(magic), Version)
	b = append(b, body...)
	n := len(b)
	b = binary.LittleEndian.AppendUint64(append(b, endMagic...), uint64(n))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// FuzzDecode gives the decoder any body: it never panics, and what it accepts comes back the same.
func FuzzDecode(f *testing.F) {
	r := testkit.Source(7)
	for range 20 {
		b := encode(f, randomMetadata(r))
		f.Add(b[headerBytes : len(b)-trailerBytes])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := Decode(frame(body), nil)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v is not ErrCorrupt", err)
			}
			return
		}
		again, err := Decode(encode(t, m), nil)
		if err != nil {
			t.Fatalf("what was decoded cannot be read again: %v", err)
		}
		if !reflect.DeepEqual(m, again) {
			t.Errorf("comes back as\n%+v\nwant\n%+v", again, m)
		}
	})
}

// FuzzDecodeFile gives the decoder any file.
func FuzzDecodeFile(f *testing.F) {
	f.Add([]byte{})
	f.Add(frame(nil))
	f.Add(encode(f, randomMetadata(testkit.Source(8))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := Decode(b, nil); err == nil && m.check() != nil {
			t.Error("unsound metadata was accepted")
		}
		if _, _, _, err := Peek(b); err != nil && len(b) >= PeekBytes && len(b) > 100 &&
			bytes.HasPrefix(b, encode(t, &Metadata{Checkpoint: 1})[:headerBytes]) &&
			!errors.Is(err, ErrCorrupt) {
			t.Errorf("Peek: %v", err)
		}
	})
}

// TestMetadataSize: a checkpoint of thousands of subtasks stays small.
func TestMetadataSize(t *testing.T) {
	const parallelism = 4000
	m := &Metadata{Checkpoint: 100, JobName: "large"}
	v := VertexState{Name: "window", MaxParallelism: 32768,
		Operators: []OperatorInfo{{ID: id.OperatorFromUID("w"), UID: "w", Name: "window"}}}
	for i := range parallelism {
		a := id.Attempt{Vertex: v.ID, Subtask: int32(i)}
		file := "hdfs://namenode:8020/flink/checkpoints/" + a.Job.String() + "/chk-100/"
		g := keygroup.RangeOf(32768, parallelism, i)
		h := statebackend.KeyedHandle{Range: g, Format: statebackend.FormatCanonical,
			Contents: statebackend.Blob{Length: 1 << 20, CRC: uint32(i), Exclusive: true,
				File: file + FileName{Attempt: a, Checkpoint: 100, Epoch: 2, Number: 1,
					Hint: "window-contents"}.String()}}
		for j := range g.Len() {
			h.Offsets = append(h.Offsets, int64(j)*30_000)
		}
		s := statebackend.OperatorStateHandle{Name: "offsets",
			Schema: bytes.Repeat([]byte("s"), 300), Offsets: []int64{0, 16},
			Contents: statebackend.Blob{Inline: make([]byte, 16), Length: 16}}
		v.Subtasks = append(v.Subtasks, SubtaskState{Operators: []statebackend.OperatorSnapshot{{
			Keyed:    []statebackend.KeyedHandle{h},
			Operator: []statebackend.OperatorStateHandle{s}}}})
	}
	m.Vertices = []VertexState{v}
	b := encode(t, m)
	perTask := len(b) / parallelism
	t.Logf("%d bytes for %d subtasks with two states each: %d per subtask", len(b), parallelism,
		perTask)
	if perTask > 120 {
		t.Errorf("a subtask takes %d bytes of metadata, want at most 120", perTask)
	}
	if _, err := Decode(b, nil); err != nil {
		t.Error(err)
	}
}

// TestMetadataGolden reads a file that an earlier build wrote: the format must stay readable. Set
// GOFLINK_REWRITE to write it anew, which a change of Version needs.
func TestMetadataGolden(t *testing.T) {
	want := randomMetadata(testkit.Source(20))
	file := filepath.Join("testdata", fmt.Sprintf("metadata-v%d.bin", Version))
	if os.Getenv("GOFLINK_REWRITE") != "" {
		if err := os.WriteFile(file, encode(t, want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s reads as\n%+v\nwant\n%+v", file, got, want)
	}
}

func TestEncodeRefuses(t *testing.T) {
	m := oneFile(1, "f")
	m.Vertices[0].Subtasks[0].Operators = append(m.Vertices[0].Subtasks[0].Operators,
		statebackend.OperatorSnapshot{})
	long := oneFile(1, strings.Repeat("x", MaxTextBytes+1))
	negative := oneFile(1, "f")
	negative.Edges = []Edge{{Result: -1}}
	for name, m := range map[string]*Metadata{"operators": &m, "long": &long,
		"negative": &negative} {
		if err := Encode(&bytes.Buffer{}, m, nil); err == nil {
			t.Errorf("%s: unsound metadata was encoded", name)
		}
	}
	full := errors.New("disk full")
	m = oneFile(1, "f")
	if err := Encode(failingWriter{full}, &m, nil); !errors.Is(err, full) {
		t.Errorf("a failing writer: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestFileNames(t *testing.T) {
	r := testkit.Rand(t)
	for range 200 {
		want := FileName{Attempt: id.Attempt{Subtask: r.Int32(), Number: r.Int32()},
			Epoch: r.Uint64(), Checkpoint: r.Uint64(), Number: r.Uint64(), Hint: "hint-1_A"}
		for i := range want.Attempt.Job {
			want.Attempt.Job[i], want.Attempt.Vertex[i] = byte(r.Uint32()), byte(r.Uint32())
		}
		if got, ok := ParseFileName("file:///dir/" + want.String()); !ok || got != want {
			t.Fatalf("%s reads as %+v, %v", want, got, ok)
		}
	}
	name := FileName{Hint: "Ünder/../..scores and.dots" + strings.Repeat("x", 100)}.String()
	f, ok := ParseFileName(name)
	if !ok || strings.ContainsAny(name, "/ ") || len(f.Hint) > MaxHint {
		t.Errorf("the name of an odd hint is %q", name)
	}
	good := FileName{Hint: "h"}.String()
	for _, bad := range []string{"", "_metadata", "chk-1", good + ".x", good[1:], "0" + good,
		strings.Replace(good, ".0.", ".00.", 1), strings.Replace(good, ".0.", ".-1.", 1),
		strings.Replace(good, ".0.", ".99999999999999999999.", 1), strings.ToUpper(good[:2]) +
			"A" + good[3:]} {
		if f, ok := ParseFileName(bad); ok {
			t.Errorf("%q reads as %+v", bad, f)
		}
	}
}

func TestInside(t *testing.T) {
	for _, c := range []struct {
		file, dir string
		want      bool
	}{
		{"file:///a/b", "file:///a", true},
		{"file:///a/b/c", "file:///a", false},
		{"file:///ab/c", "file:///a", false},
		{"file:///a", "file:///a", false},
		{"file:///a/", "file:///a", false},
		{"file:///a/b", "", false},
	} {
		if got := Inside(c.file, c.dir); got != c.want {
			t.Errorf("Inside(%q, %q) = %v", c.file, c.dir, got)
		}
	}
}
