package jobmaster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/runtime/controlplane"
	"goflink/runtime/execgraph"
	"goflink/runtime/metric"
)

// Backpressure is how much the subtasks of a vertex were held up by those behind them (R107).
type Backpressure struct {
	// At is when it was measured.
	At time.Time
	// Level is the highest of all subtasks.
	Level    metric.Level
	Subtasks []SubtaskBackpressure
}

// SubtaskBackpressure is the backpressure of one subtask.
type SubtaskBackpressure struct {
	Attempt id.Attempt
	// Share is the share of samples in which it waited for room in its outputs.
	Share float64
	Level metric.Level
}

// pressure measures backpressure by sampling, when somebody asks for it. A measurement is kept for
// a while. It belongs to the master's actor.
type pressure struct {
	m       *Master
	samples int
	delay   time.Duration
	refresh time.Duration

	last    int
	latest  map[int]Backpressure
	running map[int]*measurement // by vertex
}

// measurement is one that is under way.
type measurement struct {
	request int
	// missing are the workers that have not answered.
	missing map[id.Worker]bool
	shares  map[id.Attempt]float64
	waiting []func(Backpressure, error)
	stop    func()
}

// sampleMargin is how much longer than the samples take the master waits for them.
const sampleMargin = 10 * time.Second

func (p *pressure) init(m *Master, c *config.Configuration) (err error) {
	p.m, p.latest, p.running = m, map[int]Backpressure{}, map[int]*measurement{}
	if p.samples, err = config.Get(c, config.BackpressureSamples); err != nil {
		return err
	}
	if p.delay, err = config.Get(c, config.BackpressureDelay); err != nil {
		return err
	}
	p.refresh, err = config.Get(c, config.BackpressureRefreshInterval)
	return err
}

// ask calls done once, with a measurement that is not older than the refresh interval.
func (p *pressure) ask(vertex int, done func(Backpressure, error)) {
	if p.m.over {
		done(Backpressure{}, p.m.endedErr())
		return
	}
	now := p.m.o.Host.Now()
	if b, ok := p.latest[vertex]; ok && now.Sub(b.At) < p.refresh {
		done(b, nil)
		return
	}
	if r := p.running[vertex]; r != nil {
		r.waiting = append(r.waiting, done)
		return
	}
	if err := p.begin(vertex, done); err != nil {
		done(Backpressure{}, err)
	}
}

// begin asks the workers of a vertex to look at its tasks.
func (p *pressure) begin(vertex int, done func(Backpressure, error)) error {
	vs := p.m.graph.JobVertices()
	if vertex < 0 || vertex >= len(vs) {
		return fmt.Errorf("job %s has no vertex %d; it has %d", p.m.ID(), vertex, len(vs))
	}
	var as []id.Attempt
	for _, s := range vs[vertex].Subtasks() {
		if s.Current().State() == execgraph.Running {
			as = append(as, s.Current().Attempt())
		}
	}
	if len(as) == 0 {
		return fmt.Errorf("no task of %q is running", vs[vertex].Vertex().Name)
	}
	p.last++
	r := &measurement{request: p.last, missing: map[id.Worker]bool{},
		shares: map[id.Attempt]float64{}, waiting: []func(Backpressure, error){done}}
	p.running[vertex] = r
	wait := time.Duration(p.samples)*p.delay + sampleMargin
	r.stop = p.m.o.Host.After(wait, func() {
		p.m.actor.Post(func() { p.end(vertex, r) })
	})
	p.m.checkpoints.eachTask(as, func(te controlplane.TaskExecutor, as []id.Attempt) {
		r.missing[te.Worker()] = true
		te.SampleBackpressure(controlplane.BackpressureRequest{Request: r.request, Attempts: as,
			Samples: p.samples, Delay: p.delay}, p.m)
	})
	return nil
}

// sampled takes a worker's answer.
func (p *pressure) sampled(w id.Worker, s controlplane.BackpressureSamples) {
	for _, vertex := range slices.Sorted(maps.Keys(p.running)) {
		r := p.running[vertex]
		if r.request != s.Request || !r.missing[w] {
			continue
		}
		for _, t := range s.Tasks {
			r.shares[t.Attempt] = t.Share
		}
		if delete(r.missing, w); len(r.missing) == 0 {
			p.end(vertex, r)
		}
	}
}

// lost notes that a worker will not answer.
func (p *pressure) lost(w id.Worker) {
	for _, vertex := range slices.Sorted(maps.Keys(p.running)) {
		r := p.running[vertex]
		if !r.missing[w] {
			continue
		}
		if delete(r.missing, w); len(r.missing) == 0 {
			p.end(vertex, r)
		}
	}
}

// end answers who waits with what is there.
func (p *pressure) end(vertex int, r *measurement) {
	if p.running[vertex] != r {
		return
	}
	delete(p.running, vertex)
	r.stop()
	b, err := Backpressure{At: p.m.o.Host.Now()}, error(nil)
	v := p.m.graph.JobVertices()[vertex]
	for _, s := range v.Subtasks() {
		a := s.Current().Attempt()
		share, ok := r.shares[a]
		if !ok {
			continue
		}
		level := metric.LevelOf(share)
		b.Level = max(b.Level, level)
		b.Subtasks = append(b.Subtasks, SubtaskBackpressure{Attempt: a, Share: share, Level: level})
	}
	if len(b.Subtasks) == 0 {
		err = fmt.Errorf("the tasks of %q ended while their backpressure was measured",
			v.Vertex().Name)
	} else {
		p.latest[vertex] = b
	}
	for _, done := range r.waiting {
		done(b, err)
	}
}

// refuseAll answers who still waits when the job has ended.
func (p *pressure) refuseAll() {
	for _, vertex := range slices.Sorted(maps.Keys(p.running)) {
		r := p.running[vertex]
		delete(p.running, vertex)
		r.stop()
		for _, done := range r.waiting {
			done(Backpressure{}, p.m.endedErr())
		}
	}
}

// BackpressureSampled takes a worker's answer to TaskExecutor.SampleBackpressure.
func (m *Master) BackpressureSampled(w id.Worker, s controlplane.BackpressureSamples) {
	m.actor.Post(func() { m.pressure.sampled(w, s) })
}

// Backpressure measures the backpressure of a vertex. done is called once, by any goroutine, and
// must not block.
func (m *Master) Backpressure(vertex int, done func(Backpressure, error)) {
	if !m.actor.Post(func() { m.pressure.ask(vertex, done) }) {
		done(Backpressure{}, m.endedErr())
	}
}

// Backpressure measures the backpressure of a vertex, or returns a measurement that is not older
// than web.backpressure.refresh-interval. It takes as long as the samples.
func (c Client) Backpressure(ctx context.Context, vertex int) (Backpressure, error) {
	return await(ctx, func(done func(Backpressure, error)) { c.m.Backpressure(vertex, done) })
}
