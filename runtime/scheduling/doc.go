// Package scheduling decides when the tasks of a job are deployed, cancelled and restarted
// (R146–R151). There is one scheduler; what differs between kinds of jobs is a
// [SchedulingStrategy], which says what is scheduled together.
//
//	           ┌──────────────── Scheduler ────────────────┐
//	Event ───▶ │ SchedulingStrategy   failover   restart   │ ───▶ []Effect
//	           │         slots        strategy   strategy  │
//	           └──────────── execgraph.ExecutionGraph ─────┘
//
// The scheduler is a state machine without clock, lock, goroutine or chance: [Scheduler.Step] takes
// the time and an event and returns what is to be done. One goroutine, its shell, owns the
// scheduler and its graph, carries the effects out and reports what comes of them as further
// events. With the same events at the same times the effects are the same.
//
// # Slots
//
// Subtask i of every vertex of a slot sharing group runs in slot i of the group, so a job needs as
// many slots as the sum, over its groups, of the largest parallelism in the group (R123, R155).
// What a strategy schedules together is deployed when all its slots are there.
//
// A slot is held from the first task that is scheduled into it until none of its tasks runs or
// waits for a restart. It is kept over a failover on purpose: giving it back and asking again would
// let the cluster release the worker, or another job take it, between a failure and a restart one
// second later, and would lose what the worker keeps for a quick restore.
//
// # Failures
//
// The failure of a task restarts its pipelined region and all that read, directly or not, the
// blocking results of it; the failover strategy "full" restarts the whole job. Where that is every
// region of the job, and after a global failure, the job goes through
//
//	RUNNING ─▶ FAILING ─▶ RESTARTING ─▶ CREATED ─▶ RUNNING
//
// Where only some regions are restarted, the job stays RUNNING. A restart takes place when its
// delay is over and all of its tasks are final. Failures of tasks that are already to be restarted
// belong to the same incident: they are kept in the history and not counted against the restart
// strategy. A failover that meets a pending one takes it over.
//
// Slots that are not there in time are a failure like any other: the restart strategy decides. A
// job without one fails with a message that says what was missing.
package scheduling
