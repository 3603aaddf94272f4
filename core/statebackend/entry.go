package statebackend

import "goflink/core/typeinfo"

// KindTimers is the kind of timer queues among the states of a snapshot.
const KindTimers = "timers"

// StateHeader describes one state (or timer queue) of a snapshot.
type StateHeader struct {
	Name string `json:"name"`
	// Kind is TableSpec.Kind, or KindTimers.
	Kind string `json:"kind"`
	// Schema, Mapped, MapKey and Stamped are those of the TableSpec.
	Schema  typeinfo.Snapshot `json:"schema,omitzero"`
	Mapped  bool              `json:"mapped,omitempty"`
	MapKey  typeinfo.Snapshot `json:"mapKey,omitzero"`
	Stamped bool              `json:"stamped,omitempty"`
}

// Header returns the header under which the states of spec are written.
func (s *TableSpec) Header() StateHeader {
	return StateHeader{Name: s.Name, Kind: s.Kind, Schema: s.Schema, Mapped: s.Mapped,
		MapKey: s.MapKey, Stamped: s.Stamped}
}

// Entry is one value of a state in a snapshot. For a timer, Value is its time, 8 bytes big endian
// with the sign bit flipped.
type Entry struct {
	Namespace []byte
	Key       []byte
	MapKey    []byte // only if the state is Mapped
	// Value is the encoded value; if the state is Stamped, the time of the last access in
	// milliseconds since the epoch goes before it, 8 bytes little endian.
	Value []byte
}
