// Package dataplane moves elements (batches, watermarks, barriers …) from the tasks that produce
// them to the tasks that consume them, in order, within bounded memory.
//
//	task ── Put ─▶ Partition          Gate ── Poll ─▶ task
//	               ├ queue ───────────▶ channel          one process: the batch changes owner
//	               └ queue ─▶ Server ═▶ Client ─▶ channel   encoded, in segments, for credit
//
// A [Partition] is the producing end of one result of one attempt: a queue per consuming subtask.
// A [Gate] is the consuming end of one input: a channel per producing subtask. [Registry] brings
// the two together inside a process.
//
// # What holds
//
//   - The order of elements in a channel is exact, except that an unaligned barrier goes before
//     everything; between channels a gate takes turns.
//   - Nothing is dropped while both ends live; what is queued is bounded in bytes. A producer that
//     asks Available before each step exceeds the soft limit of a channel by at most what the step
//     puts; at twice that limit Put blocks.
//   - Nothing but Put and Broadcast ever blocks, and those only if the partition may: state changes
//     are signalled by callbacks (OnAvailable, OnReadable), so that one goroutine can drive all
//     tasks of a simulation. Callbacks are made without locks held and must not block.
//   - There is a lock or two per batch on either side, and nothing per record.
//
// # Unaligned checkpoints
//
// What an unaligned barrier overtakes becomes channel state, exactly once (R106): the producer
// saves what is not completely sent ([Partition.BroadcastBarrierUnaligned]; in one process that is
// all that is queued), the consumer what it received before the barrier and has not processed
// ([Gate.StartCapture]). All of it is delivered as well. After a restore a gate's own state comes
// first, then the state of the partition that feeds it, then what is new.
//
// # Between processes
//
// A [Client] opens one connection to each process that its gates read from, and a [Server] serves
// all channels over it: frames with a fixed header, no RPC in between (frame.go has the format).
// Flow control is Flink's: a receiver gives credit for segments that it has set aside from a
// [SegmentPool], two for each channel and some that go where the sender tells of a backlog; a
// sender without credit keeps its batches queued, which stops the producer. So a slow channel
// never stops the connection. A channel's elements are one stream of bytes cut into segments:
// small elements share one, a large record spans several (R112). A batch is split between records
// where a segment is full, so that most need no copy. Frames of all channels that have something
// are written at once, from one buffer; a lone record is written as soon as it is put. The
// consumer's task decodes, when it polls.
//
// What is not here: results that are kept on disk (blocking exchanges), compression, and limiting
// what is under way by time (taskmanager.network.memory.buffer-debloat).
package dataplane
