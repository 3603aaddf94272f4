package checkpoint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/graph"
	"goflink/internal/testkit"
)

// flight is a record in flight: the number-th that a producer sent, with its key group.
type flight struct{ producer, number, group int }

func (f flight) String() string { return fmt.Sprintf("%d.%d.%d ", f.producer, f.number, f.group) }

func parseFlights(t testing.TB, b []byte) (fs []flight) {
	t.Helper()
	for _, word := range strings.Fields(string(b)) {
		var f flight
		if _, err := fmt.Sscanf(word, "%d.%d.%d", &f.producer, &f.number, &f.group); err != nil {
			t.Fatal(err)
		}
		fs = append(fs, f)
	}
	return fs
}

// fill puts records in flight on the edge from src to win, in the order in which they were sent:
// some at the consumer, and behind them some at the producer.
func fill(r *rand.Rand, m *Metadata, job *graph.JobGraph) (sent int) {
	from, to := &job.Vertices[0], &job.Vertices[1]
	for p := range from.Parallelism {
		number := 0
		for c := range to.Parallelism {
			own := keygroup.RangeOf(to.MaxParallelism, to.Parallelism, c)
			contents := func() (text string) {
				for range r.IntN(4) {
					f := flight{p, number, own.First + r.IntN(own.Len())}
					text += f.String()
					number++
				}
				return text
			}
			if in := contents(); in != "" {
				s := m.at("win", c)
				s.InputChannels = append(s.InputChannels,
					statebackend.ChannelHandle{Channel: p, Contents: inline(in)})
			}
			if out := contents(); out != "" {
				s := m.at("src", p)
				s.OutputChannels = append(s.OutputChannels,
					statebackend.ChannelHandle{Channel: c, Contents: inline(out)})
			}
		}
		sent += number
	}
	return sent
}

// receive gives the records to the consumers as tasks would: those that are to be filtered by the
// key groups of the task. In a job that was rescaled only the records may count.
func receive(t testing.TB, a *Assignment, job *graph.JobGraph, rescaled bool) [][]flight {
	t.Helper()
	to := &job.Vertices[1]
	got := make([][]flight, to.Parallelism)
	for c := range got {
		own := keygroup.RangeOf(to.MaxParallelism, to.Parallelism, c)
		for _, h := range a.of(job, "win", c).InputChannels {
			if h.Edge != 0 || h.Channel < 0 || h.Channel >= job.Vertices[0].Parallelism {
				t.Fatalf("channel state of input %d, channel %d", h.Edge, h.Channel)
			}
			if h.RecordsOnly != rescaled {
				t.Fatalf("channel state that counts without its watermarks: %t, want %t",
					h.RecordsOnly, rescaled)
			}
			for _, f := range parseFlights(t, h.Contents.Inline) {
				if !h.Filter || own.Contains(f.group) {
					got[c] = append(got[c], f)
				}
			}
		}
	}
	return got
}

// TestRescaleChannels: whatever the parallelisms, each record in flight arrives once; on a keyed
// edge at the owner of its key group, and records of one producer and key group in their order.
func TestRescaleChannels(t *testing.T) { // R106
	testkit.EachSeed(t, 200, func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		part := []string{"hash", "rebalance", "shuffle", "global"}[r.IntN(4)]
		shape := "src p=%d\nwin p=%d max=16 <- src " + part
		old := testJob(t, fmt.Sprintf(shape, 1+r.IntN(5), 1+r.IntN(5)))
		m := record(old)
		sent := fill(r, m, old)
		job := testJob(t, fmt.Sprintf(shape, 1+r.IntN(5), 1+r.IntN(5)))
		same := old.Vertices[1].Parallelism == job.Vertices[1].Parallelism
		rescaled := !same || old.Vertices[0].Parallelism != job.Vertices[0].Parallelism
		seen := map[string]bool{}
		for c, fs := range receive(t, assign(t, m, job), job, rescaled) {
			own := keygroup.RangeOf(16, job.Vertices[1].Parallelism, c)
			last := map[[2]int]int{}
			for _, f := range fs {
				if seen[f.String()] {
					t.Fatalf("record %v arrives twice", f)
				}
				seen[f.String()] = true
				if (part == "hash" || same) && !own.Contains(f.group) {
					t.Fatalf("record %v arrives at subtask %d with key groups %v", f, c, own)
				}
				if part == "global" && c != 0 && !same {
					t.Fatalf("record %v of a global edge arrives at subtask %d", f, c)
				}
				k := [2]int{f.producer, f.group}
				if before, ok := last[k]; ok && before > f.number {
					t.Fatalf("record %v arrives after number %d", f, before)
				}
				last[k] = f.number
			}
		}
		if len(seen) != sent {
			t.Errorf("%d of %d records arrive", len(seen), sent)
		}
	})
}

func TestChannelsKeepTheirPlace(t *testing.T) { // R106
	// Two inputs, a chain before the edge, and a point-wise edge.
	shape := "a+b p=2\nc p=2\nwin p=2 <- c, a+b hash\nlast p=2 <- win forward"
	job := testJob(t, shape)
	m := record(job)
	m.at("win", 1).InputChannels = []statebackend.ChannelHandle{
		{Edge: 1, Channel: 0, Contents: inline("in")}, {Edge: 0, Channel: 1, Contents: inline("c")}}
	m.at("b", 0).OutputChannels = []statebackend.ChannelHandle{
		{Edge: 0, Channel: 1, Contents: inline("out")}}
	m.at("win", 1).OutputChannels = []statebackend.ChannelHandle{
		{Edge: 0, Channel: 0, Contents: inline("forward")}}
	a := assign(t, m, job)
	var got []string
	for _, op := range []string{"win", "last"} {
		for i := range 2 {
			for _, h := range a.of(job, op, i).InputChannels {
				got = append(got, fmt.Sprintf("%s/%d input %d channel %d: %s", op, i, h.Edge,
					h.Channel, h.Contents.Inline))
			}
			if n := len(a.of(job, op, i).OutputChannels); n > 0 {
				t.Errorf("%s/%d gets %d output channels", op, i, n)
			}
		}
	}
	want := `win/1 input 0 channel 1: c
win/1 input 1 channel 0: in
win/1 input 1 channel 0: out
last/1 input 0 channel 0: forward`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	// The inputs in another order: each part follows its edge.
	swapped := testJob(t, "a+b p=2\nc p=2\nwin p=2 <- a+b hash, c\nlast p=2 <- win forward")
	swapped.Vertices[2].Inputs[0].Input, swapped.Vertices[2].Inputs[1].Input = 1, 0
	got = nil
	for _, h := range assign(t, m, swapped).of(swapped, "win", 1).InputChannels {
		got = append(got, fmt.Sprintf("%d %s", h.Edge, h.Contents.Inline))
	}
	if strings.Join(got, ", ") != "1 c, 0 in, 0 out" {
		t.Errorf("with the inputs swapped %q arrive", got)
	}
}

func TestChannelsRefused(t *testing.T) { // R106
	put := func(shape string) *Metadata {
		m := record(testJob(t, shape))
		m.at("win", 0).InputChannels = []statebackend.ChannelHandle{{Contents: inline("x")}}
		return m
	}
	for _, c := range []struct {
		name, old, new string
		words          []string
	}{
		{"custom", "src\nwin p=2 <- src custom", "src\nwin p=3 <- src custom",
			[]string{"CUSTOM", "from 2 to 3", "savepoint"}},
		{"broadcast", "src\nwin p=2 <- src broadcast", "src\nwin p=3 <- src broadcast",
			[]string{"BROADCAST"}},
		{"forward", "src p=2\nwin p=2 <- src forward", "src p=3\nwin p=3 <- src forward",
			[]string{"FORWARD"}},
		{"type", "src\nwin <- src hash T", "src\nwin <- src hash U", []string{"type T",
			"carries U"}},
		{"edge", "src\nwin <- src hash", "src\nmap <- src\nwin <- map",
			[]string{`from "src" to "win"`, "unaligned", "savepoint"}},
		{"chained", "src\nwin <- src", "src+win", []string{`from "src" to "win"`}},
	} {
		t.Run(c.name, func(t *testing.T) { refuse(t, put(c.old), testJob(t, c.new), c.words...) })
	}
	t.Run("operator removed", func(t *testing.T) { // R88
		m := put("src\nwin <- src hash")
		job := testJob(t, "src")
		refuse(t, m, job, `"win"`, "--allowNonRestoredState")
		if a, err := Assign(m, job, true); err != nil || len(a.Skipped) != 2 {
			t.Errorf("with -n: %+v, %v", a, err)
		}
	})
	t.Run("unknown edge", func(t *testing.T) {
		m := put("src\nwin <- src hash")
		m.at("win", 0).InputChannels[0].Edge = 7
		if _, err := Assign(m, testJob(t, "src\nwin <- src hash"), false); !errors.Is(err,
			ErrCorrupt) {
			t.Errorf("channel state of an edge that is not there: %v", err)
		}
	})
	t.Run("unknown channel", func(t *testing.T) {
		m := put("src\nwin <- src hash")
		m.at("win", 0).InputChannels[0].Channel = 7
		if _, err := Assign(m, testJob(t, "src\nwin <- src hash"), false); !errors.Is(err,
			ErrCorrupt) {
			t.Errorf("channel state of a producer that is not there: %v", err)
		}
	})
}
