package operatortest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"goflink/core/config"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// DefaultMaxParallelism is the number of key groups if Options name none.
const DefaultMaxParallelism = 16

// Options say what a Harness runs.
type Options struct {
	// Factory makes the operator of each subtask.
	Factory operator.Factory
	// Name is the operator's name; empty means "operator under test".
	Name string
	// Outputs are the outputs that are read; others are nobody's.
	Outputs []AnyOutput
	// Parallelism is the number of subtasks; 0 means 1.
	Parallelism int
	// MaxParallelism is the number of key groups; 0 means DefaultMaxParallelism.
	MaxParallelism int
	// Backend keeps keyed state; nil means that the operator's input is not keyed.
	Backend statebackend.Backend
	// KeySchema describes the key's type.
	KeySchema []byte
	// OperatorStates opens operator state; nil means that the operator has none.
	OperatorStates func(statebackend.OperatorOptions) (statebackend.OperatorStore, error)
	// Config is the job's configuration; nil means an empty one.
	Config *config.Configuration
	// Now is the time at which the clock stands first, in milliseconds since the epoch.
	Now int64
	// CheckMutation makes the backends find values that are changed after they were handed over.
	CheckMutation bool
	// NoRescale keeps Explore from changing the parallelism.
	NoRescale bool
}

// Harness runs the subtasks of one operator.
type Harness struct {
	tb       testing.TB
	o        Options
	subs     []*subtask
	feeds    map[int]feeder
	inputs   map[int]bool // that were used, also before a restore
	now      int64
	log      []Event
	counters map[string]*counter
	events   [][]byte
	shared   map[string]any
	last     uint64 // the checkpoint taken last
	restored uint64
	attempts int32 // how often the subtasks were started
	mail     mailbox
}

// mailbox holds what Runtime.Mail was given.
type mailbox struct {
	mu     sync.Mutex
	queue  []mailItem
	notify chan struct{} // has one element while there may be mail
}

type mailItem struct {
	sub *subtask
	f   func() error
}

// New returns a harness whose subtasks are open. They are closed at the end of the test. An error
// of Open fails the test.
func New(tb testing.TB, o Options) *Harness {
	tb.Helper()
	h, err := Start(tb, o)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	return h
}

// Start is New for tests of operators that refuse to open.
func Start(tb testing.TB, o Options) (*Harness, error) {
	if o.Parallelism == 0 {
		o.Parallelism = 1
	}
	if o.MaxParallelism == 0 {
		o.MaxParallelism = DefaultMaxParallelism
	}
	if o.Name == "" {
		o.Name = "operator under test"
	}
	if o.Config == nil {
		o.Config = config.New()
	}
	h := &Harness{tb: tb, o: o, now: o.Now, counters: map[string]*counter{},
		shared: map[string]any{}, feeds: map[int]feeder{}, inputs: map[int]bool{}}
	h.mail.notify = make(chan struct{}, 1)
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return h, h.start(o.Parallelism, nil)
}

// subtask is one instance of the operator.
type subtask struct {
	h      *Harness
	op     operator.Operator
	rt     *opRuntime
	ended  bool // Finish was called
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// start opens subtasks with the state of a checkpoint.
func (h *Harness) start(parallelism int, from *Checkpoint) error {
	states, err := h.deal(parallelism, from)
	if err != nil {
		return err
	}
	h.subs = make([]*subtask, parallelism)
	h.attempts++
	for i := range h.subs {
		op, err := h.o.Factory.New()
		if err != nil {
			h.subs = h.subs[:i]
			return fmt.Errorf("factory: %w", err)
		}
		s := &subtask{h: h, op: op}
		ctx, cancel := context.WithCancel(context.Background())
		s.cancel = cancel
		s.rt = newRuntime(h, s, ctx, i, parallelism, states[i])
		h.subs[i] = s
		if err := s.rt.openStates(); err != nil {
			h.subs = h.subs[:i+1]
			return err
		}
	}
	for i, s := range h.subs {
		if err := s.op.Open(s.rt); err != nil {
			return fmt.Errorf("open subtask %d: %w", i, err)
		}
	}
	return h.runMail()
}

// Parallelism is the number of subtasks that run.
func (h *Harness) Parallelism() int { return len(h.subs) }

// Operator returns the operator of a subtask.
func (h *Harness) Operator(subtask int) operator.Operator { return h.subs[subtask].op }

// Keyed returns the keyed state of a subtask, for tests that look into it; nil if there is none.
func (h *Harness) Keyed(subtask int) statebackend.Keyed { return h.subs[subtask].rt.keyed }

// Now is the time of the harness's clock.
func (h *Harness) Now() int64 { return h.now }

// PendingCalls is the number of calls that subtasks have asked for with Runtime.At and that are
// still to come.
func (h *Harness) PendingCalls() (n int) {
	for _, s := range h.subs {
		n += len(s.rt.timers.list)
	}
	return n
}

// Counter is the sum of a counter over all subtasks, also those before a restore.
func (h *Harness) Counter(name string) int64 {
	if c := h.counters[name]; c != nil {
		return c.n
	}
	return 0
}

// CoordinatorEvents are the events that subtasks sent to their coordinator.
func (h *Harness) CoordinatorEvents() [][]byte { return h.events }

// Run runs steps and fails the test if the operator returns an error.
func (h *Harness) Run(steps ...Step) {
	h.tb.Helper()
	for i := range steps {
		if err := h.Do(steps[i]); err != nil {
			h.tb.Fatalf("step %d (%s): %v", i, steps[i].name, err)
		}
	}
	if err := h.Flush(); err != nil {
		h.tb.Fatalf("after the last step: %v", err)
	}
}

// Do runs one step. Records are collected until another kind of step, a record of another input,
// Flush, or the largest size of a batch.
func (h *Harness) Do(s Step) error {
	if !s.record {
		if err := h.Flush(); err != nil {
			return err
		}
	}
	if err := s.do(h); err != nil {
		return err
	}
	if s.record {
		return nil
	}
	return h.runMail()
}

// Flush hands the records that were collected to the operator.
func (h *Harness) Flush() error {
	for _, i := range slices.Sorted(maps.Keys(h.feeds)) {
		if err := h.feeds[i].flush(h); err != nil {
			return err
		}
	}
	return h.runMail()
}

// flushOthers hands over the records of the other inputs, so that the order between inputs is that
// of the script.
func (h *Harness) flushOthers(input int) error {
	if len(h.feeds) < 2 {
		return nil
	}
	for _, i := range slices.Sorted(maps.Keys(h.feeds)) {
		if i == input {
			continue
		}
		if err := h.feeds[i].flush(h); err != nil {
			return err
		}
	}
	return nil
}

// runMail runs what Runtime.Mail was given until there is no more.
func (h *Harness) runMail() error {
	for {
		h.mail.mu.Lock()
		queue := h.mail.queue
		h.mail.queue = nil
		h.mail.mu.Unlock()
		if len(queue) == 0 {
			return nil
		}
		for _, m := range queue {
			if m.sub.rt.closed {
				continue
			}
			if err := m.f(); err != nil {
				return fmt.Errorf("mail: %w", err)
			}
		}
	}
}

// await runs mail until cond holds, waiting for more as long as it does not.
func (h *Harness) await(cond func() bool) error {
	for {
		if err := h.runMail(); err != nil {
			return err
		}
		if cond() {
			return nil
		}
		select {
		case <-h.mail.notify:
		case <-h.tb.Context().Done():
			return errors.New("the test ended while an operator was waited for")
		}
	}
}

// ready waits until the operator takes records.
func (s *subtask) ready() error {
	t, ok := s.op.(operator.Throttled)
	if !ok || t.Ready() {
		return nil
	}
	return s.h.await(t.Ready)
}

// advance moves the clock to now and runs the timers that are due on the way; with jump the clock
// moves first, so that all of them are late.
func (h *Harness) advance(now int64, jump bool) error {
	if jump {
		h.now = max(h.now, now)
	}
	for {
		var due *timer
		for _, s := range h.subs {
			if t := s.rt.timers.first(); t != nil && t.at <= now && (due == nil || t.at < due.at) {
				due = t
			}
		}
		if due == nil {
			break
		}
		h.now = max(h.now, due.at)
		due.rt.timers.remove(due)
		if err := due.f(); err != nil {
			return fmt.Errorf("timer at %d: %w", due.at, err)
		}
		if err := h.runMail(); err != nil {
			return err
		}
	}
	h.now = max(h.now, now)
	return nil
}

// end brings the inputs to their natural end.
func (h *Harness) end() error {
	inputs := slices.Sorted(maps.Keys(h.inputs))
	for _, s := range h.subs {
		for _, i := range inputs {
			if err := s.control(i).Watermark(stream.MaxWatermark); err != nil {
				return err
			}
			if e, ok := s.op.(operator.InputEnder); ok {
				if err := e.EndInput(i); err != nil {
					return err
				}
			}
		}
		if d, ok := s.op.(operator.Drainer); ok {
			if err := h.await(d.Drained); err != nil {
				return err
			}
		}
		s.ended = true
		if err := s.op.Finish(); err != nil {
			return fmt.Errorf("finish: %w", err)
		}
	}
	return nil
}

func (s *subtask) control(input int) stream.Control { return s.op.Input(input).(stream.Control) }

// Close closes the operators and releases what they had. It is called at the end of the test.
func (h *Harness) Close() error {
	var errs []error
	for _, s := range h.subs {
		errs = append(errs, s.close())
	}
	h.subs, h.feeds = nil, map[int]feeder{}
	return errors.Join(errs...)
}

func (s *subtask) close() error {
	if s.rt.closed {
		return nil
	}
	s.rt.closed = true
	s.cancel()
	err := s.op.Close()
	s.wg.Wait()
	if s.rt.keyed != nil {
		err = errors.Join(err, s.rt.keyed.Close())
	}
	return err
}

// owner returns the subtask that owns the key with the given hash.
func (h *Harness) owner(hash uint64) int {
	group := keygroup.Of(hash, h.o.MaxParallelism)
	return keygroup.Subtask(group, h.o.MaxParallelism, len(h.subs))
}

// Lines describes what the outputs got, for comparison: one line per record, watermark or change of
// status, sorted within the time between two watermarks, each watermark once for all subtasks.
func (h *Harness) Lines() []string { return linesOf(h.log) }

func linesOf(log []Event) []string {
	type line struct {
		watermark int64
		kind      EventKind
		text      string
	}
	var lines []line
	seen := map[string]bool{}
	for i := range log {
		e := &log[i]
		text := e.String()
		if e.Kind != RecordEvent {
			if id := fmt.Sprint(e.Watermark, text); seen[id] {
				continue
			} else {
				seen[id] = true
			}
		}
		lines = append(lines, line{e.Watermark, e.Kind, text})
	}
	slices.SortFunc(lines, func(a, b line) int {
		switch {
		case a.watermark != b.watermark:
			return cmp(a.watermark, b.watermark)
		case a.kind != b.kind:
			return cmp(rank[a.kind], rank[b.kind])
		}
		return strings.Compare(a.text, b.text)
	})
	texts := make([]string, len(lines))
	for i := range lines {
		texts[i] = lines[i].text
	}
	return texts
}

// rank orders what came after one watermark, and that watermark first.
var rank = [...]int64{WatermarkEvent: 0, RecordEvent: 1, StatusEvent: 2, LatencyEvent: 3}

func cmp(a, b int64) int {
	if a < b {
		return -1
	}
	return 1
}
