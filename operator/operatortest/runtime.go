package operatortest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/operator"
)

// opRuntime is the operator.Runtime of one subtask.
type opRuntime struct {
	h       *Harness
	sub     *subtask
	ctx     context.Context
	info    operator.Info
	logger  *slog.Logger
	outputs map[string]any
	restore statebackend.OperatorSnapshot
	keyed   statebackend.Keyed
	states  statebackend.OperatorStore
	timers  timers
	shares  accumulator.Registry
	closed  bool
}

var _ operator.Runtime = (*opRuntime)(nil)

func newRuntime(h *Harness, s *subtask, ctx context.Context, index, parallelism int,
	restore statebackend.OperatorSnapshot,
) *opRuntime {
	rt := &opRuntime{h: h, sub: s, ctx: ctx, restore: restore, outputs: map[string]any{},
		logger: slog.New(slog.DiscardHandler)}
	rt.info = operator.Info{JobName: "test", OperatorName: h.o.Name, TaskName: h.o.Name,
		Subtask: index, Parallelism: parallelism, MaxParallelism: h.o.MaxParallelism,
		Attempt: id.Attempt{Subtask: int32(index), Number: h.attempts - 1}}
	for _, out := range h.o.Outputs {
		rt.outputs[out.tag()] = out.receiver(h, index)
	}
	return rt
}

func (r *opRuntime) openStates() (err error) {
	if r.h.o.OperatorStates == nil {
		return nil
	}
	r.states, err = r.h.o.OperatorStates(statebackend.OperatorOptions{
		Operator:      r.h.o.Name,
		Restore:       r.restore.Operator,
		RestoreRaw:    r.restore.RawOperator,
		Reader:        memory{},
		CheckMutation: r.h.o.CheckMutation,
	})
	return err
}

func (r *opRuntime) Info() operator.Info           { return r.info }
func (r *opRuntime) Config() *config.Configuration { return r.h.o.Config }
func (r *opRuntime) Logger() *slog.Logger          { return r.logger }
func (r *opRuntime) Metrics() operator.Metrics     { return metrics{r.h} }
func (r *opRuntime) Output(tag string) any         { return r.outputs[tag] }
func (r *opRuntime) Now() int64                    { return r.h.now }

// OutputTags are the tags of the outputs that the test reads.
func (r *opRuntime) OutputTags() []string {
	tags := slices.Sorted(maps.Keys(r.outputs))
	return slices.DeleteFunc(tags, func(tag string) bool { return tag == "" })
}

func (r *opRuntime) Keyed() (statebackend.Keyed, error) {
	if r.keyed != nil {
		return r.keyed, nil
	}
	if r.h.o.Backend == nil {
		return nil, fmt.Errorf("operator %q uses keyed state, but its input is not keyed",
			r.h.o.Name)
	}
	k, err := r.h.o.Backend.NewKeyed(r.ctx, statebackend.KeyedOptions{
		Operator: r.h.o.Name,
		Groups: keygroup.RangeOf(r.info.MaxParallelism, r.info.Parallelism,
			r.info.Subtask),
		MaxParallelism: r.info.MaxParallelism,
		KeySchema:      r.h.o.KeySchema,
		Restore:        r.restore.Keyed,
		Reader:         memory{},
		ManagedBytes:   managedBytes,
		CheckMutation:  r.h.o.CheckMutation,
		Now:            r.Now,
	})
	r.keyed = k
	return k, err
}

// managedBytes is the managed memory of each subtask.
const managedBytes = 64 << 20

func (r *opRuntime) OperatorState() statebackend.Operator {
	if r.states == nil {
		r.h.tb.Fatalf("operator %q uses operator state; Options.OperatorStates must open it",
			r.h.o.Name)
	}
	return r.states
}

func (r *opRuntime) Restored() (uint64, bool) { return r.h.restored, r.h.restored > 0 }

func (r *opRuntime) At(t int64, f func() error) (cancel func()) {
	return r.timers.add(r, t, f)
}

func (r *opRuntime) Mail(f func() error) bool {
	m := &r.h.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.ctx.Err() != nil {
		return false
	}
	m.queue = append(m.queue, mailItem{r.sub, f})
	r.Wake()
	return true
}

func (r *opRuntime) Go(_ string, f func(ctx context.Context)) {
	r.sub.wg.Go(func() { f(r.ctx) })
}

func (r *opRuntime) Wake() {
	select {
	case r.h.mail.notify <- struct{}{}:
	default:
	}
}

func (r *opRuntime) SendToCoordinator(event []byte) error {
	r.h.events = append(r.h.events, event)
	return nil
}

func (r *opRuntime) Accumulators() *accumulator.Registry { return &r.shares }

func (r *opRuntime) BroadcastVariable(name string, load func() (any, error)) (any, error) {
	if v, ok := r.h.shared[name]; ok {
		return v, nil
	}
	v, err := load()
	if err == nil {
		r.h.shared[name] = v
	}
	return v, err
}

// timers are the processing-time timers of a subtask, in order of time, then of setting.
type timers struct{ list []*timer }

type timer struct {
	rt *opRuntime
	at int64
	f  func() error
}

func (t *timers) add(rt *opRuntime, at int64, f func() error) (cancel func()) {
	n := &timer{rt: rt, at: at, f: f}
	i := len(t.list)
	for i > 0 && t.list[i-1].at > at {
		i--
	}
	t.list = append(t.list, nil)
	copy(t.list[i+1:], t.list[i:])
	t.list[i] = n
	return func() { t.remove(n) }
}

func (t *timers) first() *timer {
	if len(t.list) == 0 {
		return nil
	}
	return t.list[0]
}

func (t *timers) remove(n *timer) {
	for i := range t.list {
		if t.list[i] == n {
			t.list = append(t.list[:i], t.list[i+1:]...)
			return
		}
	}
}

// metrics keeps counters by name, for all subtasks together.
type metrics struct{ h *Harness }

type counter struct {
	mu sync.Mutex
	n  int64
}

// Add counts up.
func (c *counter) Add(n int64) {
	c.mu.Lock()
	c.n += n
	c.mu.Unlock()
}

func (m metrics) Counter(name string) operator.Counter {
	c := m.h.counters[name]
	if c == nil {
		c = &counter{}
		m.h.counters[name] = c
	}
	return c
}

func (metrics) Gauge(string, func() float64) {}
