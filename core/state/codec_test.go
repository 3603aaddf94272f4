package state

import (
	"math"
	"slices"
	"testing"
	"time"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// TestExpired: R77: state expires once it was not accessed for the whole time to live, and no clock
// makes the arithmetic overflow.
func TestExpired(t *testing.T) {
	ttl := TTL{After: 10 * time.Millisecond}
	for _, c := range []struct {
		at, now int64
		want    bool
	}{{100, 100, false}, {100, 109, false}, {100, 110, true}, {100, 99, false},
		{math.MinInt64, math.MinInt64 + 10, true}, {math.MaxInt64, 0, false}} {
		if got := ttl.expired(c.at, c.now); got != c.want {
			t.Errorf("accessed at %d, now %d: expired is %t", c.at, c.now, got)
		}
	}
}

// TestStampedListRoundTrip: R77: elements come back with their stamps; those of a list without
// stamps count as accessed now, and a list without a time to live skips stamps.
func TestStampedListRoundTrip(t *testing.T) {
	typ := typeinfo.MustOf[[]string]()
	stamps := stampedListCodec[string]{typ, TTL{After: time.Second}}
	plain := listCodec[string]{typ}
	header := statebackend.StateHeader{Schema: typ.Snapshot()}
	list := stampedList[string]{[]string{"a", "", "ccc"}, []int64{1, -2, math.MaxInt64}}
	encoded, err := stamps.Append(nil, &list)
	if err != nil {
		t.Fatal(err)
	}
	vs := []string{"x", "y"}
	unstamped, err := plain.Append(nil, &vs)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stamped bool
		src     []byte
		want    stampedList[string]
	}{{true, encoded, list}, {false, unstamped, stampedList[string]{vs, []int64{77, 77}}}} {
		h := header
		h.Stamped = c.stamped
		read, err := stamps.Reader(&h, 77)
		if err != nil {
			t.Fatal(err)
		}
		var got stampedList[string]
		if err := read(c.src, &got); err != nil || !slices.Equal(got.vs, c.want.vs) ||
			!slices.Equal(got.at, c.want.at) {
			t.Errorf("stamped %t: %v, %v", c.stamped, got, err)
		}
		readPlain, err := plain.Reader(&h, 77)
		if err != nil {
			t.Fatal(err)
		}
		var bare []string
		if err := readPlain(c.src, &bare); err != nil || !slices.Equal(bare, c.want.vs) {
			t.Errorf("without a time to live: %q, %v", bare, err)
		}
	}
}

// FuzzReaders: garbage in restored state is an error, not a panic.
func FuzzReaders(f *testing.F) {
	typ, list := typeinfo.MustOf[string](), typeinfo.MustOf[[]string]()
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 'a', 1, 'b'}, true)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c'}, true)
	f.Add([]byte{1, 1, 'x'}, false)
	f.Fuzz(func(t *testing.T, src []byte, stamps bool) {
		h := statebackend.StateHeader{Schema: list.Snapshot(), Stamped: stamps}
		readList, err := stampedListCodec[string]{list, TTL{}}.Reader(&h, 5)
		if err != nil {
			t.Fatal(err)
		}
		var l stampedList[string]
		if err := readList(src, &l); err == nil &&
			(len(l.at) != len(l.vs) || len(l.vs) > len(src)) {
			t.Fatalf("%d stamps of %d elements in %d bytes", len(l.at), len(l.vs), len(src))
		}
		readPlain, err := listCodec[string]{list}.Reader(&h, 5)
		if err != nil {
			t.Fatal(err)
		}
		var vs []string
		if err := readPlain(src, &vs); err == nil && !slices.Equal(vs, l.vs) {
			t.Fatalf("%q with and %q without a time to live", l.vs, vs)
		}
		h.Schema = typ.Snapshot()
		readValue, err := stampedCodec[string]{typ, TTL{}}.Reader(&h, 5)
		if err != nil {
			t.Fatal(err)
		}
		var v stamped[string]
		if err := readValue(src, &v); err == nil && len(v.v) > len(src) {
			t.Fatalf("a string of %d bytes in %d", len(v.v), len(src))
		}
	})
}
