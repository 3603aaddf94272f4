// Package operatortest drives operators in tests, without a cluster: a Harness runs the subtasks of
// one operator on a simulated clock, feeds typed inputs, collects outputs, takes snapshots and
// restores them with another parallelism.
//
// A test describes inputs and outputs, writes a script of steps, and either runs it on a Harness of
// its own or hands it to Explore, which runs it many times and demands the same output each time:
// with all ways to cut the records into batches, with a snapshot and a restore at each point, with
// snapshots written late, rescaled from one subtask to three and to two.
//
//	in := operatortest.Input[event]{Hash: keyHash}
//	lines := operatortest.Explore(t, operatortest.Options{
//		Factory: factory,
//		Outputs: []operatortest.AnyOutput{operatortest.Output[result]{}},
//		Backend: memstate.New(),
//		...
//	}, []operatortest.Step{
//		in.Record(a, 1), in.Record(b, 2), in.Watermark(5), operatortest.End(),
//	})
//
// Batches that were handed to the operator are overwritten when its Batch method returns, so that
// an operator that keeps one is found.
//
// A Harness is used by one goroutine. Only tests import this package.
package operatortest
