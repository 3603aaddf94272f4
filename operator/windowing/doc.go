// Package windowing is the window operator (R40–R58): records of a keyed stream are assigned to
// windows, kept in state per key and window, and evaluated when a trigger says so.
//
// One Spec, four ways to run it, chosen when the operator is made:
//
//	panes    sliding windows with the default trigger, no evictor and contents that merge. Records
//	         go into one partial result per key and pane, a pane being what lies between two starts
//	         or ends of windows. Each window costs at most two merges per key, however many panes it
//	         has (see ring).
//	aligned  other windows that lie alike for all keys, with the default trigger and no evictor.
//	         There are no timers per key: a window is one namespace of state, and firing it is one
//	         scan of the namespace.
//	sessions sessions with the default trigger and no evictor. The sessions of a key are one value,
//	         and its timer is set once per gap, not with each record.
//	general  everything else: triggers, evictors, assigners of the user. It keeps a timer
//	         per key and window and asks the trigger about each record, as Flink's WindowOperator
//	         does.
//
// All of them give the same results. The contents of windows are state, so that they survive a
// failure (R45), and so is the watermark, per range of key groups: what was late, or was fired,
// before a failure is so after it.
//
// A record is late if all of its windows are: a window is late once the watermark has reached its
// last timestamp plus the allowed lateness (R56, R57). A record belongs to those of its windows
// that are not late; one that comes after a window fired fires it again.
package windowing
