package statetable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

const maxParallelism = 16

var allGroups = keygroup.Range{First: 0, Last: maxParallelism - 1}

// dump reads a snapshot and releases it.
func dump(t testing.TB, f Frozen) map[string]string {
	t.Helper()
	defer f.Release()
	if err := f.Sort(maxParallelism, allGroups); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for g := range maxParallelism {
		err := f.Each(g, func(e *statebackend.Entry) error {
			id := fmt.Sprintf("%q %q %q", e.Namespace, e.Key, e.MapKey)
			if _, twice := got[id]; twice {
				return fmt.Errorf("%s is there twice", id)
			}
			got[id] = string(e.Value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// differ compares a snapshot with what it should hold.
func differ(got, want map[string]string) error {
	for id, v := range want {
		if g, ok := got[id]; !ok || g != v {
			return fmt.Errorf("%s: got %q (%t), want %q", id, g, ok, v)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d entries, want %d", len(got), len(want))
	}
	return nil
}

// model is a table beside a plain map that does the same.
type model struct {
	t     *testing.T
	r     *rand.Rand
	key   statebackend.KeyContext
	table *Table[[]int64]
	want  map[string]map[string][]int64 // by namespace and key
	weak  uint64                        // bits of the hash that count
	open  []opened
}

// opened is a snapshot with what it must hold.
type opened struct {
	frozen Frozen
	want   map[string]string
}

func (m *model) hash(key string) uint64 { return keygroup.HashString(key) & m.weak }

// randomKey has 0 to 20 bytes.
func (m *model) randomKey() string {
	n := m.r.IntN(300)
	return strings.Repeat("x", n%13) + fmt.Sprintf("%03d", n)[:n%4]
}

func (m *model) randomNS() []byte {
	return []byte([]string{"", "a", "window-1", "a long namespace", "w2"}[m.r.IntN(5)])
}

// set makes a random key the current one; its bytes are overwritten at the next call.
func (m *model) set() string {
	k := m.randomKey()
	m.key.Set(m.hash(k), []byte(k))
	return k
}

func (m *model) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) same(what string, got *[]int64, want []int64, there bool) {
	m.t.Helper()
	if (got != nil) != there || there && !slices.Equal(*got, want) {
		m.t.Fatalf("%s: got %v, want %v (%t)", what, got, want, there)
	}
}

// in returns the part of the model in a namespace.
func (m *model) in(ns []byte) map[string][]int64 {
	if m.want[string(ns)] == nil {
		m.want[string(ns)] = map[string][]int64{}
	}
	return m.want[string(ns)]
}

// encode is the model as a snapshot should show it.
func (m *model) encode() map[string]string {
	out := map[string]string{}
	for ns, keys := range m.want {
		for k, v := range keys {
			b, err := m.table.raw().values.append(nil, unsafe.Pointer(&v))
			m.check(err)
			out[fmt.Sprintf("%q %q %q", ns, k, "")] = string(b)
		}
	}
	return out
}

// step does one random operation.
func (m *model) step() {
	ns := m.randomNS()
	want := m.in(ns)
	switch op := m.r.IntN(100); {
	case op < 25:
		k := m.set()
		p, err := m.table.Find(ns)
		m.check(err)
		v, there := want[k]
		m.same("Find "+k, p, v, there)
	case op < 45:
		k := m.set()
		p, found, err := m.table.Upsert(ns)
		m.check(err)
		v, there := want[k]
		m.same("Upsert "+k, p, v, true)
		if found != there {
			m.t.Fatalf("Upsert %s: found %t, want %t", k, found, there)
		}
		*p = []int64{m.r.Int64N(9)}
		want[k] = slices.Clone(*p)
	case op < 60:
		k := m.set()
		p, _, err := m.table.Modify(ns)
		m.check(err)
		// In place, and beyond: both must not show in snapshots.
		for i := range *p {
			(*p)[i]++
		}
		*p = append(*p, int64(op))
		want[k] = slices.Clone(*p)
	case op < 75:
		k := m.set()
		m.check(m.table.Delete(ns))
		delete(want, k)
	case op < 88:
		m.batch(ns, want)
	case op < 92:
		m.each(ns, want)
	case op < 93:
		m.iterate(ns, want)
	case op < 94:
		s, err := m.table.Space(ns)
		m.check(err)
		m.check(s.Drop())
		clear(want)
		if err := s.Drop(); !errors.Is(err, ErrDropped) {
			m.t.Fatalf("second Drop: %v", err)
		}
	case op < 96:
		m.sweep()
	case op < 98:
		m.namespaces()
	default:
		m.snapshot()
	}
}

// batch does UpsertAll or ModifyAll, with repeated keys.
func (m *model) batch(ns []byte, want map[string][]int64) {
	s, err := m.table.Space(ns)
	m.check(err)
	var hashes []uint64
	var keys [][]byte
	for range m.r.IntN(200) {
		k := m.randomKey()
		keys = append(keys, []byte(k))
		hashes = append(hashes, m.hash(k))
	}
	all, next := s.UpsertAll, 0
	inPlace := m.r.IntN(2) == 0
	if inPlace {
		all = s.ModifyAll
	}
	m.check(all(hashes, keys, func(i int, p *[]int64, found bool) error {
		if i != next {
			return fmt.Errorf("entry %d, want %d", i, next)
		}
		next++
		k := string(keys[i])
		v, there := want[k]
		if found != there || !slices.Equal(*p, v) {
			return fmt.Errorf("UpsertAll %q: got %v (%t), want %v (%t)", k, *p, found, v, there)
		}
		if inPlace && len(*p) > 0 {
			(*p)[0] += 7
		} else {
			*p = []int64{int64(i)}
		}
		want[k] = slices.Clone(*p)
		return nil
	}))
	for _, k := range keys {
		clear(k) // the table must not have kept them
	}
	if s.Len() != len(want) {
		m.t.Fatalf("%d keys, want %d", s.Len(), len(want))
	}
}

// each walks a namespace, changes some values and removes others.
func (m *model) each(ns []byte, want map[string][]int64) {
	s, err := m.table.Space(ns)
	m.check(err)
	seen := map[string]bool{}
	remove := m.r.IntN(4)
	m.check(s.Each(func(hash uint64, key []byte, p *[]int64) (bool, error) {
		k := string(key)
		if seen[k] || hash != m.hash(k) || !slices.Equal(*p, want[k]) {
			return false, fmt.Errorf("Each: %q is %v, want %v", k, *p, want[k])
		}
		seen[k] = true
		if m.r.IntN(4) < remove {
			delete(want, k)
			return false, nil
		}
		*p = []int64{-1}
		want[k] = []int64{-1}
		return true, nil
	}))
	for k := range want {
		if !seen[k] {
			m.t.Fatalf("Each did not come to %q", k)
		}
	}
}

// iterate reads a namespace, to a random place.
func (m *model) iterate(ns []byte, want map[string][]int64) {
	s, err := m.table.Space(ns)
	m.check(err)
	seen := map[string]bool{}
	stop := m.r.IntN(2*len(want) + 1)
	copied := m.table.Copied()
	m.check(s.Range(func(hash uint64, key []byte, v *[]int64) (bool, error) {
		k := string(key)
		if seen[k] || hash != m.hash(k) || !slices.Equal(*v, want[k]) {
			return false, fmt.Errorf("Range: %q is %v, want %v", k, *v, want[k])
		}
		seen[k] = true
		return len(seen) != stop, nil
	}))
	if n := min(len(want), stop); len(seen) != n && stop > 0 {
		m.t.Fatalf("Range saw %d keys, want %d", len(seen), n)
	}
	if m.table.Copied() != copied {
		m.t.Fatal("Range copied pages")
	}
}

// sweep removes values that begin with a multiple of 5.
func (m *model) sweep() {
	gone := func(v *[]int64) bool { return len(*v) > 0 && (*v)[0]%5 == 0 }
	m.check(m.table.Sweep(1_000_000, gone))
	for _, keys := range m.want {
		maps.DeleteFunc(keys, func(_ string, v []int64) bool { return gone(&v) })
	}
	removed := 0
	m.check(m.table.Sweep(1_000_000, func(v *[]int64) bool {
		if gone(v) {
			removed++
		}
		return false
	}))
	if removed > 0 {
		m.t.Fatalf("the sweep left %d", removed)
	}
}

func (m *model) namespaces() {
	var got, want []string
	m.check(m.table.Namespaces(func(ns []byte) error {
		got = append(got, string(ns))
		return nil
	}))
	for ns, keys := range m.want {
		if len(keys) > 0 {
			want = append(want, ns)
		}
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		m.t.Fatalf("namespaces %q, want %q", got, want)
	}
	k := m.set()
	got, want = nil, nil
	m.check(m.table.NamespacesOfKey(func(ns []byte, v *[]int64) error {
		got = append(got, string(ns))
		if !slices.Equal(*v, m.want[string(ns)][k]) {
			return fmt.Errorf("%q in %q is %v", k, ns, *v)
		}
		return nil
	}))
	for ns, keys := range m.want {
		if _, ok := keys[k]; ok {
			want = append(want, ns)
		}
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		m.t.Fatalf("namespaces of %q: %q, want %q", k, got, want)
	}
}

// snapshot takes a snapshot, or reads an earlier one.
func (m *model) snapshot() {
	if len(m.open) < 3 && m.r.IntN(2) == 0 {
		m.open = append(m.open, opened{m.table.Freeze(0), m.encode()})
		return
	}
	if len(m.open) == 0 {
		return
	}
	i := m.r.IntN(len(m.open))
	if err := differ(dump(m.t, m.open[i].frozen), m.open[i].want); err != nil {
		m.t.Fatalf("snapshot: %v", err)
	}
	m.open = slices.Delete(m.open, i, i+1)
}

// finish compares all snapshots and the table itself.
func (m *model) finish() {
	m.open = append(m.open, opened{m.table.Freeze(0), m.encode()})
	for _, o := range m.open {
		if err := differ(dump(m.t, o.frozen), o.want); err != nil {
			m.t.Fatalf("snapshot: %v", err)
		}
	}
	n := 0
	for _, keys := range m.want {
		n += len(keys)
	}
	if m.table.Entries() != n {
		m.t.Fatalf("%d entries, want %d", m.table.Entries(), n)
	}
}

// TestTableModel: R61, R75: random operations on a table do what they do on a map, and each of
// several open snapshots holds the values of its moment whatever comes after it. Some runs have
// hashes so weak that everything collides.
func TestTableModel(t *testing.T) {
	testkit.EachSeed(t, 12, func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		weak := []uint64{^uint64(0), 0xf << 60, 0, 0xff<<56 | 0xffffffff}[r.IntN(4)]
		m := &model{t: t, r: r, want: map[string]map[string][]int64{}, weak: weak}
		m.table = New("model", &m.key, CodecOf(typeinfo.MustOf[[]int64]()))
		if r.IntN(3) == 0 {
			m.table.CheckMutation()
		}
		for range testkit.Scaled(6000) {
			m.step()
		}
		m.finish()
		m.check(m.table.Verify())
	})
}

// TestConcurrentSnapshots: R75: snapshots are read by other goroutines while the table changes; the
// race detector sees every access.
func TestConcurrentSnapshots(t *testing.T) {
	var key statebackend.KeyContext
	table := New("counts", &key, CodecOf(typeinfo.MustOf[[]int64]()))
	const n = 2000
	hashes, keys := intKeys(n)
	var wg sync.WaitGroup
	for round := range int64(testkit.Scaled(40)) {
		for i := range keys {
			key.Set(hashes[i], keys[i])
			p, _, err := table.Modify(nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(*p) == 0 {
				*p = []int64{0}
			}
			(*p)[0] = round
		}
		f := table.Freeze(0)
		wg.Add(1)
		go func() {
			defer wg.Done()
			want := string(binary.LittleEndian.AppendUint64([]byte{1}, uint64(round)))
			got := dump(t, f)
			for id, v := range got {
				if v != want {
					t.Errorf("snapshot of round %d: %s is %x, want %x", round, id, v, want)
					return
				}
			}
			if len(got) != n {
				t.Errorf("snapshot of round %d: %d keys, want %d", round, len(got), n)
			}
		}()
	}
	wg.Wait()
}

// TestSnapshotEndsSharing: after a snapshot is released nothing is copied any more; while it is
// open each page is copied once.
func TestSnapshotEndsSharing(t *testing.T) {
	table, key := benchTable()
	hashes, keys := intKeys(10_000)
	touch := func() int64 {
		t.Helper()
		before := table.Copied()
		for i := range keys {
			key.Set(hashes[i], keys[i])
			p, _, err := table.Upsert(nil)
			if err != nil {
				t.Fatal(err)
			}
			*p++
		}
		return table.Copied() - before
	}
	touch()
	f := table.Freeze(0)
	first := touch()
	if first < 10_000*32 {
		t.Errorf("%d bytes were copied for 10,000 entries", first)
	}
	if again := touch(); again != 0 {
		t.Errorf("%d bytes were copied a second time", again)
	}
	f.Release()
	if after := touch(); after != 0 {
		t.Errorf("%d bytes were copied after the snapshot was released", after)
	}
}

// TestNoKey: R61: access outside a keyed context is an error.
func TestNoKey(t *testing.T) {
	var key statebackend.KeyContext
	table := New("visits", &key, CodecOf(typeinfo.MustOf[int]()))
	m := NewMap("rules", &key, CodecOf(typeinfo.MustOf[int]()))
	q := NewTimers("timers", &key)
	_, err1 := table.Find(nil)
	_, _, err2 := table.Upsert(nil)
	_, err3 := m.Find(nil, nil)
	for i, err := range []error{err1, err2, table.Delete(nil), err3, m.Clear(nil), q.Add(1, nil),
		q.Remove(1, nil), table.NamespacesOfKey(func([]byte, *int) error { return nil })} {
		if !errors.Is(err, statebackend.ErrNoKey) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if !strings.Contains(err1.Error(), "visits") {
		t.Errorf("the error does not name the state: %v", err1)
	}
}

// TestMemoryIsBounded: churn of keys, long keys and namespaces does not let a table grow.
func TestMemoryIsBounded(t *testing.T) {
	table, key := benchTable()
	var ns, k [24]byte
	var peak int64
	for round := range testkit.Scaled(400) {
		binary.BigEndian.PutUint64(ns[:], uint64(round))
		for i := range 300 {
			binary.BigEndian.PutUint64(k[:], uint64(round*1000+i))
			key.Set(keygroup.Hash(k[:]), k[:])
			for _, n := range [][]byte{nil, ns[:]} {
				if _, _, err := table.Upsert(n); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range 300 {
			binary.BigEndian.PutUint64(k[:], uint64(round*1000+i))
			key.Set(keygroup.Hash(k[:]), k[:])
			for _, n := range [][]byte{nil, ns[:]} {
				if err := table.Delete(n); err != nil {
					t.Fatal(err)
				}
			}
		}
		if round < 20 {
			peak = max(peak, table.MemSize())
		} else if n := table.MemSize(); n > 2*peak {
			t.Fatalf("round %d: %d bytes, after 20 rounds it was %d", round, n, peak)
		}
	}
	if table.Entries() != 0 {
		t.Errorf("%d entries are left", table.Entries())
	}
}

// TestMemSize: the estimate is near the truth for values with and without memory behind them.
func TestMemSize(t *testing.T) {
	var key statebackend.KeyContext
	table := New("lines", &key, CodecOf(typeinfo.MustOf[string]()))
	empty := table.MemSize()
	const n, size = 5000, 1000
	for i := range n {
		k := binary.BigEndian.AppendUint32(nil, uint32(i))
		key.Set(keygroup.Hash(k), k)
		p, _, err := table.Upsert(nil)
		if err != nil {
			t.Fatal(err)
		}
		*p = strings.Repeat("x", size)
	}
	got := table.MemSize() - empty
	if want := int64(n * size); got < want || got > want*5/4 {
		t.Errorf("MemSize is %d for %d values of %d bytes", got, n, size)
	}
}
