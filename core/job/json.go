package job

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"goflink/core/id"
)

// encodedResult is a Result as JSON. Accumulators go by their types, which JSON alone would lose;
// floats are text, because JSON has neither infinities nor NaN.
type encodedResult struct {
	ID         id.Job
	Name       string
	Runtime    time.Duration
	Restarts   int                        `json:",omitempty"`
	Integers   map[string]int64           `json:",omitempty"`
	Floats     map[string]string          `json:",omitempty"`
	Lists      map[string][]string        `json:",omitempty"`
	Histograms map[string]map[int64]int64 `json:",omitempty"`
}

// MarshalJSON keeps the types of accumulators.
func (r Result) MarshalJSON() ([]byte, error) {
	e := encodedResult{ID: r.ID, Name: r.Name, Runtime: r.Runtime, Restarts: r.Restarts,
		Integers: map[string]int64{}, Floats: map[string]string{}, Lists: map[string][]string{},
		Histograms: map[string]map[int64]int64{}}
	for name, v := range r.Accumulators {
		switch v := v.(type) {
		case int64:
			e.Integers[name] = v
		case float64:
			e.Floats[name] = strconv.FormatFloat(v, 'g', -1, 64)
		case []string:
			e.Lists[name] = v
		case map[int64]int64:
			e.Histograms[name] = v
		default:
			return nil, fmt.Errorf("accumulator %q is a %T, which cannot be encoded", name, v)
		}
	}
	return json.Marshal(e)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Result) UnmarshalJSON(b []byte) error {
	var e encodedResult
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	*r = Result{ID: e.ID, Name: e.Name, Runtime: e.Runtime, Restarts: e.Restarts}
	set := func(name string, v any) {
		if r.Accumulators == nil {
			r.Accumulators = map[string]any{}
		}
		r.Accumulators[name] = v
	}
	for name, v := range e.Integers {
		set(name, v)
	}
	for name, text := range e.Floats {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("accumulator %q: %w", name, err)
		}
		set(name, v)
	}
	for name, v := range e.Lists {
		set(name, v)
	}
	for name, v := range e.Histograms {
		set(name, v)
	}
	return nil
}
