package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/internal/host"
)

// counter steps a number of times, blocking once in the middle.
type counter struct {
	left int
	log  func(string)
	name string
}

func (c *counter) Step() host.Status {
	c.log(fmt.Sprint(c.name, c.left))
	c.left--
	switch {
	case c.left == 0:
		return host.Done
	case c.left == 2:
		return host.Blocked
	}
	return host.Ready
}

func history(t *testing.T, seed uint64) string {
	var log []string
	w := New(seed)
	add := func(s string) { log = append(log, fmt.Sprintf("%s@%d", s, w.Now().UnixMilli()%1000/10*10)) }
	ended := 0
	for _, n := range []string{"a", "b"} {
		wake := w.Drive(n, &counter{left: 4, log: add, name: n}, func() { ended++ })
		wake()
		w.After(10*time.Millisecond, wake)
	}
	x := w.NewActor("x")
	for i := range 3 {
		x.Post(func() { add(fmt.Sprint("x", i)) })
	}
	stop := w.After(5*time.Millisecond, func() { add("never") })
	stop()
	if err := w.Run(func() bool { return ended == 2 }, 1000); err != nil {
		t.Fatal(err)
	}
	return strings.Join(log, " ")
}

// TestReplay: one seed gives one history, different seeds give different ones; the calls of an actor
// stay in order, a blocked stepper waits for its wake, and a stopped timer does not fire.
func TestReplay(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(20) {
		h := history(t, seed)
		if h != history(t, seed) {
			t.Fatalf("seed %d gave two histories", seed)
		}
		seen[h] = true
		if strings.Contains(h, "never") || strings.Contains(h, "a2@0") || !strings.Contains(h, "a2@10") {
			t.Fatalf("seed %d: %s", seed, h)
		}
		if i, j := strings.Index(h, "x0"), strings.Index(h, "x1"); i > j {
			t.Fatalf("seed %d: the actor's calls are out of order: %s", seed, h)
		}
	}
	if len(seen) < 5 {
		t.Fatalf("20 seeds gave only %d histories", len(seen))
	}
}

// TestStuck: a world that cannot reach its goal says so.
func TestStuck(t *testing.T) {
	w := New(1)
	if err := w.Run(func() bool { return false }, 100); err == nil {
		t.Fatal("no error")
	}
}
