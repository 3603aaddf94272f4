// Package checkpoint takes distributed snapshots of a job and gives them back (R79–R102).
//
//	             events                          effects
//	tasks ─────────────────┐              ┌───▶ trigger, notify tasks and operator coordinators
//	timer, users ──────────┼▶ Coordinator ┼───▶ write metadata, discard files   (package storage)
//	results of effects ────┘              └───▶ fail the job, restore from …
//
// The [Coordinator] decides; it is a state machine without clock, I/O or goroutine. A shell
// (runtime/jobmaster) carries the effects out and reports their results as events. [Metadata] is
// what a checkpoint is: the handles of all state, and what a restore must know of the job that
// wrote it. [Encode] and [Decode] are its file format. [Assign] deals the state out to the subtasks
// of a job, which may differ from the one that wrote it.
//
// The way of a checkpoint, and what holds at each step:
//
//	PrepareLocation       its directory exists, and no task makes it again once it was removed
//	SnapshotCoordinators  operator coordinators are fixed before any source is
//	TriggerTasks          barriers go into the sources, and to tasks that no barrier can reach
//	WriteMetadata         all parts are there; the rename of the metadata file is the commit point
//	NotifyComplete        only now may anything be committed outside
//	Discard               only now may older checkpoints go, and of their files only those that no
//	                      retained and no pending checkpoint can name
//
// What the package does not do: it reads and writes no state, and it does not know in whose memory
// or on which file system anything lies.
package checkpoint
