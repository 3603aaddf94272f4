package testkit

import "testing"

func TestScaled(t *testing.T) {
	for _, c := range []struct {
		n    int
		race bool
		want int
	}{{1000, false, 1000}, {1000, true, 125}, {3, true, 1}, {0, true, 0}} {
		if got := scaled(c.n, c.race); got != c.want {
			t.Errorf("scaled(%d, %t) = %d, want %d", c.n, c.race, got, c.want)
		}
	}
}
