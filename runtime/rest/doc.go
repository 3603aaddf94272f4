// Package rest serves Flink's monitoring API: its paths, with and without /v1, its JSON and its
// status codes, so that clients, scripts and dashboards made for Flink work.
//
//	request ─▶ limits ─▶ who may ─▶ route ─▶ handler ─▶ Gateway, Job (what the cluster answers)
//	                                            └─▶ operations (savepoints and the like, in time)
//
// The server knows nothing of how a cluster is built: it stands on a [Gateway]. Bodies are in
// package message; runtime/rest/jobview makes a [Job] of a JobMaster; the client is
// runtime/rest/restclient.
//
// Requests that change something, some of which are GET in Flink, need the cluster's token unless
// security.rest.authentication is none; browsers are refused when a page of another origin made
// them. Reads are open unless security.rest.reads is token.
//
// What does not end at once (savepoint, checkpoint, stop, disposal) is an operation: it is begun
// with a trigger id, which the client may choose, and asked for until it is completed. Its result
// is kept for rest.async.store-duration.
//
// What is not here: /jars, uploading of jobs, rescaling, flame graphs, profilers, thread dumps,
// metrics of vertices and workers, data sets. They answer 404 like any unknown path.
package rest
