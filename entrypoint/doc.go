// Package entrypoint assembles the parts of the engine into what a process is: it is what the main
// function of a user's program calls, and the only place that knows all parts.
//
//	func main() { entrypoint.Main(entrypoint.Programs{"WordCount": WordCount}) }
//
// Which role the process has is said by who started it (see Launch); a program that is started by
// hand, by go run or go test runs its jobs on a MiniCluster in its own process.
package entrypoint
