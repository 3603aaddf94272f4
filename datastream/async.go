package datastream

import (
	"goflink/operator"
	"goflink/operator/asyncio"
)

// AsyncOptions say how asynchronous calls are made: timeout, capacity, retries.
type AsyncOptions[Out any] = asyncio.Options[Out]

// AsyncFunc is a function without state as an AsyncFunction.
type AsyncFunc[In, Out any] = asyncio.Func[In, Out]

// OrderedWait makes a stream of the results of asynchronous calls, in the order of their records.
// create makes the function that calls, once per subtask and attempt.
func OrderedWait[In, Out any, F AsyncFunction[In, Out]](s *Stream[In], o AsyncOptions[Out],
	create func() F) *Stream[Out] {
	return addAsync(s, o, create, asyncio.OrderedWait[In, Out])
}

// UnorderedWait is OrderedWait with results as soon as they are there: only watermarks are not
// overtaken.
func UnorderedWait[In, Out any, F AsyncFunction[In, Out]](s *Stream[In], o AsyncOptions[Out],
	create func() F) *Stream[Out] {
	return addAsync(s, o, create, asyncio.UnorderedWait[In, Out])
}

func addAsync[In, Out any, F AsyncFunction[In, Out]](s *Stream[In], o AsyncOptions[Out],
	create func() F, wait func(o AsyncOptions[Out], create func() AsyncFunction[In, Out]) (
		operator.Factory, error)) *Stream[Out] {
	const name = "async wait operator"
	f, err := wait(o, func() AsyncFunction[In, Out] { return create() })
	s.env.failAt(name, err)
	return addOperator[Out](s.env, name, f, s.t)
}
