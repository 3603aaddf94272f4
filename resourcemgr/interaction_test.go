package resourcemgr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/id"
	"goflink/runtime/controlplane"
)

// TestInteraction runs the scenarios in testdata: the events that reach the machine, and the
// effects that follow (R120, R139). The commands are
//
//	new [standalone] [SETTING=VALUE] ...   see newScript
//	step [after=DURATION] [log]            one event per line, see parse; prints the effects, or
//	                                       with log the lines of the event log
//	overview
//
// Run with -rewrite to write what happens in the place of what is expected.
func TestInteraction(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				var err error
				if s, err = newScript(d); err != nil {
					return "error: " + err.Error() + "\n"
				}
				return "ok\n"
			case "step":
				return s.steps(t, d)
			case "overview":
				return s.overview()
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// script is a machine in a scenario.
type script struct {
	m     *machine
	now   time.Time
	given byte // allocations so far
}

// newScript reads the settings of a machine: slots of a worker, bounds, timeouts. The driver is
// told at once unless gather is set.
func newScript(d *datadriven.TestData) (*script, error) {
	o := Settings{
		Spec:        WorkerSpec{Slots: 2, VCores: 0.5, MemoryBytes: 1 << 30},
		IdleTimeout: 30 * time.Second, RegistrationTimeout: 5 * time.Minute,
		RecoveryTimeout: 30 * time.Second, FailuresPerMinute: 2, RetryInterval: 3 * time.Second,
	}
	numbers := map[string]*int{"slots": &o.Spec.Slots, "min": &o.MinSlots, "max": &o.MaxSlots,
		"redundant": &o.Redundant}
	shares := map[string]*float64{"min-cores": &o.MinVCores, "max-cores": &o.MaxVCores,
		"failures": &o.FailuresPerMinute}
	times := map[string]*time.Duration{"idle": &o.IdleTimeout, "gather": &o.GatherDelay,
		"registration": &o.RegistrationTimeout, "recovery": &o.RecoveryTimeout}
	hasDriver := true
	for _, a := range d.CmdArgs {
		var err error
		switch n, c, t := numbers[a.Key], shares[a.Key], times[a.Key]; {
		case a.Key == "standalone":
			hasDriver = false
		case a.Key == "spread":
			o.Spread = true
		case a.Key == "max-gib":
			o.MaxMemoryBytes, err = strconv.ParseInt(a.Vals[0], 10, 64)
			o.MaxMemoryBytes <<= 30
		case n != nil:
			*n, err = strconv.Atoi(a.Vals[0])
		case c != nil:
			*c, err = strconv.ParseFloat(a.Vals[0], 64)
		case t != nil:
			*t, err = time.ParseDuration(a.Vals[0])
		default:
			err = fmt.Errorf("unknown setting %q", a.Key)
		}
		if err != nil {
			return nil, err
		}
	}
	s := &script{now: epoch}
	s.m = newMachine(o, hasDriver, func() id.Allocation {
		s.given++
		return id.Allocation{s.given, 0xa}
	})
	return s, o.check()
}

func (s *script) steps(t *testing.T, d *datadriven.TestData) string {
	log := false
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "after":
			after, err := time.ParseDuration(a.Vals[0])
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			s.now = s.now.Add(after)
		case "log":
			log = true
		default:
			d.Fatalf(t, "unknown argument %q", a.Key)
		}
	}
	var out strings.Builder
	lines := strings.Split(d.Input, "\n")
	for _, line := range lines {
		ev, err := parse(line)
		if err != nil {
			d.Fatalf(t, "%q: %v", line, err)
		}
		if len(lines) > 1 && !log {
			fmt.Fprintf(&out, "> %s\n", line)
		}
		effects, err := s.m.step(s.now, ev)
		for _, e := range effects {
			if l, isLog := e.(tell); isLog == log {
				if isLog {
					fmt.Fprintln(&out, l.text)
					continue
				}
				fmt.Fprintln(&out, s.describe(e))
			}
		}
		var r *RefusedError
		switch {
		case errors.As(err, &r) && r.Final:
			fmt.Fprintf(&out, "refused for good: %v\n", err)
		case errors.As(err, &r):
			fmt.Fprintf(&out, "refused for now: %v\n", err)
		case err != nil:
			fmt.Fprintf(&out, "error: %v\n", err)
		}
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return readable(out.String())
}

// parse reads one of
//
//	start [WORKER ...] | fatal TEXT | timer | finish TEXT
//	need JOB SLOTS | freed WORKER ALLOCATION
//	register WORKER [SLOTS] | lost WORKER: TEXT
//	allocated REQUEST WORKER | failed REQUEST: TEXT | pending REQUEST: TEXT
//	recovered WORKER | ended WORKER [released|CODE]: TEXT
func parse(line string) (event, error) {
	verb, rest, _ := strings.Cut(line, " ")
	list, text, _ := strings.Cut(rest, ": ")
	f := append(strings.Fields(list), "", "", "")
	n, _ := strconv.Atoi(f[0])
	worker := id.Worker(f[0])
	switch verb {
	case "start":
		ev := driverStarted{}
		for _, w := range strings.Fields(list) {
			ev.recovered = append(ev.recovered, id.Worker(w))
		}
		return ev, nil
	case "fatal":
		return driverFailed{errors.New(rest)}, nil
	case "timer":
		return timerFired{}, nil
	case "finish":
		return clusterFinished{rest}, nil
	case "need":
		slots, err := strconv.Atoi(f[1])
		return needDeclared{jobOf(f[0]), slots, nil}, err
	case "freed":
		a, err := strconv.Atoi(strings.TrimPrefix(f[1], "a"))
		return slotFreed{worker, id.Allocation{byte(a), 0xa}}, err
	case "register":
		slots := 2
		if f[1] != "" {
			slots, _ = strconv.Atoi(f[1])
		}
		return workerRegistered{stub{controlplane.Registration{Worker: worker, Slots: slots}}}, nil
	case "lost":
		return connectionLost{worker, text}, nil
	case "allocated":
		return workerAllocated{RequestNumber(n), id.Worker(f[1])}, nil
	case "failed":
		return startFailed{RequestNumber(n), text}, nil
	case "pending":
		return requestPending{RequestNumber(n), text}, nil
	case "recovered":
		return workerRecovered{worker}, nil
	case "ended":
		exit := Exit{Released: f[1] == "released", Diagnostics: text}
		exit.Code, _ = strconv.Atoi(f[1])
		return workerEnded{worker, exit}, nil
	}
	return nil, fmt.Errorf("unknown event")
}

// stub is a worker of which only the name counts.
type stub struct{ reg controlplane.Registration }

func (s stub) Worker() id.Worker                                           { return s.reg.Worker }
func (s stub) Registration() controlplane.Registration                     { return s.reg }
func (s stub) Allocate(int, id.Allocation, id.Job, controlplane.JobMaster) {}
func (s stub) Shutdown(string)                                             {}

func jobOf(name string) id.Job { return id.Job{name[1] - '0', 0xb} }

// readable writes jobs and allocations by their short names.
func readable(text string) string {
	for i := range byte(40) {
		text = strings.ReplaceAll(text, id.Allocation{i, 0xa}.String(), fmt.Sprint("a", i))
		text = strings.ReplaceAll(text, id.Job{i, 0xb}.String(), fmt.Sprint("j", i))
	}
	return text
}

func (s *script) describe(e effect) string {
	switch e := e.(type) {
	case grantSlot:
		return fmt.Sprintf("grant %s/%d to %s as %s", e.worker.Worker(), e.index, e.job,
			e.allocation)
	case shutDown:
		return fmt.Sprintf("shut down %s: %s", e.worker.Worker(), e.reason)
	case cutOff:
		return fmt.Sprintf("cut off %s: %s", e.worker.Worker(), e.cause)
	case requestWorker:
		return fmt.Sprintf("request %d", e.request.Number)
	case cancelRequest:
		return fmt.Sprintf("cancel %d", e.request)
	case releaseWorker:
		return fmt.Sprintf("release %s: %s", e.worker, e.reason)
	case setTimer:
		return fmt.Sprintf("timer at %v", e.at.Sub(epoch))
	case giveUp:
		return fmt.Sprintf("give up: %v", e.cause)
	}
	return fmt.Sprintf("unknown effect %T", e)
}

func (s *script) overview() string {
	o := s.m.overview(s.now)
	var b strings.Builder
	fmt.Fprintf(&b, "%d slots, %d free\n", o.Slots, o.FreeSlots)
	for _, w := range o.Workers {
		fmt.Fprintf(&b, "%s %s since %v, %d of %d free", w.Worker, w.Status, w.Since.Sub(epoch),
			w.FreeSlots, w.Registration.Slots)
		if w.Recovered {
			b.WriteString(", recovered")
		}
		b.WriteString("\n")
	}
	for _, p := range o.Pending {
		fmt.Fprintf(&b, "request %d since %v: %s\n", p.Number, p.Since.Sub(epoch), p.Reason)
	}
	for _, j := range o.Shortages {
		fmt.Fprintf(&b, "%s asked %d, got %d, misses %d since %v: %s\n", j.Job, j.Asked, j.Got,
			j.Missing, j.Since.Sub(epoch), j.Why)
	}
	return readable(b.String())
}
