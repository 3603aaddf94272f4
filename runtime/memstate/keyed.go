package memstate

import (
	"errors"
	"fmt"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/statetable"
)

// errClosed is about the use of state after Close.
var errClosed = errors.New("the state is closed")

// keyed is the keyed state of one operator instance.
type keyed struct {
	owner
	o      statebackend.KeyedOptions
	key    statebackend.KeyContext
	ns     []byte
	states []*openState // in the order in which they were opened
	byName map[stateID]*openState
	// restored are the parts of states that were not opened yet.
	restored map[stateID][]*part
	order    []stateID // of restored
	closed   bool
}

// stateID tells states apart: a timer queue may have the name of a table.
type stateID struct {
	timers bool
	name   string
}

// openState is a table or timer queue that the program opened.
type openState struct {
	header statebackend.StateHeader
	table  statetable.Any
}

var _ statebackend.Keyed = (*keyed)(nil)

func newKeyed(o statebackend.KeyedOptions) *keyed {
	return &keyed{owner: owner{o.Operator, o.UID}, o: o, byName: map[stateID]*openState{},
		restored: map[stateID][]*part{}}
}

// SetKey implements statebackend.Keyed.
func (k *keyed) SetKey(hash uint64, key []byte) { k.key.Set(hash, key) }

// UnsetKey implements statebackend.Keyed.
func (k *keyed) UnsetKey() { k.key.Unset() }

// Key implements statebackend.Keyed.
func (k *keyed) Key() (hash uint64, key []byte, ok bool) {
	return k.key.Hash, k.key.Key, k.key.Valid
}

// SetNamespace implements statebackend.Keyed.
func (k *keyed) SetNamespace(ns []byte) { k.ns = ns }

// Namespace implements statebackend.Keyed.
func (k *keyed) Namespace() []byte { return k.ns }

// Groups implements statebackend.Keyed.
func (k *keyed) Groups() keygroup.Range { return k.o.Groups }

// MaxParallelism implements statebackend.Keyed.
func (k *keyed) MaxParallelism() int { return k.o.MaxParallelism }

// Now implements statebackend.Keyed.
func (k *keyed) Now() int64 { return k.o.Now() }

// Open implements statebackend.Keyed.
func (k *keyed) Open(spec statebackend.TableSpec) (any, error) {
	if spec.Name == "" {
		return nil, k.wrap(errors.New("a state has no name"))
	}
	id := stateID{name: spec.Name}
	h := spec.Header()
	if open := k.byName[id]; open != nil {
		if err := sameSpec(&open.header, &h); err != nil {
			return nil, k.wrap(err)
		}
		return open.table, nil
	}
	table, err := statetable.Make(&spec, &k.key)
	if err != nil {
		return nil, k.wrap(err)
	}
	if err := k.add(id, h, table); err != nil {
		return nil, k.wrap(err)
	}
	return table, nil
}

// Timers implements statebackend.Keyed.
func (k *keyed) Timers(name string) (statebackend.TimerQueue, error) {
	id := stateID{timers: true, name: name}
	if open := k.byName[id]; open != nil {
		return open.table.(*statetable.Timers), nil
	}
	q := statetable.NewTimers(name, &k.key)
	h := statebackend.StateHeader{Name: name, Kind: statebackend.KindTimers}
	if err := k.add(id, h, q); err != nil {
		return nil, k.wrap(err)
	}
	return q, nil
}

// add takes in a new table with what was restored of it.
func (k *keyed) add(id stateID, h statebackend.StateHeader, table statetable.Any) error {
	if k.closed {
		return errClosed
	}
	if len(k.states) == statebackend.MaxStates {
		return fmt.Errorf("more than %d states in one operator", statebackend.MaxStates)
	}
	for _, p := range k.restored[id] {
		if err := p.load(&h, table, k.o.Now()); err != nil {
			return err
		}
	}
	delete(k.restored, id)
	if k.o.CheckMutation {
		table.CheckMutation()
	}
	open := &openState{header: h, table: table}
	k.states = append(k.states, open)
	k.byName[id] = open
	return nil
}

// sameSpec verifies that a state is opened again as what it is.
func sameSpec(is, want *statebackend.StateHeader) error {
	if is.Kind != want.Kind || is.Mapped != want.Mapped || is.Stamped != want.Stamped ||
		!is.Schema.Equal(want.Schema) || !is.MapKey.Equal(want.MapKey) {
		return fmt.Errorf("state %q is open already as %s, and cannot be %s as well; give one of "+
			"the two states another name", is.Name, describe(is), describe(want))
	}
	return nil
}

// describe says what a state is.
func describe(h *statebackend.StateHeader) string {
	what := h.Kind + " of " + h.Schema.String()
	if h.Mapped {
		what = fmt.Sprintf("%s from %v to %v", h.Kind, h.MapKey, h.Schema)
	}
	if h.Stamped {
		what += " with a time to live"
	}
	return what
}

// MemSize estimates the bytes of memory that the state takes.
func (k *keyed) MemSize() int64 {
	n := int64(0)
	for _, s := range k.states {
		n += s.table.MemSize()
	}
	for _, parts := range k.restored {
		for _, p := range parts {
			n += p.bytes
		}
	}
	return n
}

// CheckpointComplete implements statebackend.Keyed: snapshots do not depend on each other.
func (k *keyed) CheckpointComplete(uint64) {}

// CheckpointAborted implements statebackend.Keyed.
func (k *keyed) CheckpointAborted(uint64) {}

// Close implements statebackend.Keyed. Snapshots that are being written are not disturbed.
func (k *keyed) Close() error {
	k.closed = true
	k.states, k.byName, k.restored, k.order = nil, nil, nil, nil
	return nil
}
