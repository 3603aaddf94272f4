package task

import (
	"errors"
	"fmt"

	"goflink/core/accumulator"
	"goflink/core/failure"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/operator"
)

// chain is the operators of a task, head first, and the routers at its ends.
type chain struct {
	nodes   []*node
	routers []operator.Router
	source  operator.Source
	// throttled are the operators that may refuse records for a while.
	throttled    []operator.Throttled
	accumulators accumulator.Registry
}

// node is one operator of the chain.
type node struct {
	spec *graph.Node
	op   operator.Operator
	rt   *opRuntime
	// outputs are the receivers by tag.
	outputs map[string]any
	opened  bool
}

// buildChain makes operators and routers and links them, tail first. What was built is returned
// also with an error, so that it can be closed.
func buildChain(t *Task) (*chain, error) {
	v := t.o.Vertex
	c := &chain{nodes: make([]*node, len(v.Nodes)),
		routers: make([]operator.Router, len(v.Results))}
	for i := range v.Results {
		if err := c.buildRouter(t, i); err != nil {
			return c, err
		}
	}
	for i := len(v.Nodes) - 1; i >= 0; i-- {
		if err := c.buildNode(t, i); err != nil {
			return c, fmt.Errorf("operator %q: %w", v.Nodes[i].Name, err)
		}
	}
	c.source, _ = c.nodes[0].op.(operator.Source)
	if c.source == nil && v.Nodes[0].Source {
		return c, fmt.Errorf("operator %q is a source, but its factory made a %T",
			v.Nodes[0].Name, c.nodes[0].op)
	}
	return c, nil
}

func (c *chain) buildRouter(t *Task, i int) error {
	r := &t.o.Vertex.Results[i]
	code, ok := t.o.Code.Edges[r.StreamEdge]
	if !ok {
		return fmt.Errorf("the program has no code for edge %d of the job graph", r.StreamEdge)
	}
	w := &countingWriter{ChannelWriter: t.o.Partitions[i], io: &t.io}
	router, err := code.Router(w, operator.RouterOptions{
		Subtask:        t.o.Info.Subtask,
		MaxParallelism: r.ConsumerMaxParallelism,
	})
	c.routers[i] = router
	return err
}

// countingWriter counts the records that leave the task.
type countingWriter struct {
	operator.ChannelWriter
	io *IO
}

func (w *countingWriter) Put(channel int, b stream.Carrier) error {
	w.io.RecordsOut.Add(int64(b.Len()))
	return w.ChannelWriter.Put(channel, b)
}

func (c *chain) buildNode(t *Task, i int) error {
	spec := &t.o.Vertex.Nodes[i]
	code, ok := t.o.Code.Nodes[spec.Stream]
	if !ok {
		return fmt.Errorf("the program has no code for node %d of the job graph", spec.Stream)
	}
	n := &node{spec: spec, outputs: map[string]any{}}
	c.nodes[i] = n
	if err := c.link(t, n, code); err != nil {
		return err
	}
	n.rt = newOpRuntime(t, n, i)
	op, err := code.Factory.New()
	if err != nil {
		return err
	}
	n.op = op
	if th, ok := op.(operator.Throttled); ok {
		c.throttled = append(c.throttled, th)
	}
	return nil
}

// link finds the receivers of the node's outputs; several of one output are joined by a fan-out.
func (c *chain) link(t *Task, n *node, code graph.NodeCode) error {
	byTag := map[string][]any{}
	for _, out := range n.spec.Outputs {
		var r any
		if out.Result >= 0 {
			r = c.routers[out.Result]
		} else {
			r = c.nodes[out.Node].op.Input(out.Input)
		}
		byTag[out.Tag] = append(byTag[out.Tag], r)
	}
	for tag, receivers := range byTag {
		ty, ok := code.Outputs[tag]
		if !ok {
			return fmt.Errorf("output %q has no type", tag)
		}
		r := receivers[0]
		var err error
		if len(receivers) > 1 {
			if r, err = ty.FanOut(receivers); err != nil {
				return err
			}
		}
		if t.checkMutation() {
			if r, err = ty.Checked(n.spec.Name, r); err != nil {
				return err
			}
		}
		n.outputs[tag] = r
	}
	return nil
}

// open opens the operators, tail first, so that each finds its receivers ready.
func (c *chain) open() error {
	for i := len(c.nodes) - 1; i >= 0; i-- {
		n := c.nodes[i]
		n.opened = true
		if err := n.op.Open(n.rt); err != nil {
			return fmt.Errorf("operator %q: %w", n.spec.Name, err)
		}
	}
	return nil
}

// ready reports whether all operators take records.
func (c *chain) ready() bool {
	for _, th := range c.throttled {
		if !th.Ready() {
			return false
		}
	}
	return true
}

func (c *chain) flush(all bool) error {
	for _, r := range c.routers {
		if err := r.Flush(all); err != nil {
			return err
		}
	}
	return nil
}

// finish lets the operators emit what they hold back, in the order of the chain, beginning with
// the node from. It returns the node that has work under way and must be finished later, or the
// number of nodes once all are finished.
func (c *chain) finish(from int) (next int, err error) {
	for i, n := range c.nodes[from:] {
		if d, ok := n.op.(operator.Drainer); ok && !d.Drained() {
			return from + i, nil
		}
		if err := n.op.Finish(); err != nil {
			return from + i, fmt.Errorf("operator %q: %w", n.spec.Name, err)
		}
	}
	return len(c.nodes), c.flush(true)
}

// close closes the operators and their state. It is called once.
func (c *chain) close() error {
	var errs []error
	for _, n := range c.nodes {
		if n == nil || n.op == nil {
			continue
		}
		errs = append(errs, closeNode(n))
	}
	return errors.Join(errs...)
}

func closeNode(n *node) (err error) {
	defer failure.Catch(&err, failure.User)
	if err := errors.Join(n.op.Close(), n.rt.close()); err != nil {
		return fmt.Errorf("operator %q: close: %w", n.spec.Name, err)
	}
	return nil
}

func (c *chain) needsFinalCheckpoint() bool {
	for _, n := range c.nodes {
		if f, ok := n.op.(operator.FinalCheckpointer); ok && f.NeedsFinalCheckpoint() {
			return true
		}
	}
	return false
}

// lingers reports whether the operator has work left after its Finish.
func (n *node) lingers() bool {
	l, ok := n.op.(operator.Lingerer)
	return ok && l.Lingers()
}

func (c *chain) lingers() bool {
	for _, n := range c.nodes {
		if n.lingers() {
			return true
		}
	}
	return false
}

func (c *chain) accumulatorShares() ([]accumulator.Share, error) {
	if c == nil {
		return nil, nil
	}
	return c.accumulators.Shares()
}
