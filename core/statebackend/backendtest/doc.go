// Package backendtest is the conformance suite of state backends: a backend passes Run, and a store
// of operator state passes RunOperator. Storage is a checkpoint storage in memory, with faults on
// demand, for these and other tests.
package backendtest
