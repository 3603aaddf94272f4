package accumulator

import (
	"reflect"
	"strings"
	"testing"
)

// TestMerge merges the shares of two subtasks, one of which added nothing to some.
func TestMerge(t *testing.T) {
	var shares []Share
	for sub := range 2 {
		var r Registry
		n, low, l, h := NewCounter(), NewMin(), NewList(), NewHistogram()
		for name, a := range map[string]Accumulator{"n": n, "low": low, "l": l, "h": h} {
			if err := r.Add(name, a); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Add("n", NewCounter()); err == nil {
			t.Fatal("a second accumulator of one name was accepted")
		}
		n.Add(int64(3 + sub))
		l.Add("x")
		h.Add(int64(sub))
		h.Add(7)
		if sub == 1 {
			low.Add(2.5)
		}
		s, err := r.Shares()
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, s...)
	}
	got, err := Merge(shares)
	want := map[string]any{"n": int64(7), "low": 2.5, "l": []string{"x", "x"},
		"h": map[int64]int64{0: 1, 1: 1, 7: 2}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Merge = %v, %v, want %v", got, err, want)
	}
	_, err = Merge([]Share{{"a", "long-sum", []byte("1")}, {"a", "list", []byte("[]")}})
	if err == nil || !strings.Contains(err.Error(), `"a" is a long-sum`) {
		t.Fatalf("different kinds: %v", err)
	}
}
