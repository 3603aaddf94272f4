// Package rpc carries the control plane between processes: it implements the interfaces of package
// controlplane over one gRPC stream per TaskManager (docs/rfc/0001-cluster.md).
//
//	JobManager                                     TaskManager
//	Hub ◀── Server ◀── Worker ◀═ mTLS, one stream ═▶ Client ──▶ Executor
//	                   (a controlplane.TaskExecutor)  (controlplane.JobMasters)
//
// Messages of one connection are handled in their order. What is queued for the other side is
// bounded; who does not read is cut off.
package rpc
