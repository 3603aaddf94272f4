package slotpool_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/slotpool"
)

// TestInteraction runs the scenarios in testdata: the events that reach a pool, and the effects
// that follow. The commands are
//
//	new [spread] [timeout=DURATION] [idle=DURATION]
//	step [after=DURATION]         one event per line, see parseEvent; prints the effects
//	state
//
// Run with -rewrite to write what happens in the place of what is expected.
func TestInteraction(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var p *slotpool.Pool
		now := epoch
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				var err error
				if p, err = newPool(t, d); err != nil {
					return "error: " + err.Error() + "\n"
				}
				return "ok\n"
			case "step":
				if d.HasArg("after") {
					after, err := time.ParseDuration(d.CmdArgs[0].Vals[0])
					if err != nil {
						d.Fatalf(t, "%v", err)
					}
					now = now.Add(after)
				}
				return steps(t, d, p, now)
			case "state":
				return fmt.Sprintf("used %d, free %d, requested %d, workers %v\n", p.Used(),
					p.Free(), p.Pending(), p.Workers())
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func newPool(t *testing.T, d *datadriven.TestData) (*slotpool.Pool, error) {
	o := slotpool.Options{RequestTimeout: 5 * time.Minute, IdleTimeout: 50 * time.Second}
	for _, a := range d.CmdArgs {
		var err error
		switch a.Key {
		case "spread":
			o.Spread = true
		case "timeout":
			o.RequestTimeout, err = time.ParseDuration(a.Vals[0])
		case "idle":
			o.IdleTimeout, err = time.ParseDuration(a.Vals[0])
		default:
			d.Fatalf(t, "unknown argument %q", a.Key)
		}
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	return slotpool.New(o)
}

func steps(t *testing.T, d *datadriven.TestData, p *slotpool.Pool, now time.Time) string {
	var out strings.Builder
	lines := strings.Split(d.Input, "\n")
	for _, line := range lines {
		ev, err := parseEvent(line)
		if err != nil {
			d.Fatalf(t, "%q: %v", line, err)
		}
		if len(lines) > 1 {
			fmt.Fprintf(&out, "> %s\n", line)
		}
		effects, err := p.Step(now, ev)
		for _, e := range effects {
			out.WriteString(describe(e) + "\n")
		}
		if err != nil {
			fmt.Fprintf(&out, "error: %v\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

// parseEvent reads one of
//
//	offer WORKER SLOT ...
//	request ID[=SLOT@WORKER] ...     with the previous slot
//	request! ID                      with a profile
//	cancel ID ... | release SLOT ...
//	gone WORKER SLOT ... [: TEXT] | lost WORKER [: TEXT]
//	refused TEXT | timer | close
func parseEvent(line string) (slotpool.Event, error) {
	verb, rest, _ := strings.Cut(line, " ")
	list, text, _ := strings.Cut(rest, ": ")
	f := strings.Fields(list)
	switch verb {
	case "offer":
		ev := slotpool.SlotsOffered{Worker: id.Worker(f[0])}
		for _, a := range f[1:] {
			ev.Offers = append(ev.Offers, slotpool.Offer{Allocation: allocation(a)})
		}
		return ev, nil
	case "request", "request!":
		ev := slotpool.SlotsRequested{}
		for _, r := range f {
			number, previous, _ := strings.Cut(r, "=")
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, err
			}
			req := slotpool.Request{ID: id.SlotRequest(n)}
			if a, worker, ok := strings.Cut(previous, "@"); ok {
				req.Previous, req.PreviousWorker = allocation(a), id.Worker(worker)
			}
			if verb == "request!" {
				req.Profile.ManagedMemoryBytes = 1 << 20
			}
			ev.Requests = append(ev.Requests, req)
		}
		return ev, nil
	case "cancel":
		ev := slotpool.RequestsCancelled{}
		for _, r := range f {
			n, err := strconv.Atoi(r)
			if err != nil {
				return nil, err
			}
			ev.Requests = append(ev.Requests, id.SlotRequest(n))
		}
		return ev, nil
	case "release":
		return slotpool.SlotsReleased{Allocations: allocations(f)}, nil
	case "gone":
		return slotpool.SlotsGone{
			Worker: id.Worker(f[0]), Allocations: allocations(f[1:]),
			Cause: failure.Info{Message: text},
		}, nil
	case "lost":
		return slotpool.WorkerLost{
			Worker: id.Worker(f[0]), Cause: failure.Info{Message: text},
		}, nil
	case "refused":
		return slotpool.ResourcesRefused{Reason: rest}, nil
	case "timer":
		return slotpool.TimerFired{}, nil
	case "close":
		return slotpool.Closed{}, nil
	}
	return nil, fmt.Errorf("unknown event")
}

// allocation is the id of the slot with a name such as s12; s0 is none.
func allocation(name string) id.Allocation {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "s"))
	if err != nil || n == 0 {
		return id.Allocation{}
	}
	return id.Allocation{0: byte(n >> 8), 1: byte(n), 15: 1}
}

func allocations(names []string) []id.Allocation {
	var all []id.Allocation
	for _, n := range names {
		all = append(all, allocation(n))
	}
	return all
}

func slotNames(all []id.Allocation) string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = fmt.Sprintf("s%d", int(a[0])<<8|int(a[1]))
	}
	return strings.Join(names, " ")
}

func describe(e slotpool.Effect) string {
	switch e := e.(type) {
	case slotpool.AcceptSlots:
		return fmt.Sprintf("accept %s: %s", e.Worker, slotNames(e.Allocations))
	case slotpool.RejectSlots:
		return fmt.Sprintf("reject %s: %s: %s", e.Worker, slotNames(e.Allocations), e.Reason)
	case slotpool.FreeSlots:
		return fmt.Sprintf("free %s: %s: %s", e.Worker, slotNames(e.Allocations), e.Reason)
	case slotpool.SlotsLost:
		return fmt.Sprintf("lost: %s: %s", slotNames(e.Allocations), e.Cause.Message)
	case slotpool.RequestsTimedOut:
		return fmt.Sprintf("unmet: %v since %v: %s", e.Requests, e.Since.Sub(epoch),
			e.Cause.Message)
	case slotpool.SlotsAllocated:
		var b strings.Builder
		b.WriteString("allocated:")
		for _, a := range e.Slots {
			fmt.Fprintf(&b, " %d=%s@%s", a.Request, slotNames([]id.Allocation{a.Allocation}),
				a.Worker)
		}
		return b.String()
	case slotpool.RequirementsChanged:
		n := 0
		for _, r := range e.Requirements {
			n += r.Count
		}
		return fmt.Sprintf("required: %d", n)
	case slotpool.SetTimer:
		return fmt.Sprintf("timer at %v", e.At.Sub(epoch))
	}
	return fmt.Sprintf("unknown effect %T", e)
}
