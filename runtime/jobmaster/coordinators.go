package jobmaster

import (
	"context"
	"fmt"
	"strings"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/graph"
	"goflink/operator"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
)

// coordinators are the operators' parts on this side: split enumerators and the like. They run in
// the master's actor, so that between a coordinator's snapshot and the barriers nothing is sent.
type coordinators struct {
	list []*coordinated
	byOp map[id.Operator]*coordinated
	// byVertex holds them by the vertex that their operator is in.
	byVertex map[int][]*coordinated
}

// coordinated is one operator with a coordinator.
type coordinated struct {
	m      *Master
	info   operator.Info
	vertex int
	c      operator.Coordinator
	// ready holds the attempts that the coordinator was told of.
	ready  map[int]id.Attempt
	closed bool
	// running counts work that Go has started.
	cancel context.CancelFunc
	ctx    context.Context
}

var _ operator.CoordinatorContext = (*coordinated)(nil)

// startCoordinators makes and starts the coordinators of all operators that have one.
func (m *Master) startCoordinators() error {
	cs := &m.coordinators
	cs.byOp, cs.byVertex = map[id.Operator]*coordinated{}, map[int][]*coordinated{}
	for i := range m.o.Job.Vertices {
		v := &m.o.Job.Vertices[i]
		for k := range v.Nodes {
			if !v.Nodes[k].Coordinated {
				continue
			}
			if err := m.addCoordinator(i, &v.Nodes[k]); err != nil {
				return fmt.Errorf("operator %q: %w", v.Nodes[k].Name, err)
			}
		}
	}
	return nil
}

func (m *Master) addCoordinator(vertex int, n *graph.Node) (err error) {
	defer failure.Catch(&err, failure.User)
	code, ok := m.o.Code.Nodes[n.Stream]
	if !ok || code.Coordinator == nil {
		return fmt.Errorf("the program has no coordinator for it")
	}
	v := &m.o.Job.Vertices[vertex]
	c := &coordinated{m: m, vertex: vertex, ready: map[int]id.Attempt{},
		info: operator.Info{Job: m.o.Job.ID, JobName: m.o.Job.Name, Operator: n.Operator,
			OperatorName: n.Name, TaskName: v.Name, Parallelism: v.Parallelism,
			MaxParallelism: v.MaxParallelism}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if c.c, err = code.Coordinator(c); err != nil {
		return err
	}
	m.coordinators.list = append(m.coordinators.list, c)
	m.coordinators.byOp[n.Operator] = c
	m.coordinators.byVertex[vertex] = append(m.coordinators.byVertex[vertex], c)
	return nil
}

// startAll starts the coordinators, after a restore if there is one.
func (cs *coordinators) startAll() {
	for _, c := range cs.list {
		c.guard("start", func() error { return c.c.Start() })
	}
}

// restore makes all coordinators begin with a checkpoint's state; those without state, and all if
// there is no checkpoint, from the beginning.
func (cs *coordinators) restore(checkpoint uint64, states map[id.Operator][]byte) {
	for _, c := range cs.list {
		c.guard("restore", func() error {
			return c.c.Restore(checkpoint, states[c.info.Operator])
		})
	}
}

// snapshot returns the coordinator's state.
func (c *coordinated) snapshot(checkpoint uint64) (state []byte, err error) {
	defer failure.Catch(&err, failure.User)
	return c.c.Snapshot(checkpoint)
}

// guard calls user code of the coordinator; an error or a panic fails the job.
func (c *coordinated) guard(what string, f func() error) {
	if c.closed {
		return
	}
	err := func() (err error) {
		defer failure.Catch(&err, failure.User)
		return f()
	}()
	if err != nil {
		c.m.fail(fmt.Errorf("coordinator of operator %q: %s: %w", c.info.OperatorName, what, err))
	}
}

// taskChanged tells the coordinators of a vertex about one of its subtasks.
func (cs *coordinators) taskChanged(m *Master, ch scheduling.TaskChange) {
	v := m.graph.Subtask(ch.Vertex)
	sub := int(v.Subtask())
	for _, c := range cs.byVertex[v.JobVertex().Index()] {
		switch {
		case ch.To == execgraph.Running:
			c.ready[sub] = ch.Attempt
			c.guard("ready", func() error { return c.c.SubtaskReady(sub, int(ch.Attempt.Number)) })
		case ch.To.Final() && c.ready[sub] == ch.Attempt:
			delete(c.ready, sub)
			if ch.To != execgraph.Finished {
				c.guard("failed", func() error {
					return c.c.SubtaskFailed(sub, int(ch.Attempt.Number))
				})
			}
		}
	}
}

// reset tells the coordinators that subtasks begin again from a checkpoint.
func (cs *coordinators) reset(m *Master, vertices []execgraph.VertexIndex, checkpoint uint64) {
	for _, i := range vertices {
		v := m.graph.Subtask(i)
		sub := int(v.Subtask())
		for _, c := range cs.byVertex[v.JobVertex().Index()] {
			c.guard("reset", func() error { return c.c.SubtaskReset(sub, checkpoint) })
		}
	}
}

func (cs *coordinators) close() {
	for _, c := range cs.list {
		c.guard("close", c.c.Close)
		c.closed = true
		c.cancel()
	}
}

// Info describes the operator.
func (c *coordinated) Info() operator.Info { return c.info }

// Send sends an event to a subtask's operator.
func (c *coordinated) Send(subtask int, event []byte) error {
	a, ok := c.ready[subtask]
	if !ok {
		return fmt.Errorf("subtask %d does not run", subtask)
	}
	v, err := c.m.graph.Find(a)
	if err != nil {
		return err
	}
	// Without a worker the subtask is on its way out; its end will be reported.
	if te := c.m.executors[v.Current().Slot().Worker]; te != nil {
		te.CoordinatorEvent(a, c.info.Operator, event)
	}
	return nil
}

// Go runs work elsewhere and then done in the actor.
func (c *coordinated) Go(work func() error, done func(err error) error) {
	c.m.o.Host.Go("coordinator "+c.info.OperatorName, func() {
		err := func() (err error) {
			defer failure.Catch(&err, failure.User)
			return work()
		}()
		c.m.actor.Post(func() { c.guard("work", func() error { return done(err) }) })
	})
}

// Fail fails the job.
func (c *coordinated) Fail(err error) {
	c.m.actor.Post(func() { c.guard("failed", func() error { return err }) })
}

// Now is the processing time in milliseconds.
func (c *coordinated) Now() int64 { return c.m.o.Host.Now().UnixMilli() }

// OperatorEvent takes an event of an operator for its coordinator.
func (m *Master) OperatorEvent(a id.Attempt, op id.Operator, event []byte) {
	m.actor.Post(func() {
		c := m.coordinators.byOp[op]
		v, err := m.graph.Find(a)
		if c == nil || err != nil || v.Current().Attempt() != a {
			return
		}
		c.guard("event", func() error {
			return c.c.Event(int(a.Subtask), int(a.Number), event)
		})
	})
}

// requester is implemented by coordinators that answer requests of clients.
type requester interface {
	Request(request []byte) ([]byte, error)
}

// Coordinate asks a coordinator on behalf of a client.
func (m *Master) Coordinate(ctx context.Context, op id.Operator, request []byte) ([]byte, error) {
	return call(ctx, m, func() ([]byte, error) {
		c := m.coordinators.byOp[op]
		if c == nil {
			var known []string
			for _, o := range m.coordinators.list {
				known = append(known, fmt.Sprintf("%s (%q)", o.info.Operator, o.info.OperatorName))
			}
			return nil, fmt.Errorf("operator %s has no coordinator; those that have one: %s", op,
				strings.Join(known, ", "))
		}
		r, ok := c.c.(requester)
		if !ok {
			return nil, fmt.Errorf("the coordinator of operator %q answers no requests",
				c.info.OperatorName)
		}
		return r.Request(request)
	})
}
