package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/operator"
	"goflink/runtime/metric"
)

// opRuntime is the operator.Runtime of one operator.
type opRuntime struct {
	t      *Task
	n      *node
	info   operator.Info
	logger *slog.Logger
	group  *metric.Group

	keyed   statebackend.Keyed
	states  statebackend.OperatorStore
	restore statebackend.OperatorSnapshot
}

var _ operator.Runtime = (*opRuntime)(nil)

func newOpRuntime(t *Task, n *node, index int) *opRuntime {
	info := t.o.Info
	info.Operator, info.OperatorName, info.OperatorInChain = n.spec.Operator, n.spec.Name, index
	rt := &opRuntime{t: t, n: n, info: info,
		logger: t.o.Logger.With("operator", n.spec.Name),
		group:  t.o.Metrics.Group(n.spec.Name)}
	if t.o.Restore != nil {
		rt.restore = t.o.Restore.Operators[n.spec.Operator]
	}
	return rt
}

func (r *opRuntime) Info() operator.Info           { return r.info }
func (r *opRuntime) Config() *config.Configuration { return r.t.o.Config }
func (r *opRuntime) Logger() *slog.Logger          { return r.logger }
func (r *opRuntime) Metrics() operator.Metrics     { return metrics{r.group} }
func (r *opRuntime) Output(tag string) any         { return r.n.outputs[tag] }

// OutputTags are the tags of the outputs that are linked.
func (r *opRuntime) OutputTags() []string {
	tags := slices.Sorted(maps.Keys(r.n.outputs))
	return slices.DeleteFunc(tags, func(tag string) bool { return tag == "" })
}

// metrics adapts a group to the operator's view of it.
type metrics struct{ g *metric.Group }

func (m metrics) Counter(name string) operator.Counter    { return m.g.Counter(name) }
func (m metrics) Gauge(name string, value func() float64) { m.g.Gauge(name, value) }

// Keyed opens the keyed state at its first call.
func (r *opRuntime) Keyed() (statebackend.Keyed, error) {
	if r.keyed != nil {
		return r.keyed, nil
	}
	if r.n.spec.KeySchema == nil {
		return nil, fmt.Errorf("operator %q uses keyed state, but its input is not keyed; call "+
			"KeyBy before it", r.n.spec.Name)
	}
	k, err := r.t.o.Backend.NewKeyed(r.t.ctx, statebackend.KeyedOptions{
		Operator: r.n.spec.Name,
		UID:      r.n.spec.UID,
		Groups: keygroup.RangeOf(r.info.MaxParallelism, r.info.Parallelism,
			r.info.Subtask),
		MaxParallelism: r.info.MaxParallelism,
		KeySchema:      r.n.spec.KeySchema,
		Restore:        r.restore.Keyed,
		Reader:         r.t.o.Storage.Reader(),
		ManagedBytes:   r.t.o.ManagedBytes,
		CheckMutation:  r.t.checkMutation(),
		Now:            r.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("keyed state: %w", err)
	}
	r.keyed = k
	return k, nil
}

// openStates opens the operator state; it is called for every operator before Open.
func (r *opRuntime) openStates() (err error) {
	r.states, err = r.t.o.OperatorStates(r.t.ctx, statebackend.OperatorOptions{
		Operator: r.n.spec.Name, UID: r.n.spec.UID, Subtask: r.info.Subtask,
		Restore: r.restore.Operator, RestoreRaw: r.restore.RawOperator,
		Reader: r.t.o.Storage.Reader(), CheckMutation: r.t.checkMutation()})
	return err
}

func (r *opRuntime) OperatorState() statebackend.Operator { return r.states }

func (r *opRuntime) Restored() (uint64, bool) {
	if r.t.o.Restore == nil {
		return 0, false
	}
	return r.t.o.Restore.Checkpoint, true
}

func (r *opRuntime) Now() int64 { return r.t.o.Host.Now().UnixMilli() }

func (r *opRuntime) At(at int64, f func() error) (cancel func()) {
	cancelled := false
	wait := max(0, time.UnixMilli(at).Sub(r.t.o.Host.Now()))
	stop := r.t.o.Host.After(wait, func() {
		r.t.post(func() error {
			over := r.t.finished || r.t.wasFinished
			if cancelled || over && !r.n.lingers() {
				return nil
			}
			if err := f(); err != nil || !r.t.finished {
				return err
			}
			return r.t.maybeEnd()
		})
	})
	return func() { cancelled = true; stop() }
}

func (r *opRuntime) Mail(f func() error) bool { return r.t.post(f) }

func (r *opRuntime) Go(name string, f func(ctx context.Context)) { r.t.spawn(name, f) }

func (r *opRuntime) Wake() { r.t.wake() }

func (r *opRuntime) SendToCoordinator(event []byte) error {
	if !r.n.spec.Coordinated {
		return errors.New("the operator has no coordinator")
	}
	r.t.o.Listener.CoordinatorEvent(r.info.Attempt, r.info.Operator, event)
	return nil
}

func (r *opRuntime) Accumulators() *accumulator.Registry { return &r.t.chain.accumulators }

func (r *opRuntime) BroadcastVariable(name string, load func() (any, error)) (any, error) {
	return r.t.o.Shared.Load(name, load)
}

func (r *opRuntime) close() error {
	if r.keyed != nil {
		return r.keyed.Close()
	}
	return nil
}

func (t *Task) checkMutation() bool { return t.o.CheckMutation }
