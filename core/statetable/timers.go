package statetable

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
)

// Timers is a statebackend.TimerQueue on the heap. A timer is an entry of a space whose key is
// time, key and namespace, so that equal timers meet and snapshots are those of tables. The
// timers of one time are a list, and a binary heap orders the times: windows give few times with
// many timers each.
type Timers struct {
	epochs
	name  string
	key   *statebackend.KeyContext
	space *space
	lv    *level
	// links are, by number of the entry, the lists of timers with equal times.
	links []link
	// heads holds the list of each time in times; an emptied one stays until its time is popped.
	heads map[int64]head
	times []int64 // a binary heap; each time once
	empty int     // lists without timers
	buf   []byte
	batch []popped
	// popping says that batch holds numbers of entries, so that these must not change.
	popping bool
	inline  [inlineKey]byte // a composed key is longer: it is never used
}

// timer is the value of a timer's entry: the hash of its key. The entry's own key is the time, the
// length of the key as uvarint, key and namespace.
type timer struct{ hash uint64 }

func timerOf(r *row) *timer { return (*timer)(r.value()) }

// link is an entry's place in the list of its time: 1 + the number of the neighbour, 0 for none.
type link struct {
	next, prev uint32
	// uses counts how often the entry's number was given out and taken back.
	uses uint32
}

type head struct {
	first uint32 // 1 + the number of the entry
	count uint32
}

// popped is a timer that is due.
type popped struct {
	prefix uint64 // the first bytes of the key
	entry  uint32
	uses   uint32
}

// timeBytes is the length of the time before key and namespace.
const timeBytes = 8

var _ statebackend.TimerQueue = (*Timers)(nil)
var _ Any = (*Timers)(nil)

// NewTimers returns an empty queue whose current key is key's. The name is for errors.
func NewTimers(name string, key *statebackend.KeyContext) *Timers {
	t := &Timers{name: name, key: key, heads: map[int64]head{}}
	t.now = 1
	t.lv = newLevel(&t.epochs, rowsOf[timer]())
	t.lv.moved = func(from, to uint32, r *row) { t.renumber(from, to, r) }
	t.space = newSpace(t.lv)
	return t
}

// AppendTime appends a time so that the order of the bytes is the order of time.
func AppendTime(dst []byte, time int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(time)^1<<63)
}

// ParseTime reads what AppendTime wrote.
func ParseTime(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// compose makes the key of a timer's entry and its hash.
func (t *Timers) compose(time int64, hash uint64, key, ns []byte) (uint64, []byte) {
	t.buf = binary.AppendUvarint(AppendTime(t.buf[:0], time), uint64(len(key)))
	t.buf = append(append(t.buf, key...), ns...)
	return timerHash(time, hash, ns), t.buf
}

func timerHash(time int64, hash uint64, ns []byte) uint64 {
	hi, lo := bits.Mul64(hash^uint64(time)*0x9e3779b97f4a7c15, 0xa0761d6478bd642f^hashOf(ns))
	return hi ^ lo
}

// Add implements statebackend.TimerQueue.
func (t *Timers) Add(time int64, ns []byte) error {
	if !t.key.Valid {
		return t.noKey()
	}
	_, err := t.add(time, t.key.Hash, t.key.Key, ns)
	return err
}

func (t *Timers) add(time int64, keyHash uint64, key, ns []byte) (found bool, err error) {
	hash, full := t.compose(time, keyHash, key, ns)
	if _, found := t.space.find(hash, full); found {
		return true, nil
	}
	t.own()
	e, r, err := t.space.insert(hash, full)
	if err != nil {
		return false, t.wrap(err)
	}
	timerOf(r).hash = keyHash
	for int(e) >= len(t.links) {
		t.links = append(t.links, link{})
	}
	t.chain(time, e)
	return false, nil
}

func (t *Timers) own() {
	if t.space.shared() {
		t.space = t.space.fork()
	}
}

// Remove implements statebackend.TimerQueue.
func (t *Timers) Remove(time int64, ns []byte) error {
	if !t.key.Valid {
		return t.noKey()
	}
	hash, full := t.compose(time, t.key.Hash, t.key.Key, ns)
	if e, ok := t.space.find(hash, full); ok {
		t.remove(time, e)
		t.tidy()
	}
	return nil
}

func (t *Timers) remove(time int64, e uint32) {
	t.own()
	t.unchain(time, e)
	t.links[e].uses++
	t.space.remove(e)
}

// tidy makes the space dense and forgets emptied times if there are many.
func (t *Timers) tidy() {
	if t.popping {
		return
	}
	t.space.tidy()
	if t.empty < compactEntries || t.empty < len(t.times)/2 {
		return
	}
	live := t.times[:0]
	for _, time := range t.times {
		if t.heads[time].count > 0 {
			live = append(live, time)
		} else {
			delete(t.heads, time)
		}
	}
	t.times, t.empty = live, 0
	for i := len(live)/2 - 1; i >= 0; i-- {
		t.down(i)
	}
}

// renumber follows an entry that got another number.
func (t *Timers) renumber(from, to uint32, r *row) {
	l := t.links[from]
	if l.next != 0 {
		t.links[l.next-1].prev = to + 1
	}
	if l.prev != 0 {
		t.links[l.prev-1].next = to + 1
	} else {
		time := t.timeOf(r)
		h := t.heads[time]
		h.first = to + 1
		t.heads[time] = h
	}
	// Entries move to the front and in order: what lay at to has moved already or was free.
	t.links[to].next, t.links[to].prev = l.next, l.prev
}

func (t *Timers) timeOf(r *row) int64 {
	return ParseTime(t.space.key(r, &t.inline))
}

// Next implements statebackend.TimerQueue.
func (t *Timers) Next() (time int64, ok bool, err error) {
	for len(t.times) > 0 {
		if h := t.heads[t.times[0]]; h.count > 0 {
			return t.times[0], true, nil
		}
		t.popTime()
	}
	return 0, false, nil
}

// PopUntil implements statebackend.TimerQueue.
func (t *Timers) PopUntil(limit int64, f func(tm statebackend.Timer) error) error {
	for {
		time, ok, err := t.Next()
		if err != nil || !ok || time > limit {
			return err
		}
		// Timers that f adds come in the next round, which begins at once if they are earlier.
		t.popping = true
		err = t.pop(time, f)
		t.popping = false
		if err != nil {
			return err
		}
		t.tidy()
	}
}

// pop takes out the timers of a time.
func (t *Timers) pop(time int64, f func(tm statebackend.Timer) error) error {
	for _, p := range t.due(time) {
		if t.links[p.entry].uses != p.uses {
			continue // removed by an earlier call of f
		}
		tm := t.timer(p.entry)
		t.remove(time, p.entry)
		if err := f(tm); err != nil {
			return err
		}
		if len(t.times) > 0 && t.times[0] < time {
			return nil
		}
	}
	return nil
}

// due returns the timers of a time in order of key and namespace.
func (t *Timers) due(time int64) []popped {
	batch := t.batch[:0]
	for next := t.heads[time].first; next != 0; next = t.links[next-1].next {
		e := next - 1
		batch = append(batch, popped{entry: e, uses: t.links[e].uses,
			prefix: prefix(t.timer(e).Key)})
	}
	slices.SortFunc(batch, func(a, b popped) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		x, y := t.timer(a.entry), t.timer(b.entry)
		if c := bytes.Compare(x.Key, y.Key); c != 0 {
			return c
		}
		return bytes.Compare(x.Namespace, y.Namespace)
	})
	t.batch = batch
	return batch
}

// prefix returns the first bytes of a key as a number that orders like them.
func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// timer returns the timer of an entry. Its bytes stay as they are for as long as they are wanted.
func (t *Timers) timer(e uint32) statebackend.Timer {
	r := t.space.at(e)
	return splitTimer(t.space.key(r, &t.inline), timerOf(r).hash)
}

func splitTimer(full []byte, hash uint64) statebackend.Timer {
	n, k := binary.Uvarint(full[timeBytes:])
	rest := full[timeBytes+k:]
	return statebackend.Timer{Time: ParseTime(full), Hash: hash, Key: rest[:n:n],
		Namespace: rest[n:]}
}

// Each implements statebackend.TimerQueue.
func (t *Timers) Each(f func(tm statebackend.Timer) error) error {
	for e := range t.space.size {
		if t.space.at(e).klen == freeEntry {
			continue
		}
		if err := f(t.timer(e)); err != nil {
			return err
		}
	}
	return nil
}

// Len implements statebackend.TimerQueue.
func (t *Timers) Len() int { return int(t.space.live) }

func (t *Timers) noKey() error {
	return fmt.Errorf("timers %q: %w", t.name, statebackend.ErrNoKey)
}

func (t *Timers) wrap(err error) error { return fmt.Errorf("timers %q: %w", t.name, err) }

// Freeze implements Any.
func (t *Timers) Freeze(int64) Frozen { return &frozenTimers{hold: t.freeze(), space: t.space} }

// frozenTimers is the Frozen of a timer queue.
type frozenTimers struct {
	grouped
	hold   *share
	space  *space
	entry  statebackend.Entry
	buf    []byte
	inline [inlineKey]byte
}

// Sort implements Frozen.
func (f *frozenTimers) Sort(maxParallelism int, groups keygroup.Range) error {
	return f.sort(maxParallelism, groups, func(visit func(hash uint64, at ref)) {
		for e := range f.space.size {
			if r := f.space.at(e); r.klen != freeEntry {
				visit(timerOf(r).hash, ref{entry: e})
			}
		}
	})
}

// Each implements Frozen.
func (f *frozenTimers) Each(group int, g func(e *statebackend.Entry) error) error {
	for _, at := range f.of(group) {
		r := f.space.at(at.entry)
		tm := splitTimer(f.space.key(r, &f.inline), timerOf(r).hash)
		f.buf = AppendTime(f.buf[:0], tm.Time)
		f.entry = statebackend.Entry{Namespace: tm.Namespace, Key: tm.Key, Value: f.buf}
		if err := g(&f.entry); err != nil {
			return err
		}
	}
	return nil
}

// Release implements Frozen.
func (f *frozenTimers) Release() {
	f.space, f.refs = nil, nil
	f.hold.released.Store(true)
}

// Loader implements Any.
func (t *Timers) Loader(_ *statebackend.StateHeader, _ int64) (
	func(e *statebackend.Entry) error, error,
) {
	return func(e *statebackend.Entry) error {
		if len(e.Value) != timeBytes {
			return t.wrap(fmt.Errorf("a timer's time has %d bytes", len(e.Value)))
		}
		found, err := t.add(ParseTime(e.Value), keygroup.Hash(e.Key), e.Key, e.Namespace)
		if found {
			err = t.wrap(errTwice)
		}
		return err
	}, nil
}

// CheckMutation implements Any: timers hold no values.
func (t *Timers) CheckMutation() {}

// Verify implements Any.
func (t *Timers) Verify() error { return nil }

// Entries implements Any.
func (t *Timers) Entries() int { return t.Len() }

// Copied implements Any.
func (t *Timers) Copied() int64 { return t.copied }

// MemSize estimates the bytes of memory of the queue.
func (t *Timers) MemSize() int64 {
	const headBytes = 32 // of an entry in a Go map, about
	return t.space.memSize() + t.lv.bytes() + int64(cap(t.links))*12 + int64(cap(t.times))*8 +
		int64(len(t.heads))*headBytes + int64(cap(t.batch))*16
}
