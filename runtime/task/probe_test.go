package task_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
	"goflink/operator/routing"
)

var textType = routing.NewType(typeinfo.MustOf[string]())

// behaviour is what a probe does beside logging.
type behaviour struct {
	// finalCheckpoint, throttled, undrained and lingering are the answers to what a task asks.
	finalCheckpoint, throttled, undrained, lingering bool
	// failIn names the method that returns an error, panicIn the one that panics.
	failIn, panicIn string
}

// probe is an operator that logs what happens to it and hands everything on. Some records make it
// do something first:
//
//	slow=10ms   takes that long
//	timer=10ms  sets a timer that logs
//	panic, fail what they say
type probe struct {
	rig    *rig
	name   string
	number int // counts the instances that the factory made
	b      *behaviour
	rt     operator.Runtime
	outs   []*operator.Emitter[string]
	inputs []*port
	joined *operator.Valve
	feed   *feed // of a source
}

var (
	_ operator.Snapshotter        = (*probe)(nil)
	_ operator.CheckpointListener = (*probe)(nil)
	_ operator.FinalCheckpointer  = (*probe)(nil)
	_ operator.InputEnder         = (*probe)(nil)
	_ operator.Throttled          = (*probe)(nil)
	_ operator.Drainer            = (*probe)(nil)
	_ operator.Lingerer           = (*probe)(nil)
	_ operator.CoordinatorClient  = (*probe)(nil)
	_ operator.Source             = (*source)(nil)
)

// source is a probe that is polled.
type source struct{ *probe }

// feed is what a source has to emit.
type feed struct {
	records []string
	end     bool
}

// port is an input of a probe.
type port struct {
	p *probe
	i int
}

func newProbe(r *rig, name string, number, inputs int) *probe {
	b := r.behaviours[name]
	if b == nil {
		b = &behaviour{}
		r.behaviours[name] = b
	}
	p := &probe{rig: r, name: name, number: number, b: b, joined: operator.NewValve(max(1, inputs))}
	for i := range inputs {
		p.inputs = append(p.inputs, &port{p, i})
	}
	return p
}

// does logs a call and does what the behaviour says of it.
func (p *probe) does(what string) error {
	p.rig.saw(p.name, what)
	method, _, _ := strings.Cut(what, "(")
	switch method {
	case p.b.panicIn:
		userCode()
	case p.b.failIn:
		return errors.New("an error in " + method)
	}
	return nil
}

// userCode is the frame of user code that the stack of a panic must show.
func userCode() { panic("a fault in user code") }

func (p *probe) Open(rt operator.Runtime) error {
	p.rt, p.rig.rt = rt, rt
	for _, tag := range append([]string{""}, rt.OutputTags()...) {
		out, err := operator.NewEmitter[string](rt, tag)
		if err != nil {
			return err
		}
		p.outs = append(p.outs, out)
	}
	what := fmt.Sprintf("open(%d)", p.number)
	if cp, ok := rt.Restored(); ok {
		what = fmt.Sprintf("open(%d, restored %d)", p.number, cp)
	}
	return p.does(what)
}

func (p *probe) Input(i int) any { return p.inputs[i] }

func (p *probe) Finish() error { return p.does("finish()") }

func (p *probe) Close() error { return p.does("close()") }

func (p *probe) EndInput(i int) error { return p.does(fmt.Sprintf("endInput(%d)", i)) }

func (p *probe) Snapshot(cp operator.Checkpoint) error {
	return p.does(fmt.Sprintf("snapshot(%d)", cp.ID))
}

func (p *probe) CheckpointComplete(cp uint64) error {
	return p.does(fmt.Sprintf("complete(%d)", cp))
}

func (p *probe) CheckpointAborted(cp uint64) error { return p.does(fmt.Sprintf("aborted(%d)", cp)) }

func (p *probe) NeedsFinalCheckpoint() bool { return p.b.finalCheckpoint }
func (p *probe) Ready() bool                { return !p.b.throttled }
func (p *probe) Drained() bool              { return !p.b.undrained }
func (p *probe) Lingers() bool              { return p.b.lingering }

func (p *probe) CoordinatorEvent(event []byte) error {
	return p.does("event(" + string(event) +
		")")
}

// emit hands records to all outputs.
func (p *probe) emit(records []string) error {
	for _, out := range p.outs {
		for _, v := range records {
			out.Emit(v)
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (p *probe) control(f func(stream.Control) error) error {
	for _, out := range p.outs {
		if err := f(out.Out()); err != nil {
			return err
		}
	}
	return nil
}

// act does what a record asks for.
func (p *probe) act(record string) error {
	what, arg, _ := strings.Cut(record, "=")
	switch what {
	case "slow", "timer":
		d, err := time.ParseDuration(arg)
		if err != nil {
			return err
		}
		if what == "slow" {
			p.rig.w.Spend(d)
			return nil
		}
		p.rt.At(p.rt.Now()+d.Milliseconds(), func() error {
			p.rig.saw(p.name, "timer("+arg+")")
			return p.emit([]string{"fired"})
		})
	case "async":
		p.rt.Go("async", func(ctx context.Context) {
			ended := ctx.Err() != nil
			p.rig.saw(p.name, "async("+strconv.FormatBool(ended)+")")
			p.rt.Mail(func() error { return p.does("mail()") })
		})
	case "panic":
		userCode()
	case "fail":
		return errors.New("an error in user code")
	}
	return nil
}

func (in *port) Batch(b *stream.Batch[string]) error {
	for i := range b.Values {
		in.p.rig.saw(in.name(), b.Values[i])
		if err := in.p.act(b.Values[i]); err != nil {
			return err
		}
	}
	return in.p.emit(b.Values)
}

func (in *port) name() string {
	if len(in.p.inputs) == 1 {
		return in.p.name
	}
	return fmt.Sprintf("%s.%d", in.p.name, in.i)
}

func (in *port) Watermark(w int64) error {
	in.p.rig.saw(in.name(), "wm="+watermarkText(w))
	joint, grown := in.p.joined.Watermark(in.i, w)
	if !grown {
		return nil
	}
	return in.p.control(func(c stream.Control) error { return c.Watermark(joint) })
}

func (in *port) Status(s stream.Status) error {
	in.p.rig.saw(in.name(), s.String())
	status, changed, w, grown := in.p.joined.Status(in.i, s)
	if grown {
		err := in.p.control(func(c stream.Control) error { return c.Watermark(w) })
		if err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return in.p.control(func(c stream.Control) error { return c.Status(status) })
}

func (in *port) Latency(m stream.LatencyMarker) error {
	in.p.rig.saw(in.name(), "marker")
	return in.p.control(func(c stream.Control) error { return c.Latency(m) })
}

// Poll emits what the source was fed.
func (s *source) Poll(most int) (operator.PollStatus, error) {
	f := s.feed
	n := min(most, len(f.records))
	for _, v := range f.records[:n] {
		s.rig.saw(s.name, v)
		if err := s.act(v); err != nil {
			return operator.PollIdle, err
		}
	}
	if err := s.emit(f.records[:n]); err != nil {
		return operator.PollIdle, err
	}
	f.records = f.records[n:]
	switch {
	case len(f.records) > 0:
		return operator.PollMore, nil
	case f.end:
		return operator.PollEnd, nil
	}
	return operator.PollIdle, nil
}

func watermarkText(w int64) string {
	switch w {
	case stream.MaxWatermark:
		return "max"
	case stream.MinWatermark:
		return "min"
	}
	return strconv.FormatInt(w, 10)
}
