package message

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"goflink/core/failure"
)

// TestAccumulators: R120: each kind of accumulator comes back as it was, also the values that JSON
// has no numbers for.
func TestAccumulators(t *testing.T) {
	for _, v := range []any{int64(math.MaxInt64), int64(math.MinInt64), 1.5, math.Inf(-1),
		math.MaxFloat64, []string{"a", "<b>"}, map[int64]int64{-1: 2, 3: math.MaxInt64}} {
		a, err := NewAccumulator(v)
		if err != nil {
			t.Errorf("%v: %v", v, err)
			continue
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Errorf("%v: %v", v, err)
			continue
		}
		var read Accumulator
		if err := json.Unmarshal(text, &read); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := read.Get(); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%v came back as %v, %v", v, got, err)
		}
	}
	nan, err := NewAccumulator(math.NaN())
	if got, e := nan.Get(); err != nil || e != nil || !math.IsNaN(got.(float64)) {
		t.Errorf("NaN came back as %v, %v, %v", got, err, e)
	}
	if _, err := NewAccumulator(1); err == nil {
		t.Error("an int was taken")
	}
	for _, a := range []Accumulator{{Type: "Set", Value: []byte("1")},
		{Type: longType, Value: []byte("1.5")}, {Type: doubleType, Value: []byte(`"x"`)}} {
		if v, err := a.Get(); err == nil {
			t.Errorf("%s %s was read as %v", a.Type, a.Value, v)
		}
	}
}

// TestTimes: R120: what there is no time of is -1 and comes back as no time.
func TestTimes(t *testing.T) {
	if At(time.Time{}) != Never || !Never.Time().IsZero() || Never.Duration() != 0 {
		t.Error("no time is not Never")
	}
	now := time.UnixMilli(1709208000123)
	if m := At(now); m != 1709208000123 || !m.Time().Equal(now) {
		t.Errorf("%s is %d", now, m)
	}
	if m := Lasting(1500 * time.Microsecond); m != 1 || m.Duration() != time.Millisecond {
		t.Errorf("1.5 ms is %d", m)
	}
}

// TestCauses: R120: a failure keeps its class on its way, and one of a JobManager that knows no
// classes keeps its text.
func TestCauses(t *testing.T) {
	sent := NewCause(failure.InfoOf(failure.Mark(errors.New("no disk"), failure.FailJob,
		failure.External)))
	text, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got Cause
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	e := got.Err()
	if e == nil || e.Error() != "no disk" || failure.ClassOf(e) != failure.FailJob ||
		failure.DomainOf(e) != failure.External {
		t.Errorf("%s was read as %v", text, e)
	}
	for _, c := range []struct {
		cause Cause
		want  string
	}{
		{Cause{Class: "java.io.IOException", StackTrace: "java.io.IOException: no"},
			"java.io.IOException: no"},
		{Cause{Class: "java.io.IOException"}, "java.io.IOException"},
	} {
		if e := c.cause.Err(); e == nil || e.Error() != c.want {
			t.Errorf("%+v is %v", c.cause, e)
		}
	}
	if e := (*Cause)(nil).Err(); e != nil {
		t.Errorf("no cause is %v", e)
	}
}

// TestTriggers: R120: trigger ids are 32 hexadecimal digits and nothing else.
func TestTriggers(t *testing.T) {
	id := NewTrigger()
	var read Trigger
	if err := read.UnmarshalText([]byte(id.String())); err != nil || read != id {
		t.Errorf("%s was read as %s, %v", id, read, err)
	}
	for _, bad := range []string{"", "12", strings.Repeat("g", 32), strings.Repeat("0", 34)} {
		if err := read.UnmarshalText([]byte(bad)); err == nil || read != id {
			t.Errorf("%q was taken", bad)
		}
	}
}
