// Package execgraph is the JobMaster's picture of a running job: the JobGraph with its parallelism
// spread out, and the state of every task (R144–R151).
//
//	JobGraph                      ExecutionGraph
//	Vertex              1 : 1     ExecutionJobVertex
//	Vertex × parallelism          ExecutionVertex ── current and prior Executions (attempts)
//	Result              1 : 1     IntermediateResult
//	Result × parallelism          IntermediateResultPartition
//	Edge × parallelism            ExecutionEdge (a subtask's input: a range of partitions)
//
// No connection between a producer and a consumer is ever stored: an [ExecutionEdge] names its
// result and a contiguous range of partitions, and the consumers of a partition follow from
// [PointWiseConsumers]. The graph of a job is so linear in its subtasks, also where each of 4,000
// producers feeds each of 4,000 consumers.
//
// The states of jobs and tasks are tables ([JobStatus], [ExecutionState]). A change that the table
// does not know is an error that names both states and changes nothing.
//
// The package decides nothing: what is deployed, cancelled or restarted, and when, is the business
// of runtime/scheduling. It holds no clock, lock or goroutine: one goroutine owns a graph and all
// that is reached from it, and passes the time in.
package execgraph
