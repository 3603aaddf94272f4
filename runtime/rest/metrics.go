package rest

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"

	"goflink/core/id"
	"goflink/runtime/metric"
	"goflink/runtime/rest/message"
)

// jobMetrics are those of a job that were asked for with get, or the names of all.
func jobMetrics(j Job, r *http.Request) (any, error) {
	values, err := j.Metrics(r.Context())
	if err != nil {
		return nil, err
	}
	wanted := list(r, "get")
	all := []message.Metric{}
	for _, v := range values {
		switch {
		case wanted == nil:
			all = append(all, message.Metric{ID: v.Name})
		case slices.Contains(wanted, v.Name):
			all = append(all, message.Metric{ID: v.Name, Value: number(v.Value)})
		}
	}
	return all, nil
}

// number is a value as Flink writes it: whole numbers without an exponent.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// jobsMetrics aggregates metrics over jobs.
func (s *Server) jobsMetrics(r *http.Request) (any, error) {
	aggregate, err := aggregation(list(r, "agg"))
	if err != nil {
		return nil, err
	}
	chosen := map[id.Job]bool{}
	for _, text := range list(r, "jobs") {
		j, err := id.ParseJob(text)
		if err != nil {
			return nil, malformed(err)
		}
		chosen[j] = true
	}
	values, err := s.collect(r, chosen)
	if err != nil {
		return nil, err
	}
	wanted := list(r, "get")
	all := []message.Aggregate{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case wanted == nil:
			all = append(all, message.Aggregate{ID: name})
		case slices.Contains(wanted, name):
			all = append(all, aggregate(name, values[name]))
		}
	}
	return all, nil
}

// collect reads the metrics of the chosen jobs, or, if none is chosen, of all.
func (s *Server) collect(r *http.Request, chosen map[id.Job]bool) (map[string][]float64, error) {
	jobs, err := s.o.Gateway.Jobs(r.Context())
	if err != nil {
		return nil, err
	}
	values := map[string][]float64{}
	for _, j := range jobs {
		if len(chosen) > 0 && !chosen[j.ID()] {
			continue
		}
		var of []metric.Value
		if of, err = j.Metrics(r.Context()); err != nil {
			return nil, err
		}
		for _, v := range of {
			if !math.IsNaN(v.Value) && !math.IsInf(v.Value, 0) { // which JSON has no form for
				values[v.Name] = append(values[v.Name], v.Value)
			}
		}
	}
	return values, nil
}

var aggregations = []string{"min", "max", "avg", "sum", "skew"}

// aggregation returns what reduces values to the wanted figures, all if none is named.
func aggregation(wanted []string) (func(string, []float64) message.Aggregate, error) {
	for _, w := range wanted {
		if !slices.Contains(aggregations, w) {
			return nil, malformed(fmt.Errorf("agg %q: want some of %v", w, aggregations))
		}
	}
	return func(name string, values []float64) message.Aggregate {
		a := message.Aggregate{ID: name}
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		avg := sum / float64(len(values))
		set := func(name string, into **float64, v float64) {
			if wanted == nil || slices.Contains(wanted, name) {
				*into = &v
			}
		}
		set("min", &a.Min, slices.Min(values))
		set("max", &a.Max, slices.Max(values))
		set("avg", &a.Avg, avg)
		set("sum", &a.Sum, sum)
		set("skew", &a.Skew, skew(values, avg))
		return a
	}, nil
}

// skew is how uneven values are, in percent: the mean distance from the average, over the average
// (at most 100).
func skew(values []float64, avg float64) float64 {
	if avg == 0 {
		return 0
	}
	distance := 0.0
	for _, v := range values {
		distance += math.Abs(v - avg)
	}
	return min(100, 100*distance/float64(len(values))/math.Abs(avg))
}
