package sim

import (
	"fmt"
	"time"
)

// Settle runs what can run now and returns once there is nothing of the kind; time does not jump to
// timers that lie ahead. After limit turns it returns an error that says what was ready.
func (w *World) Settle(limit int) error {
	for n := 0; ; n++ {
		w.due()
		switch {
		case len(w.ready) == 0:
			return nil
		case n == limit:
			return fmt.Errorf("not settled after %d steps, at %s; ready: %s", n, w.now, w.names())
		}
		w.turn()
	}
}

// Pass settles, lets d pass with all that falls due in it, and settles again. Each time at most
// limit turns are taken.
func (w *World) Pass(d time.Duration, limit int) error {
	for until := w.now.Add(d); ; {
		if err := w.Settle(limit); err != nil {
			return err
		}
		next, ok := w.next()
		if !ok || next.After(until) {
			if until.After(w.now) {
				w.now = until
			}
			return w.Settle(limit)
		}
		w.advance()
	}
}
