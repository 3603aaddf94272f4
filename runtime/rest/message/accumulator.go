package message

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Accumulator is the value of an accumulator with its type. A number that JSON has no form for is
// a string.
type Accumulator struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// The types of accumulators.
const (
	longType      = "Long"
	doubleType    = "Double"
	listType      = "List"
	histogramType = "Histogram"
)

// NewAccumulator describes a value as a job.Result has it.
func NewAccumulator(value any) (Accumulator, error) {
	var a Accumulator
	switch v := value.(type) {
	case int64:
		a.Type = longType
	case float64:
		a.Type = doubleType
		if math.IsNaN(v) || math.IsInf(v, 0) {
			value = strconv.FormatFloat(v, 'g', -1, 64)
		}
	case []string:
		a.Type = listType
	case map[int64]int64:
		a.Type = histogramType
	default:
		return a, fmt.Errorf("an accumulator of type %T cannot be shown", value)
	}
	var err error
	a.Value, err = json.Marshal(value)
	return a, err
}

// Get is the value again.
func (a Accumulator) Get() (any, error) {
	switch a.Type {
	case longType:
		return decode[int64](a.Value)
	case doubleType:
		var text string
		if json.Unmarshal(a.Value, &text) == nil {
			return strconv.ParseFloat(text, 64)
		}
		return decode[float64](a.Value)
	case listType:
		return decode[[]string](a.Value)
	case histogramType:
		return decode[map[int64]int64](a.Value)
	}
	return nil, fmt.Errorf("accumulators of type %q are not known", a.Type)
}

func decode[T any](b []byte) (any, error) {
	var v T
	err := json.Unmarshal(b, &v)
	return v, err
}
