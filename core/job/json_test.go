package job_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/core/job"
)

// TestResultJSON: R136: the result of a job is the same, with the types of its accumulators, where
// it is replayed.
func TestResultJSON(t *testing.T) {
	for _, want := range []job.Result{{}, {ID: id.Job{1}, Name: "n", Runtime: time.Second,
		Restarts: 2, Accumulators: map[string]any{"i": int64(math.MaxInt64), "f": 0.1,
			"inf": math.Inf(-1), "l": []string{"a", "b"}, "h": map[int64]int64{-3: 4}}}} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got job.Result
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, err := json.Marshal(job.Result{Accumulators: map[string]any{"x": 1}}); err == nil {
		t.Error("an accumulator of a type that there is not was encoded")
	}
}
