package task_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/runtime/dataplane"
)

// TestTask runs the scenarios in testdata: each is a task, what reaches it, and what its operators
// see and it reports. They hold whatever the sizes and the order of its steps are, so each is run
// with several seeds. The commands are
//
//	task [inputs=(N,…)] [union] [chain=N] [results=N] [aligned=(G,…)] [final] [restore=N] [finished]
//	     [segment=BYTES] [let=(OP,…)] [markers=GRANULARITY]
//	           a new attempt: gates with so many channels each (none: a source), operators, outputs,
//	           inputs that stay aligned, the checkpoint that it begins with, the size of buffers,
//	           what an operator does, and how latency markers, sent each second, are told apart
//	do         one line per thing that happens, see the methods of actions; hold in front of it
//	           lets the next happen before the task has done anything
//	out        what a reader finds in the outputs
//
// Run with -rewrite to write what happens in the place of what is expected.
func TestTask(t *testing.T) {
	for seed := range uint64(8) {
		datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
			r := newRig(t, seed)
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				r.t = t
				switch d.Cmd {
				case "task":
					r.start(parseDesign(t, d))
				case "do":
					for _, l := range strings.Split(d.Input, "\n") {
						if err := r.do(l); err != nil {
							d.Fatalf(t, "%s: %v", l, err)
						}
					}
				case "out":
					r.out()
				default:
					d.Fatalf(t, "unknown command %q", d.Cmd)
				}
				return r.flush()
			})
		})
	}
}

func parseDesign(t *testing.T, d *datadriven.TestData) design {
	s := design{operators: 1}
	numbers := func(vals []string) (ns []int) {
		for _, v := range vals {
			n, err := strconv.Atoi(v)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			ns = append(ns, n)
		}
		return ns
	}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "let":
			s.let = a.Vals
			continue
		case "markers":
			s.markers = a.Vals[0]
			continue
		}
		ns := numbers(a.Vals)
		switch a.Key {
		case "inputs":
			s.channels = ns
		case "union":
			s.union = true
		case "chain":
			s.operators = ns[0]
		case "results":
			s.results = ns[0]
		case "aligned":
			s.keepAligned = ns
		case "alignedout":
			s.keepOut = ns
		case "final":
			s.finalCheckpoint = true
		case "restore":
			s.restore = uint64(ns[0])
		case "finished":
			s.finished = true
		case "segment":
			s.segment = ns[0]
		default:
			d.Fatalf(t, "unknown argument %q", a.Key)
		}
	}
	return s
}

// do lets one thing happen to the task.
func (r *rig) do(text string) error {
	words := strings.Fields(text)
	hold := slices.Contains([]string{"until", "limit", "acked"}, words[0])
	if words[0] == "hold" {
		hold = true
		words = words[1:]
	}
	f := actions[words[0]]
	if f == nil {
		return errors.New("unknown action")
	}
	if err := f(r, words[1:]); err != nil {
		return err
	}
	if !hold {
		r.settle()
	}
	return nil
}

// actions are what can happen. G/C is a channel of a gate.
var actions = map[string]func(r *rig, args []string) error{
	// put G/C RECORD …
	"put": func(r *rig, args []string) error {
		p, err := r.input(args[0])
		if err != nil {
			return err
		}
		b := textType.NewBatch()
		for _, v := range args[1:] {
			b.Append(v, stream.NoTimestamp)
		}
		return p.Put(0, b)
	},
	// until RECORD: runs until an operator sees the record, and no further
	"until": func(r *rig, args []string) error {
		return r.w.Run(func() bool { return r.happened(args[0]) }, turnsMax)
	},
	// limit N: the task takes at most N records in a step; 0: as many as it likes
	"limit": func(r *rig, args []string) error {
		n, err := strconv.Atoi(args[0])
		r.w.LimitSteps(n)
		return err
	},
	// wm G/C N, status G/C idle|active, marker G/C, end G/C, stopped G/C, close G/C
	"wm": broadcast(func(args []string) (e stream.Element, err error) {
		e.Kind, e.Watermark = stream.KindWatermark, stream.MaxWatermark
		if args[0] != "max" {
			e.Watermark, err = strconv.ParseInt(args[0], 10, 64)
		}
		return e, err
	}),
	"status": broadcast(func(args []string) (stream.Element, error) {
		e := stream.Element{Kind: stream.KindStatus}
		if args[0] == "idle" {
			e.Status = stream.Idle
		}
		return e, nil
	}),
	// marker G/C SUBTASK AGE: of a source's subtask, sent so long ago
	"marker": func(r *rig, args []string) error {
		p, err := r.input(args[0])
		if err != nil {
			return err
		}
		age, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		m := &stream.LatencyMarker{Emitted: r.w.Now().Add(-age).UnixMilli(), Source: id.Operator{9}}
		if _, err := fmt.Sscan(args[1], &m.Subtask); err != nil {
			return err
		}
		return p.Broadcast(stream.Element{Kind: stream.KindLatency, Latency: m})
	},
	// latencies: what the task has measured of them, in tens of milliseconds
	"latencies": func(r *rig, _ []string) error {
		for _, v := range r.metrics.Values("task.latency.") {
			if strings.HasSuffix(v.Name, "_max") || strings.HasSuffix(v.Name, "_median") {
				name := strings.ReplaceAll(v.Name, strings.Repeat("0", 30), "..")
				r.report("%s about %.0f", name, 10*math.Round(v.Value/10))
			}
		}
		return nil
	},
	"end": broadcast(func([]string) (stream.Element, error) {
		return stream.Element{Kind: stream.KindEndOfInput, Drained: true}, nil
	}),
	"stopped": broadcast(func([]string) (stream.Element, error) {
		return stream.Element{Kind: stream.KindEndOfInput}, nil
	}),
	"cancelbarrier": broadcast(func(args []string) (stream.Element, error) {
		n, err := strconv.ParseInt(args[0], 10, 64)
		return stream.Element{Kind: stream.KindCancelBarrier, Watermark: n}, err
	}),
	"close": func(r *rig, args []string) error {
		p, err := r.input(args[0])
		if err == nil {
			p.Close()
		}
		return err
	},
	"broken": func(r *rig, args []string) error {
		p, err := r.input(args[0])
		if err == nil {
			p.Fail(errors.New("the producer is gone"))
		}
		return err
	},
	// barrier G/C N [unaligned|once] [timeout=MS] [savepoint|stop|drain]
	"barrier": func(r *rig, args []string) error {
		p, err := r.input(args[0])
		if err != nil {
			return err
		}
		b, err := r.barrier(args[1:])
		if err != nil {
			return err
		}
		if b.Alignment != stream.Unaligned {
			return p.Broadcast(stream.Element{Kind: stream.KindBarrier, Barrier: b})
		}
		states, err := p.BroadcastBarrierUnaligned(b)
		if err != nil {
			return err
		}
		if text := r.stateText(states[0]); text != "" {
			r.report("the producer of %s saves %s", args[0], text)
		}
		return nil
	},
	// ordered G/C N: an unaligned barrier that overtakes nothing
	"ordered": func(r *rig, args []string) error {
		p, err := r.input(args[0])
		if err != nil {
			return err
		}
		b, err := r.barrier(append(args[1:], "unaligned"))
		if err != nil {
			return err
		}
		return p.Broadcast(stream.Element{Kind: stream.KindBarrier, Barrier: b})
	},
	// trigger N …, as barrier
	"trigger": func(r *rig, args []string) error {
		b, err := r.barrier(args)
		if err == nil {
			r.task.Trigger(b)
		}
		return err
	},
	"complete": func(r *rig, args []string) error {
		n, err := strconv.ParseUint(args[0], 10, 64)
		r.task.CheckpointComplete(n)
		return err
	},
	"abort": func(r *rig, args []string) error {
		n, err := strconv.ParseUint(args[0], 10, 64)
		r.task.CheckpointAborted(n)
		return err
	},
	"cancel": func(r *rig, _ []string) error { r.task.Cancel(); return nil },
	"fail": func(r *rig, args []string) error {
		r.task.Fail(errors.New(strings.Join(args, " ")))
		return nil
	},
	"event": func(r *rig, args []string) error {
		if !r.task.CoordinatorEvent(id.Operator{1}, []byte(args[0])) {
			r.report("nobody takes the event")
		}
		return nil
	},
	// feed RECORD … [END]: what the source has to emit
	"feed": func(r *rig, args []string) error {
		for _, a := range args {
			if a == "END" {
				r.feed.end = true
				continue
			}
			r.feed.records = append(r.feed.records, a)
		}
		return r.wake()
	},
	"wake": func(r *rig, _ []string) error { return r.wake() },
	// read: a reader takes what is in the outputs
	"read": func(r *rig, _ []string) error { r.out(); return nil },
	// readone I: the same of one output
	"readone": func(r *rig, args []string) error {
		i, err := strconv.Atoi(args[0])
		r.report("%d: %s", i, readerText(r.readers[i]))
		return err
	},
	// acked N: whether the task has acknowledged a checkpoint
	"acked": func(r *rig, args []string) error {
		n, err := strconv.ParseUint(args[0], 10, 64)
		_, ok := r.acked[n]
		r.report("acknowledged %d: %t", n, ok)
		return err
	},
	// pass DURATION
	"pass": func(r *rig, args []string) error {
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		return r.w.Pass(d, turnsMax)
	},
	// storage fine|unreachable|full
	"storage": func(r *rig, args []string) error {
		r.storage.unreachable, r.storage.full = args[0] == "unreachable", args[0] == "full"
		return nil
	},
	// let OP [not] final|throttled|undrained|lingering; let OP fail|panic METHOD
	"let": func(r *rig, args []string) error { return r.let(args) },
	"io": func(r *rig, _ []string) error {
		c := r.task.IO()
		r.report("in %d, out %d, watermark %s, blocked %t", c.RecordsIn.Load(), c.RecordsOut.Load(),
			watermarkText(c.Watermark.Load()), r.task.BackPressured())
		return nil
	},
	"times": func(r *rig, _ []string) error {
		c := r.task.IO()
		_, idle, blocked := c.Times(r.w.Now())
		r.report("idle about %s, backpressured about %s", idle.Round(10*time.Millisecond),
			blocked.Round(10*time.Millisecond))
		return nil
	},
	"made": func(r *rig, _ []string) error {
		var all []string
		for name, n := range r.made {
			all = append(all, fmt.Sprintf("%s %d times", name, n))
		}
		slices.Sort(all)
		r.report("made: %s", strings.Join(all, ", "))
		return nil
	},
}

// broadcast puts an element into a channel.
func broadcast(element func(args []string) (stream.Element, error)) func(*rig, []string) error {
	return func(r *rig, args []string) error {
		p, err := r.input(args[0])
		if err != nil {
			return err
		}
		e, err := element(args[1:])
		if err != nil {
			return err
		}
		return p.Broadcast(e)
	}
}

// wake tells the task that an operator has something to do, as the operator would.
func (r *rig) wake() error {
	if r.rt == nil {
		return errors.New("the task has not opened its operators")
	}
	r.rt.Wake()
	return nil
}

func (r *rig) let(args []string) error {
	b := r.behaviours[args[0]]
	if b == nil {
		b = &behaviour{}
		r.behaviours[args[0]] = b
	}
	yes := args[1] != "not"
	if !yes {
		args = args[1:]
	}
	switch args[1] {
	case "final":
		b.finalCheckpoint = yes
	case "throttled":
		b.throttled = yes
	case "undrained":
		b.undrained = yes
	case "lingering":
		b.lingering = yes
	case "fail":
		b.failIn = args[2]
	case "panic":
		b.panicIn = args[2]
	default:
		return errors.New("unknown behaviour")
	}
	return nil
}

// out reads all outputs.
func (r *rig) out() {
	for i, g := range r.readers {
		r.report("%d: %s", i, readerText(g))
	}
	r.settle()
}

// readerText reads an output.
func readerText(g *dataplane.Gate) (text string) {
	for {
		_, e, ok, err := g.Poll()
		if err != nil {
			text += "error: " + err.Error() + " "
		}
		if !ok {
			break
		}
		text += elementText(e)
	}
	if g.AllEnded() {
		text += "closed"
	}
	return strings.TrimSpace(text)
}

// input finds the partition that feeds a channel.
func (r *rig) input(name string) (*dataplane.Partition, error) {
	gate, channel, ok := strings.Cut(name, "/")
	g, err := strconv.Atoi(gate)
	c, err2 := strconv.Atoi(channel)
	if !ok || err != nil || err2 != nil || g >= len(r.inputs) || c >= len(r.inputs[g]) {
		return nil, fmt.Errorf("no channel %q", name)
	}
	return r.inputs[g][c], nil
}

// barrier makes a barrier.
func (r *rig) barrier(args []string) (*stream.Barrier, error) {
	n, err := strconv.ParseUint(args[0], 10, 64)
	b := &stream.Barrier{Checkpoint: n, Alignment: stream.Aligned,
		Triggered: r.w.Now().UnixMilli()}
	for _, a := range args[1:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "unaligned":
			b.Alignment = stream.Unaligned
		case "once":
			b.Alignment = stream.AtLeastOnce
		case "timeout":
			if b.AlignTimeout, err = strconv.ParseInt(value, 10, 64); err != nil {
				return nil, err
			}
		case "savepoint":
			b.Savepoint = stream.Savepoint
		case "stop":
			b.Savepoint = stream.StopSavepoint
		case "drain":
			b.Savepoint = stream.DrainSavepoint
		default:
			return nil, fmt.Errorf("unknown argument %q", a)
		}
	}
	return b, err
}
