package process_test

import (
	"testing"

	"goflink/core/typeinfo"
	"goflink/operator/process"
)

// TestFieldReducers: R48: the reduce functions of windows' sum, min, max, minBy and maxBy; they
// allocate nothing.
func TestFieldReducers(t *testing.T) {
	info := must(typeinfo.Of[trade]())(t)
	early, late := trade{Stock: "a", Price: 5, Amount: 1}, trade{Stock: "b", Price: 5, Amount: 2}
	for name, c := range map[string]struct {
		f    func(a, b trade) trade
		want trade
	}{
		"sum": {must(process.SumField(info, "price"))(t),
			trade{Stock: "a", Price: 10, Amount: 1}},
		"min": {must(process.MinField(info, "Amount"))(t), early},
		"max": {must(process.MaxField(info, "Amount"))(t),
			trade{Stock: "a", Price: 5, Amount: 2}},
		"minBy, first": {must(process.MinByField(info, "price", process.KeepFirst))(t), early},
		"minBy, last":  {must(process.MinByField(info, "price", process.KeepLast))(t), late},
		"maxBy, first": {must(process.MaxByField(info, "price", process.KeepFirst))(t), early},
		"maxBy":        {must(process.MaxByField(info, "Amount", process.KeepFirst))(t), late},
	} {
		got := c.f(early, late)
		if got.String() != c.want.String() {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		if n := testing.AllocsPerRun(100, func() { got = c.f(got, late) }); n > 0 {
			t.Errorf("%s: %v allocations per call", name, n)
		}
	}
	_, err := process.SumField[trade](nil, "price")
	expectError(t, err, "type of the records")
	_, err = process.MinByField(info, "Tags", process.KeepFirst)
	expectError(t, err, "[]string", "cannot be compared")
}
