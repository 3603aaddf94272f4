// Package statetable keeps keyed state on the heap, as Go values: tables, map tables and timers,
// for backends to build on. It implements statebackend.Table, MapTable and TimerQueue.
//
//	Table ─▶ space: namespace ─▶ space: key ─▶ value
//	                 │
//	                 ├─ index   8-byte slots: 32 bits of hash, 32 bits number of the entry
//	                 ├─ pages   of 8 to 256 entries: hash, key of up to 8 bytes, value
//	                 └─ arena   longer keys; append-only, so nothing of the caller is retained
//
// A table is a persistent data structure (Driscoll et al., Making Data Structures Persistent,
// 1989, with epochs in the place of versions). Freeze takes a snapshot by keeping the root and
// counting up the epoch, whatever the size of the table. What is older than an open snapshot is
// copied before its first change: the struct of a space, its directory of pages, the page. So a
// snapshot is read by another goroutine, without locks, while the table goes on changing;
// released snapshots are noticed through one atomic flag. The index is never shared: a snapshot
// walks pages.
//
// Values are immutable as far as tables are concerned: replacing one (*p = v) is all that Upsert's
// callers may do, and then the copied page protects the snapshot. Modify is for values that are
// changed in place (accumulators): it deep-copies the value if a snapshot may share it.
//
// Nothing here is safe for concurrent use except the methods of a Frozen against its table.
package statetable
