package datastream

import (
	"fmt"
	"slices"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/graph"
	"goflink/operator/process"
)

// characteristics are the notions of time by the values of pipeline.time-characteristic.
var characteristics = map[string]eventtime.Characteristic{
	config.ProcessingTime: eventtime.ProcessingTime,
	config.IngestionTime:  eventtime.IngestionTime,
	config.EventTime:      eventtime.EventTime,
}

// SetStreamTimeCharacteristic says which time TimeWindow means; the default is processing time
// (R50, R51). With ingestion time every source stamps its records with the clock, and TimeWindow
// makes windows of those times; it holds for the whole program, whenever it is set.
func (e *Environment) SetStreamTimeCharacteristic(c eventtime.Characteristic) *Environment {
	for value, known := range characteristics {
		if known == c {
			return e.Set(config.PipelineTimeCharacteristic.Key, value)
		}
	}
	e.fail(fmt.Errorf("SetStreamTimeCharacteristic(%d): there is no such notion of time; choose "+
		"one of eventtime's", uint8(c)))
	return e
}

// StreamTimeCharacteristic is the notion of time in use.
func (e *Environment) StreamTimeCharacteristic() eventtime.Characteristic {
	v, err := config.Get(e.conf, config.PipelineTimeCharacteristic)
	e.fail(err)
	return characteristics[v]
}

// eventTime reports whether TimeWindow means windows that end by watermarks.
func (e *Environment) eventTime() bool {
	return e.StreamTimeCharacteristic() != eventtime.ProcessingTime
}

// AssignTimestampsAndWatermarks gives the records timestamps and the stream watermarks by a
// strategy (R52–R58). Where the source can, hand the strategy to FromSource instead: it then works
// for each split of the source by itself.
func (s *Stream[T]) AssignTimestampsAndWatermarks(strategy eventtime.Strategy[T]) *Stream[T] {
	const name = "Timestamps/Watermarks"
	if strategy.New == nil {
		s.env.failAt(name, fmt.Errorf("the strategy after %q makes no watermarks; begin with "+
			"eventtime.BoundedOutOfOrderness or another of its constructors", s.t.Name))
	}
	return addOperator[T](s.env, name, process.TimestampsAndWatermarks(strategy), s.t)
}

// stamped is the program's transformations with, under ingestion time, an operator behind each
// source that stamps its records. The transformations of the environment stay as they are.
func (e *Environment) stamped() ([]*graph.Transformation, error) {
	if e.StreamTimeCharacteristic() != eventtime.IngestionTime {
		return e.transformations, nil
	}
	var all []*graph.Transformation
	copies := map[*graph.Transformation]*graph.Transformation{}
	stamps := map[*graph.Transformation]*graph.Transformation{}
	next := len(e.transformations)
	for _, t := range e.transformations {
		c := *t
		c.Inputs = slices.Clone(t.Inputs)
		for i, in := range c.Inputs {
			if s := stamps[in]; s != nil && t.Kind != graph.KindSideOutput {
				c.Inputs[i] = s
			} else if known := copies[in]; known != nil {
				c.Inputs[i] = known
			}
		}
		copies[t] = &c
		all = append(all, &c)
		if t.Kind != graph.KindSource {
			continue
		}
		next++
		stamp, err := e.stamp(&c, next)
		if err != nil {
			return nil, err
		}
		stamps[t] = stamp
		all = append(all, stamp)
	}
	return all, nil
}

// stamp is the operator that stamps the records of a source.
func (e *Environment) stamp(source *graph.Transformation, id int) (*graph.Transformation, error) {
	f := e.ingestion[source.Output]
	if f == nil {
		return nil, fmt.Errorf("operator %q: its records cannot be given ingestion times: their "+
			"type is not one of this environment", source.Name)
	}
	t := &graph.Transformation{ID: id, Kind: graph.KindOperator, Name: "Ingestion Time", Factory: f,
		Inputs: []*graph.Transformation{source}, Output: source.Output,
		Parallelism: source.Parallelism, MaxParallelism: source.MaxParallelism,
		SlotSharingGroup: source.SlotSharingGroup, SingleParallelism: source.SingleParallelism}
	if source.UID != "" {
		t.UID = source.UID + "/ingestion-time"
	}
	return t, nil
}
