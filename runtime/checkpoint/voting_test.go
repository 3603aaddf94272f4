package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"goflink/core/id"
)

// The checkpoint protocol as a two-phase commit (R98, R100, R102): the coordinator is the
// coordinator, each sink task a participant with one transaction per checkpoint. A yes is an
// acknowledgement, a no a decline; commit is the notification that the checkpoint is complete.

// participants are the sinks with their outside world: a system with transactions.
type participants struct {
	*world
	// outside is the state of transactions in the outside system, by participant and checkpoint.
	outside map[string]string
	// durable are the checkpoints whose metadata was written.
	durable []*Completed
}

func newParticipants(t *testing.T, n int) *participants {
	job := testJob(t, fmt.Sprintf("src\nsink p=%d <- src", n))
	p := &participants{world: newWorld(t, job, Options{Epoch: 1}), outside: map[string]string{}}
	p.do(TasksRunning{Attempts: p.tasks("all")})
	return p
}

func (p *participants) transaction(a id.Attempt, checkpoint uint64) string {
	return fmt.Sprintf("sink/%d@%d", a.Subtask, checkpoint)
}

// do takes an event in and carries out all but the writing of metadata.
func (p *participants) do(e Event) (write *WriteMetadata) {
	p.t.Helper()
	for _, f := range p.step(e) {
		var w *WriteMetadata
		switch f := f.(type) {
		case PrepareLocation:
			w = p.do(LocationPrepared{Checkpoint: f.Checkpoint, Location: location(f)})
		case WriteMetadata:
			w = &f
		case NotifyComplete:
			for _, a := range f.Attempts {
				p.commit(a, f.Checkpoint)
			}
		case NotifyAborted:
			for _, a := range f.Attempts {
				p.end(a, f.Checkpoint, "aborted")
			}
		}
		if w != nil {
			write = w
		}
	}
	return write
}

// prepare writes a participant's data into a transaction that nobody can read yet: it can be
// committed or taken back.
func (p *participants) prepare(a id.Attempt, checkpoint uint64) {
	p.outside[p.transaction(a, checkpoint)] = "prepared"
}

// commit makes the transaction's data readable; that can be repeated.
func (p *participants) commit(a id.Attempt, checkpoint uint64) {
	p.end(a, checkpoint, "committed")
}

func (p *participants) end(a id.Attempt, checkpoint uint64, how string) {
	t := p.transaction(a, checkpoint)
	if have := p.outside[t]; have != "" && have != "prepared" && have != how {
		p.t.Errorf("transaction %s was %s and is now %s", t, have, how)
	}
	if p.outside[t] != "" {
		p.outside[t] = how
	}
}

// yes lets tasks take part.
func (p *participants) yes(checkpoint uint64, names ...string) (write *WriteMetadata) {
	for _, a := range p.tasks(names...) {
		if a.Vertex == p.job.Vertices[1].ID {
			p.prepare(a, checkpoint)
		}
		if w := p.do(Acknowledged{Attempt: a, Checkpoint: checkpoint,
			Snapshot: p.snapshot(a, checkpoint)}); w != nil {
			write = w
		}
	}
	return write
}

func (p *participants) begin() {
	p.now = p.now.Add(10 * time.Second)
	p.do(TimerFired{})
}

// written makes a checkpoint durable.
func (p *participants) written(w *WriteMetadata) {
	p.durable = append(p.durable, w.Completed)
	p.do(MetadataWritten{Checkpoint: w.Completed.Checkpoint, Path: "path"})
}

// crash is the end of coordinator and tasks; a new leader restores what is durable. Tasks commit
// what their state says is prepared, and take back what it does not know.
func (p *participants) crash() {
	o := p.o
	o.Epoch, o.Retained = 2, p.durable
	attempts := p.attempt
	p.world = newWorld(p.t, p.job, o)
	p.attempt = attempts
	restored := uint64(0)
	for _, f := range p.step(RestoreWanted{}) {
		if r, ok := f.(RestoreFrom); ok && r.Completed != nil {
			restored = r.Completed.Checkpoint
		}
	}
	for n := uint64(1); n < 10; n++ {
		for _, a := range p.tasks("sink") {
			switch {
			case p.outside[p.transaction(a, n)] != "prepared":
			case n <= restored:
				p.end(a, n, "committed")
			default:
				p.end(a, n, "aborted")
			}
		}
	}
}

func (p *participants) want(checkpoint uint64, how ...string) {
	p.t.Helper()
	var got []string
	for _, a := range p.tasks("sink") {
		got = append(got, p.outside[p.transaction(a, checkpoint)])
	}
	if !slices.Equal(got, how) {
		p.t.Errorf("transactions of checkpoint %d are %q, want %q", checkpoint, got, how)
	}
}

func TestVoteAllYes(t *testing.T) { // R98, R100
	p := newParticipants(t, 3)
	p.begin()
	p.yes(1, "src", "sink/0", "sink/1")
	p.want(1, "prepared", "prepared", "")
	w := p.yes(1, "sink/2")
	p.want(1, "prepared", "prepared", "prepared")
	p.written(w)
	p.want(1, "committed", "committed", "committed")
}

func TestVoteOneNo(t *testing.T) { // R98
	p := newParticipants(t, 3)
	p.begin()
	p.yes(1, "src", "sink/0", "sink/2")
	p.do(Declined{Attempt: p.tasks("sink/1")[0], Checkpoint: 1, Reason: errors.New("no")})
	p.want(1, "aborted", "", "aborted")
}

func TestVoteOneTimeout(t *testing.T) { // R98, R81
	p := newParticipants(t, 3)
	p.begin()
	p.yes(1, "src", "sink/0", "sink/1")
	p.now = p.now.Add(time.Minute)
	p.do(TimerFired{})
	p.want(1, "aborted", "aborted", "")
	// The one that was too slow hears that its transaction is void, too.
	if w := p.yes(1, "sink/2"); w != nil {
		t.Error("a checkpoint that has expired is written")
	}
}

func TestCrashBetweenPhases(t *testing.T) { // R98, R100, R102
	for _, c := range []struct {
		name    string
		durable bool
		want    string
	}{
		{"before the record", false, "aborted"},
		{"after the record", true, "committed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParticipants(t, 2)
			p.begin()
			p.written(p.yes(1, "all"))
			p.begin()
			w := p.yes(2, "all")
			p.want(2, "prepared", "prepared")
			if c.durable {
				// The coordinator ends before it hears that its record is durable.
				p.durable = append(p.durable, w.Completed)
			}
			p.crash()
			p.want(1, "committed", "committed")
			p.want(2, c.want, c.want)
		})
	}
}

// TestNoCommitWithoutRecord runs all orders of the last events: the commit is always the last.
func TestNoCommitWithoutRecord(t *testing.T) { // R92, R98
	p := newParticipants(t, 2)
	p.begin()
	w := p.yes(1, "all")
	for _, e := range []Event{TimerFired{}, WantsCheckpoint{Attempt: p.tasks("sink/0")[0]},
		Acknowledged{Attempt: p.tasks("src")[0], Checkpoint: 1},
		Declined{Attempt: p.tasks("src")[0], Checkpoint: 1, Reason: errors.New("late")}} {
		p.do(e)
		p.want(1, "prepared", "prepared")
	}
	p.do(MetadataWritten{Checkpoint: 1, Err: errors.New("the disk is full")})
	p.want(1, "aborted", "aborted")
	if w.Completed.Path != "" {
		t.Errorf("a checkpoint that failed has the path %q", w.Completed.Path)
	}
}
