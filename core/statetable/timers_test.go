package statetable

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/internal/testkit"
)

// plainTimer is a timer of the model.
type plainTimer struct {
	time    int64
	key, ns string
}

func compareTimers(a, b plainTimer) int {
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.key, b.key), cmp.Compare(a.ns, b.ns))
}

// timerModel is a queue beside a plain set.
type timerModel struct {
	t    *testing.T
	r    *rand.Rand
	key  statebackend.KeyContext
	q    *Timers
	want map[plainTimer]bool
	open []opened
}

func (m *timerModel) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// draw draws a timer and makes its key current.
func (m *timerModel) draw() plainTimer {
	tm := plainTimer{m.r.Int64N(20) - 10, []string{"", "a", "ab", "abc",
		"long key of a timer"}[m.r.IntN(5)],
		[]string{"", "b", "bc", "c", "window 7"}[m.r.IntN(5)]}
	m.key.Set(keygroup.HashString(tm.key), []byte(tm.key))
	return tm
}

func (m *timerModel) add() (time int64) {
	tm := m.draw()
	m.check(m.q.Add(tm.time, []byte(tm.ns)))
	m.want[tm] = true
	return tm.time
}

func (m *timerModel) remove() {
	tm := m.draw()
	m.check(m.q.Remove(tm.time, []byte(tm.ns)))
	delete(m.want, tm)
}

// pop pops timers in order; meanwhile others are removed, and added, also such that are due.
func (m *timerModel) pop() {
	limit := m.r.Int64N(20) - 10
	last := plainTimer{time: math.MinInt64}
	added := false            // since the last timer
	mixed := map[int64]bool{} // times with timers that were added meanwhile
	m.check(m.q.PopUntil(limit, func(tm statebackend.Timer) error {
		got := plainTimer{tm.Time, string(tm.Key), string(tm.Namespace)}
		if !m.want[got] || tm.Hash != keygroup.Hash(tm.Key) || got.time > limit {
			return fmt.Errorf("popped %v, limit %d, which is set: %t", got, limit, m.want[got])
		}
		delete(m.want, got)
		if !added && (last.time > got.time || compareTimers(last, got) >= 0 && !mixed[got.time]) {
			return fmt.Errorf("popped %v after %v", got, last)
		}
		last, added = got, false
		for range m.r.IntN(3) {
			m.remove()
		}
		if m.r.IntN(4) == 0 {
			mixed[m.add()] = true
			added = true
		}
		if !bytes.Equal(tm.Key, []byte(got.key)) || !bytes.Equal(tm.Namespace, []byte(got.ns)) {
			return fmt.Errorf("%v became %q %q", got, tm.Key, tm.Namespace)
		}
		return nil
	}))
	for tm := range m.want {
		if tm.time <= limit {
			m.t.Fatalf("%v was not popped at %d", tm, limit)
		}
	}
}

func (m *timerModel) encode() map[string]string {
	out := map[string]string{}
	for tm := range m.want {
		// One entry per key and namespace is what dump tells apart: join the times.
		id := fmt.Sprintf("%q %q %q", tm.ns, tm.key, AppendTime(nil, tm.time))
		out[id] = string(AppendTime(nil, tm.time))
	}
	return out
}

// dumpTimers is dump with the time as map key.
func dumpTimers(t testing.TB, f Frozen) map[string]string {
	defer f.Release()
	if err := f.Sort(maxParallelism, allGroups); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for g := range maxParallelism {
		err := f.Each(g, func(e *statebackend.Entry) error {
			if of := keygroup.Of(keygroup.Hash(e.Key), maxParallelism); of != g {
				return fmt.Errorf("a timer of key group %d is in %d", of, g)
			}
			got[fmt.Sprintf("%q %q %q", e.Namespace, e.Key, e.Value)] = string(e.Value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func (m *timerModel) compare() {
	if m.q.Len() != len(m.want) {
		m.t.Fatalf("%d timers, want %d", m.q.Len(), len(m.want))
	}
	first, ok, err := m.q.Next()
	m.check(err)
	all := make([]plainTimer, 0, len(m.want))
	for tm := range m.want {
		all = append(all, tm)
	}
	slices.SortFunc(all, compareTimers)
	if ok != (len(all) > 0) || ok && first != all[0].time {
		m.t.Fatalf("the next time is %d (%t), want that of %v", first, ok, all[:min(1, len(all))])
	}
}

// TestTimersModel: R46: timers are a set; they fire in order of time, key and namespace, whatever
// is added and removed meanwhile; snapshots hold the timers of their moment.
func TestTimersModel(t *testing.T) {
	testkit.EachSeed(t, 12, func(t *testing.T, seed uint64) {
		m := &timerModel{t: t, r: testkit.Source(seed), want: map[plainTimer]bool{}}
		m.q = NewTimers("model", &m.key)
		for range testkit.Scaled(3000) {
			switch op := m.r.IntN(100); {
			case op < 60:
				m.add()
			case op < 85:
				m.remove()
			case op < 92:
				m.pop()
			case op < 94 && len(m.open) < 3:
				m.open = append(m.open, opened{m.q.Freeze(0), m.encode()})
			case op < 96 && len(m.open) > 0:
				if err := differ(dumpTimers(t, m.open[0].frozen), m.open[0].want); err != nil {
					t.Fatalf("snapshot: %v", err)
				}
				m.open = m.open[1:]
			}
			m.compare()
		}
		m.open = append(m.open, opened{m.q.Freeze(0), m.encode()})
		for _, o := range m.open {
			if err := differ(dumpTimers(t, o.frozen), o.want); err != nil {
				t.Fatalf("snapshot: %v", err)
			}
		}
	})
}

// TestTimersStayBounded: a session moves its timer with every record; what it leaves behind must
// not add up.
func TestTimersStayBounded(t *testing.T) {
	var key statebackend.KeyContext
	key.Set(keygroup.HashString("k"), []byte("k"))
	q := NewTimers("sessions", &key)
	for i := range int64(testkit.Scaled(100_000)) {
		if i > 0 {
			if err := q.Remove(i+5000, []byte("session")); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Add(i+5001, []byte("session")); err != nil {
			t.Fatal(err)
		}
		if len(q.times) > 300 || len(q.heads) > 300 || q.space.size > 300 {
			t.Fatalf("record %d: %d times, %d lists, %d entries", i, len(q.times), len(q.heads),
				q.space.size)
		}
	}
	if n := q.MemSize(); n > 256<<10 {
		t.Errorf("%d bytes for one timer", n)
	}
}

// TestTimersOfExtremeTimes: the earliest and latest times order right.
func TestTimersOfExtremeTimes(t *testing.T) {
	var key statebackend.KeyContext
	key.Set(keygroup.HashString("k"), []byte("k"))
	q := NewTimers("t", &key)
	times := []int64{math.MaxInt64, 0, math.MinInt64, -1, 1}
	for _, time := range times {
		if err := q.Add(time, nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []int64
	if err := q.PopUntil(math.MaxInt64, func(tm statebackend.Timer) error {
		got = append(got, tm.Time)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(times); !slices.Equal(got, times) {
		t.Errorf("popped %v, want %v", got, times)
	}
}
