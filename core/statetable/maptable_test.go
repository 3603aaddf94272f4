package statetable

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
)

// mapModel is a map table beside plain maps.
type mapModel struct {
	t     *testing.T
	r     *rand.Rand
	key   statebackend.KeyContext
	table *MapTable[string]
	want  map[[2]string]map[string]string // by namespace and key
	open  []opened
}

func (m *mapModel) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// pick sets a random key and returns a namespace and the model's map.
func (m *mapModel) pick() ([]byte, map[string]string) {
	ns := strings.Repeat("n", m.r.IntN(3)*5)
	key := fmt.Sprint("key", m.r.IntN(8))
	m.key.Set(keygroup.HashString(key), []byte(key))
	id := [2]string{ns, key}
	if m.want[id] == nil {
		m.want[id] = map[string]string{}
	}
	return []byte(ns), m.want[id]
}

// mapKey draws keys so that some maps stay small and some grow large.
func (m *mapModel) mapKey() string {
	n := m.r.IntN(1 << (3 + len(m.key.Key)*int(m.key.Key[3]-'0')/4))
	return strings.Repeat("m", n%9) + fmt.Sprint(n)
}

func (m *mapModel) step() {
	ns, want := m.pick()
	k := m.mapKey()
	v, there := want[k]
	switch op := m.r.IntN(100); {
	case op < 25:
		p, err := m.table.Find(ns, []byte(k))
		m.check(err)
		if (p != nil) != there || there && *p != v {
			m.t.Fatalf("Find %q: %v, want %q (%t)", k, p, v, there)
		}
	case op < 60:
		p, found, err := m.table.Upsert(ns, []byte(k))
		m.check(err)
		if found != there || *p != v {
			m.t.Fatalf("Upsert %q: %q (%t), want %q (%t)", k, *p, found, v, there)
		}
		*p = fmt.Sprint(op, m.r.IntN(1000))
		want[k] = *p
	case op < 80:
		m.check(m.table.Delete(ns, []byte(k)))
		delete(want, k)
	case op < 88:
		m.iterate(ns, want)
	case op < 92:
		m.each(ns, want)
	case op < 93:
		m.check(m.table.Clear(ns))
		clear(want)
	case op < 94:
		m.check(m.table.DropNamespace(ns))
		for id, keys := range m.want {
			if id[0] == string(ns) {
				clear(keys)
			}
		}
	case op < 96:
		gone := func(v *string) bool { return strings.HasSuffix(*v, "7") }
		m.check(m.table.Sweep(1_000_000, gone))
		for _, keys := range m.want {
			maps.DeleteFunc(keys, func(_, v string) bool { return gone(&v) })
		}
	default:
		m.snapshot()
	}
	n, err := m.table.Len(ns)
	m.check(err)
	if n != len(want) {
		m.t.Fatalf("%d entries, want %d", n, len(want))
	}
}

// iterate compares a map in order, to a random place.
func (m *mapModel) iterate(ns []byte, want map[string]string) {
	keys := slices.Sorted(maps.Keys(want))
	stop := m.r.IntN(2*len(keys) + 1)
	at := 0
	m.check(m.table.Range(ns, func(mapKey []byte, v *string) (bool, error) {
		if at >= len(keys) || string(mapKey) != keys[at] || *v != want[keys[at]] {
			return false, fmt.Errorf("entry %d is %q: %q", at, mapKey, *v)
		}
		at++
		return at != stop, nil
	}))
	if wantAt := min(len(keys), stop); at != wantAt && stop > 0 {
		m.t.Fatalf("the iteration ended after %d entries, want %d", at, wantAt)
	}
}

// each changes and removes entries.
func (m *mapModel) each(ns []byte, want map[string]string) {
	keys := slices.Sorted(maps.Keys(want))
	remove := m.r.IntN(4)
	at := 0
	m.check(m.table.Each(ns, func(mapKey []byte, p *string) (bool, error) {
		k := string(mapKey)
		if at >= len(keys) || k != keys[at] || *p != want[k] {
			return false, fmt.Errorf("entry %d is %q: %q", at, mapKey, *p)
		}
		at++
		if m.r.IntN(4) < remove {
			delete(want, k)
			return false, nil
		}
		*p += "."
		want[k] = *p
		return true, nil
	}))
	if at != len(keys) {
		m.t.Fatalf("Each saw %d of %d entries", at, len(keys))
	}
}

func (m *mapModel) encode() map[string]string {
	out := map[string]string{}
	for id, keys := range m.want {
		for k, v := range keys {
			b, err := m.table.raw().values.append(nil, unsafe.Pointer(&v))
			m.check(err)
			out[fmt.Sprintf("%q %q %q", id[0], id[1], k)] = string(b)
		}
	}
	return out
}

func (m *mapModel) snapshot() {
	if len(m.open) < 3 && m.r.IntN(2) == 0 {
		m.open = append(m.open, opened{m.table.Freeze(0), m.encode()})
	} else if len(m.open) > 0 {
		i := m.r.IntN(len(m.open))
		if err := differ(dump(m.t, m.open[i].frozen), m.open[i].want); err != nil {
			m.t.Fatalf("snapshot: %v", err)
		}
		m.open = slices.Delete(m.open, i, i+1)
	}
}

// TestMapTableModel: R61, R75: random operations on a map table do what they do on maps,
// iteration is in the order of the map keys' bytes, and snapshots hold the values of their
// moment.
func TestMapTableModel(t *testing.T) {
	testkit.EachSeed(t, 10, func(t *testing.T, seed uint64) {
		m := &mapModel{t: t, r: testkit.Source(seed), want: map[[2]string]map[string]string{}}
		m.table = NewMap("model", &m.key, CodecOf(typeinfo.MustOf[string]()))
		if m.r.IntN(3) == 0 {
			m.table.CheckMutation()
		}
		for range testkit.Scaled(6000) {
			m.step()
		}
		m.open = append(m.open, opened{m.table.Freeze(0), m.encode()})
		for _, o := range m.open {
			if err := differ(dump(t, o.frozen), o.want); err != nil {
				t.Fatalf("snapshot: %v", err)
			}
		}
		if got, want := m.table.Entries(), len(m.encode()); got != want {
			t.Fatalf("%d entries, want %d", got, want)
		}
		m.check(m.table.Verify())
	})
}

// TestCheckMutation: values that are changed after they were put are reported, by the name of the
// state; Modify may change them.
func TestCheckMutation(t *testing.T) {
	type cart struct{ Items []string }
	codec := CodecOf(typeinfo.MustOf[cart]())
	var key statebackend.KeyContext
	key.Set(1, []byte("customer"))
	put := func(table *Table[cart]) cart {
		p, _, err := table.Upsert(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := cart{[]string{"apples"}}
		*p = c
		return c
	}
	for _, c := range []struct {
		name  string
		use   func(table *Table[cart]) error
		wrong bool
	}{
		{"untouched", func(*Table[cart]) error { return nil }, false},
		{"found by the snapshot", func(table *Table[cart]) error {
			c := put(table)
			if err := table.Verify(); err != nil {
				return err
			}
			c.Items[0] = "pears"
			return nil
		}, true},
		{"found at the next access", func(table *Table[cart]) error {
			c := put(table)
			if _, err := table.Find([]byte("other")); err != nil {
				return err
			}
			c.Items[0] = "pears"
			_, err := table.Find(nil)
			if err == nil {
				t.Error("the access did not find it")
			}
			return err
		}, true},
		{"changed after reading", func(table *Table[cart]) error {
			put(table)
			p, err := table.Find(nil)
			if err != nil {
				return err
			}
			p.Items[0] = "pears"
			return nil
		}, true},
		{"Modify", func(table *Table[cart]) error {
			put(table)
			p, _, err := table.Modify(nil)
			if err != nil {
				return err
			}
			p.Items[0] = "pears"
			return nil
		}, false},
		{"put anew", func(table *Table[cart]) error {
			c := put(table)
			if err := table.Delete(nil); err != nil {
				return err
			}
			c.Items[0] = "pears"
			put(table)
			return nil
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := New("carts", &key, codec)
			table.CheckMutation()
			err := c.use(table)
			if err == nil {
				err = table.Verify()
			}
			if errors.Is(err, ErrMutated) != c.wrong || !c.wrong && err != nil {
				t.Fatalf("wrong is %t, the error %v", c.wrong, err)
			}
			if c.wrong && !strings.Contains(err.Error(), `"carts"`) {
				t.Errorf("the error does not name the state: %v", err)
			}
		})
	}
}

// TestMapSnapshotSharesNothing: a snapshot of a large map is not disturbed by changes to it, and
// costs the pages that change only.
func TestMapSnapshotSharesNothing(t *testing.T) {
	var key statebackend.KeyContext
	key.Set(7, []byte("k"))
	table := NewMap("m", &key, CodecOf(typeinfo.MustOf[int64]()))
	_, keys := intKeys(10_000)
	for i, k := range keys {
		p, _, err := table.Upsert(nil, k)
		if err != nil {
			t.Fatal(err)
		}
		*p = int64(i)
	}
	f := table.Freeze(0)
	if _, _, err := table.Upsert(nil, keys[5]); err != nil {
		t.Fatal(err)
	}
	if n := table.Copied(); n == 0 || n > 64<<10 {
		t.Errorf("%d bytes were copied for one change", n)
	}
	if got := len(dump(t, f)); got != len(keys) {
		t.Errorf("%d entries in the snapshot, want %d", got, len(keys))
	}
}
