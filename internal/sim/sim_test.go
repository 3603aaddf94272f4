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

func history(t *testing.T, seed uint64) (string, uint64) {
	var log []string
	w := New(seed)
	add := func(s string) {
		log = append(log, fmt.Sprintf("%s@%d", s,
			w.Now().UnixMilli()%1000/10*10))
	}
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
	return strings.Join(log, " "), w.Hash()
}

// TestReplay: one seed gives one history, different seeds give different ones; the calls of an
// actor stay in order, a blocked stepper waits for its wake, and a stopped timer does not fire.
func TestReplay(t *testing.T) {
	seen := map[string]bool{}
	hashes := map[uint64]bool{}
	for seed := range uint64(20) {
		h, hash := history(t, seed)
		if again, hash2 := history(t, seed); h != again || hash != hash2 {
			t.Fatalf("seed %d gave two histories", seed)
		}
		hashes[hash] = true
		seen[h] = true
		if strings.Contains(h, "never") || strings.Contains(h, "a2@0") ||
			!strings.Contains(h, "a2@10") {
			t.Fatalf("seed %d: %s", seed, h)
		}
		if i, j := strings.Index(h, "x0"), strings.Index(h, "x1"); i > j {
			t.Fatalf("seed %d: the actor's calls are out of order: %s", seed, h)
		}
	}
	if len(seen) < 5 || len(hashes) < len(seen) {
		t.Fatalf("20 seeds gave only %d histories and %d hashes", len(seen), len(hashes))
	}
}

// TestLimits: a world bounds its steps, delays work, and lets time pass within a turn.
func TestLimits(t *testing.T) {
	w := New(1)
	w.LimitSteps(3)
	w.SlowWork(time.Second)
	began := w.Now()
	var order []string
	w.Go("work", func() { order = append(order, "work") })
	a := w.NewActor("a")
	a.Post(func() {
		order = append(order, "actor")
		before := w.Now()
		w.Spend(2 * time.Second)
		if d := w.Now().Sub(before); d != 2*time.Second {
			t.Errorf("%s passed within the turn, want 2s", d)
		}
	})
	if err := w.Run(func() bool { return len(order) == 2 }, 100); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "actor work" || w.Now().Sub(began) < 2*time.Second {
		t.Errorf("%s ran by %s", got, w.Now().Sub(began))
	}
	for range 100 {
		if n := w.StepLimit(1000); n < 1 || n > 3 {
			t.Fatalf("a step of %d records, at most 3 are allowed", n)
		}
	}
}

// TestStuck: a world that cannot reach its goal says so.
func TestStuck(t *testing.T) {
	w := New(1)
	if err := w.Run(func() bool { return false }, 100); err == nil {
		t.Fatal("no error")
	}
}

// TestSettleAndPass: what is ready runs without a jump of time, and timers run when their time has
// passed, in their order.
func TestSettleAndPass(t *testing.T) {
	w := New(7)
	var log []string
	note := func(s string) func() { return func() { log = append(log, s) } }
	w.After(20*time.Millisecond, note("late"))
	w.After(10*time.Millisecond, func() { w.Go("child", note("child")) })
	w.Go("now", note("now"))
	began := w.Now()
	check := func(err error, want string) {
		t.Helper()
		if got := strings.Join(log, " "); err != nil || got != want {
			t.Fatalf("ran %q (%v), want %q", got, err, want)
		}
	}
	check(w.Settle(10), "now")
	check(w.Pass(9*time.Millisecond, 10), "now")
	check(w.Pass(2*time.Millisecond, 10), "now child")
	if d := w.Now().Sub(began); d < 11*time.Millisecond || d > 12*time.Millisecond {
		t.Errorf("%s have passed, not 11ms", d)
	}
	check(w.Pass(time.Hour, 10), "now child late")
	var again func()
	again = func() { w.Go("busy", again) }
	again()
	if err := w.Settle(10); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("a world that never settles: %v", err)
	}
}
