package main

import (
	"fmt"
	"time"

	"goflink/bench/contract"
	"goflink/core/eventtime"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/datastream"
	"goflink/operator"
	"goflink/operator/windowing"
)

// Event is an event of the contract.
type Event struct {
	Key, Value int64
}

// WindowResult is the result of a key's window.
type WindowResult struct {
	Key, End, Value int64
}

// total sums the values of events.
type total struct{}

func (total) Create() int64                { return 0 }
func (total) Add(e Event, acc int64) int64 { return acc + e.Value }
func (total) Result(acc int64) int64       { return acc }
func (total) Merge(a, b int64) int64       { return a + b }

func sliding(b *bench, env *datastream.Environment) error {
	return windows(b, env, 100_000, window.SlidingEventTime[Event](time.Minute, time.Second),
		func(uint64) int64 { return 1 })
}

func tumbling(b *bench, env *datastream.Environment) error {
	return windows(b, env, 1_000_000, window.TumblingEventTime[Event](10*time.Second),
		contract.Value)
}

// windows sums values per key in event-time windows.
func windows(b *bench, env *datastream.Environment, keys int64,
	assigner window.Assigner[Event, window.Time], value func(bits uint64) int64) error {
	strategy := eventtime.Monotonous[Event]()
	events := datastream.FromSource(env, eventSource[Event]{b: b, timed: true,
		make: func(event int64) Event {
			bits := contract.Bits(event, b.Seed)
			return Event{contract.Key(bits, keys), value(bits)}
		}}, &strategy, "Events")
	selector := func(e Event) int64 { return e.Key }
	key, err := typeinfo.KeyOf[int64]()
	if err != nil {
		return err
	}
	factory, err := windowing.Aggregate(windowing.Spec[Event, int64, window.Time]{
		Key: selector, KeyType: key, Assigner: assigner}, total{}, nil,
		windowing.Pure(func(ctx *windowing.Context[int64, window.Time], sum int64,
			out *operator.Emitter[WindowResult]) error {
			out.Emit(WindowResult{ctx.Key(), ctx.Window().End, sum})
			return nil
		}))
	if err != nil {
		return err
	}
	results := datastream.KeyedTransform[WindowResult](datastream.KeyBy(events, selector), "Window",
		factory)
	sink(b, results, func(r WindowResult) uint64 {
		return contract.DigestWindow(r.Key, r.End, r.Value)
	}, func(r WindowResult) (string, string) {
		return fmt.Sprintf("%d\t%d", r.Key, r.End), fmt.Sprint(r.Value)
	})
	_, err = env.Execute(b.Program)
	return err
}
