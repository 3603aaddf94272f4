package windowing

import "goflink/operator"

// timer is one timer of processing time that can be set again.
type timer struct {
	at     int64
	cancel func() // nil if it is not set
}

// set makes f be called at time at, instead of what was set before.
func (t *timer) set(rt operator.Runtime, at int64, f func() error) {
	if t.cancel != nil {
		if t.at == at {
			return
		}
		t.cancel()
	}
	t.at, t.cancel = at, rt.At(at, f)
}

// done notes that f was called.
func (t *timer) done() { t.cancel = nil }
