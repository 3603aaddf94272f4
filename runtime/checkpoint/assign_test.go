package checkpoint

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/graph"
	"goflink/internal/testkit"
	tasks "goflink/runtime/task"
)

// A SubtaskRestore is a task's Restore.
var _ = tasks.Restore(SubtaskRestore{})

// record makes the metadata of a checkpoint of a job whose tasks have no state yet.
func record(job *graph.JobGraph) *Metadata {
	m := &Metadata{Checkpoint: 5, Job: job.ID, JobName: job.Name, Edges: edgesOf(job)}
	for i := range job.Vertices {
		v := &job.Vertices[i]
		vs := VertexState{ID: v.ID, Name: v.Name, MaxParallelism: v.MaxParallelism}
		for j := range v.Nodes {
			n := &v.Nodes[j]
			vs.Operators = append(vs.Operators, OperatorInfo{ID: n.Operator, UID: n.UID,
				Name: n.Name, Coordinated: n.Coordinated})
		}
		for range v.Parallelism {
			vs.Subtasks = append(vs.Subtasks, SubtaskState{
				Operators: make([]statebackend.OperatorSnapshot, len(v.Nodes))})
		}
		m.Vertices = append(m.Vertices, vs)
	}
	return m
}

// at finds the snapshot of an operator in a subtask.
func (m *Metadata) at(op string, subtask int) *statebackend.OperatorSnapshot {
	for i := range m.Vertices {
		v := &m.Vertices[i]
		for j := range v.Operators {
			if v.Operators[j].Name == op {
				return &v.Subtasks[subtask].Operators[j]
			}
		}
	}
	panic("no operator " + op)
}

func (m *Metadata) vertex(name string) *VertexState {
	for i := range m.Vertices {
		if m.Vertices[i].Name == name {
			return &m.Vertices[i]
		}
	}
	panic("no vertex " + name)
}

func inline(text string) statebackend.Blob {
	return statebackend.Blob{Inline: []byte(text), Length: int64(len(text))}
}

// setKeyed gives an operator keyed state: one handle per subtask.
func (m *Metadata) setKeyed(op string) {
	for i := range m.Vertices {
		v := &m.Vertices[i]
		for j := range v.Operators {
			if v.Operators[j].Name != op {
				continue
			}
			for s := range v.Subtasks {
				g := keygroup.RangeOf(v.MaxParallelism, len(v.Subtasks), s)
				v.Subtasks[s].Operators[j].Keyed = []statebackend.KeyedHandle{{Range: g,
					Format: "f", Contents: inline(fmt.Sprintf("%s/%d", op, s))}}
			}
		}
	}
}

// setList gives a subtask a list state whose elements are one byte each.
func (m *Metadata) setList(op string, subtask int, mode statebackend.Redistribution, es string) {
	h := statebackend.OperatorStateHandle{Name: "list", Mode: mode, Contents: inline(es)}
	for i := range len(es) + 1 {
		h.Offsets = append(h.Offsets, int64(i))
	}
	s := m.at(op, subtask)
	s.Operator = append(s.Operator, h)
}

func assign(t testing.TB, m *Metadata, job *graph.JobGraph) *Assignment {
	t.Helper()
	a, err := Assign(m, job, false)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refuse checks that an assignment is refused with all of the given words, as the user's matter.
func refuse(t testing.TB, m *Metadata, job *graph.JobGraph, words ...string) {
	t.Helper()
	_, err := Assign(m, job, false)
	if err == nil {
		t.Fatal("the state was assigned, want a refusal")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not contain %q", err, w)
		}
	}
	if failure.ClassOf(err) != failure.FailJob || failure.DomainOf(err) != failure.User {
		t.Errorf("error is %v of %v, want FAIL_JOB of USER", failure.ClassOf(err),
			failure.DomainOf(err))
	}
}

// of is what an assignment gives an operator in a subtask.
func (a *Assignment) of(job *graph.JobGraph, op string, subtask int) statebackend.OperatorSnapshot {
	for i := range job.Vertices {
		for _, n := range job.Vertices[i].Nodes {
			if n.Name == op {
				return a.Vertices[job.Vertices[i].ID][subtask].Operators[n.Operator]
			}
		}
	}
	panic("no operator " + op)
}

// elements are those of the list states that fall to a subtask.
func elements(s statebackend.OperatorSnapshot) string {
	var b strings.Builder
	for _, h := range s.Operator {
		b.Write(h.Contents.Inline[h.Offsets[0]:h.Offsets[len(h.Offsets)-1]])
	}
	return b.String()
}

// TestRescaleKeyed: whatever the parallelisms, each key group comes to the one subtask that owns
// it, from the one that owned it.
func TestRescaleKeyed(t *testing.T) { // R31
	testkit.EachSeed(t, 100, func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		most := 1 + r.IntN(300)
		from, to := 1+r.IntN(most), 1+r.IntN(most)
		shape := "src\nwin p=%d max=%d keyed <- src hash"
		m := record(testJob(t, fmt.Sprintf(shape, from, most)))
		m.setKeyed("win")
		job := testJob(t, fmt.Sprintf(shape, to, most))
		a := assign(t, m, job)
		for i := range to {
			own := keygroup.RangeOf(most, to, i)
			owners := map[int]string{}
			for _, h := range a.of(job, "win", i).Keyed {
				meet := h.Range.Intersect(own)
				for g := meet.First; g <= meet.Last; g++ {
					if owners[g] != "" {
						t.Fatalf("key group %d comes to subtask %d twice", g, i)
					}
					owners[g] = string(h.Contents.Inline)
				}
				if meet.Len() == 0 {
					t.Errorf("subtask %d with %v gets key groups %v", i, own, h.Range)
				}
			}
			for g := own.First; g <= own.Last; g++ {
				want := fmt.Sprintf("win/%d", keygroup.Subtask(g, most, from))
				if owners[g] != want {
					t.Fatalf("key group %d comes from %q, want %q", g, owners[g], want)
				}
			}
		}
	})
}

func TestRescaleOperatorState(t *testing.T) { // R62, R60
	shape := "src p=%d"
	for _, c := range []struct {
		mode statebackend.Redistribution
		to   int
		want []string
	}{
		{statebackend.Split, 3, []string{"12", "34", "56"}},
		{statebackend.Split, 2, []string{"1234", "56"}},
		{statebackend.Split, 1, []string{"123456"}},
		{statebackend.Union, 3, []string{"123456", "123456", "123456"}},
		{statebackend.Union, 2, []string{"123456", "123456"}},
	} {
		m := record(testJob(t, fmt.Sprintf(shape, 2)))
		m.setList("src", 0, c.mode, "1234")
		m.setList("src", 1, c.mode, "56")
		job := testJob(t, fmt.Sprintf(shape, c.to))
		a := assign(t, m, job)
		var got []string
		for i := range c.to {
			got = append(got, elements(a.of(job, "src", i)))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v to %d subtasks: %q, want %q", c.mode, c.to, got, c.want)
		}
	}
	// Raw state comes back as it is, broadcast state whole to each.
	m := record(testJob(t, "src p=2"))
	m.setList("src", 0, statebackend.Broadcast, "rules")
	m.setList("src", 1, statebackend.Broadcast, "rules")
	for i := range 2 {
		m.at("src", i).RawOperator = []statebackend.OperatorStateHandle{{Contents: inline("raw"),
			Offsets: []int64{0, 3}}}
	}
	job := testJob(t, "src p=4")
	a := assign(t, m, job)
	raw := 0
	for i := range 4 {
		s := a.of(job, "src", i)
		if elements(s) != "rules" {
			t.Errorf("subtask %d gets the broadcast state %q", i, elements(s))
		}
		for _, h := range s.RawOperator {
			raw++
			if string(h.Contents.Inline) != "raw" || !slices.Equal(h.Offsets, []int64{0, 3}) {
				t.Errorf("raw state comes back as %+v", h)
			}
		}
	}
	if raw != 2 {
		t.Errorf("raw state comes back %d times, want 2", raw)
	}
}

func TestMaxParallelism(t *testing.T) { // R31
	shape := "src\nwin p=%d max=%d keyed %s <- src hash"
	m := record(testJob(t, fmt.Sprintf(shape, 2, 128, "")))
	m.setKeyed("win")
	fixed := testJob(t, fmt.Sprintf(shape, 2, 256, "fixed"))
	refuse(t, m, fixed, `operator "win" (UID win)`, "128 key groups", "maximal parallelism to 128")
	refuse(t, m, testJob(t, fmt.Sprintf(shape, 200, 256, "")), "parallelism is 200", "at most 128")

	derived := testJob(t, fmt.Sprintf(shape, 100, 256, ""))
	refuse(t, m, derived, "256")
	adopted := AdoptMaxParallelism(m, derived)
	assign(t, m, adopted)
	if derived.Vertices[1].MaxParallelism != 256 ||
		derived.Vertices[0].Results[0].ConsumerMaxParallelism != 256 {
		t.Error("the job that was handed in was changed")
	}
	if got := adopted.Vertices[0].Results[0].ConsumerMaxParallelism; got != 128 {
		t.Errorf("producers send to %d key groups, want 128", got)
	}
	if AdoptMaxParallelism(m, fixed) != fixed {
		t.Error("a maximal parallelism that the user fixed was changed")
	}
	// Operator state does not mind.
	m = record(testJob(t, fmt.Sprintf(shape, 2, 128, "")))
	m.setList("win", 0, statebackend.Split, "ab")
	assign(t, m, fixed)
}

// TestEvolution changes the program between savepoint and restore.
func TestEvolution(t *testing.T) {
	m := record(testJob(t, "src p=2\nmap p=2 <- src\ncount p=2 keyed <- map hash\nsink <- count"))
	m.setKeyed("count")
	m.setList("src", 0, statebackend.Split, "a")
	t.Run("reordered", func(t *testing.T) { // R86
		job := testJob(t, "src p=2\ncount p=2 keyed <- src hash\nmap <- count\nsink <- map")
		a := assign(t, m, job)
		if got := string(a.of(job, "count", 1).Keyed[0].Contents.Inline); got != "count/1" {
			t.Errorf("state of count comes from %q", got)
		}
	})
	t.Run("UID changed", func(t *testing.T) { // R86
		job := testJob(t, "src p=2\ncounts p=2 keyed <- src hash\nsink <- counts")
		refuse(t, m, job, `"count" (UID count)`, "--allowNonRestoredState")
	})
	t.Run("added", func(t *testing.T) { // R87
		job := testJob(t, "src p=2\nnew p=2 keyed <- src hash\n"+
			"count p=2 keyed <- new hash\nsink <- count")
		a := assign(t, m, job)
		if r := a.Vertices[job.Vertices[1].ID][0]; len(r.Operators) != 0 || r.Checkpoint != 5 {
			t.Errorf("the new operator begins with %+v", r)
		}
	})
	t.Run("removed", func(t *testing.T) { // R88
		job := testJob(t, "src p=2\nsink <- src")
		refuse(t, m, job, `"count" (UID count)`)
		a, err := Assign(m, job, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Skipped) != 1 || !strings.Contains(a.Skipped[0], "count") {
			t.Errorf("skipped are %q", a.Skipped)
		}
		if elements(a.of(job, "src", 0)) != "a" {
			t.Error("the state of the source is gone, too")
		}
	})
	t.Run("stateless", func(t *testing.T) { // R89: nothing is said of map
		job := testJob(t, "src p=2\nfilter <- src\ncount p=2 keyed <- filter hash\nsink <- count")
		assign(t, m, job)
	})
	t.Run("without UIDs", func(t *testing.T) { // R89
		m := record(testJob(t, "src\nxwin1 keyed <- src hash"))
		m.setKeyed("xwin1")
		job := testJob(t, "src\nmap <- src\nxwin2 keyed <- map hash")
		refuse(t, m, job, `"xwin1" (no UID, id `, "UIDs for all operators with state")
	})
	t.Run("chained", func(t *testing.T) { // state follows its operator into another chain
		job := testJob(t, "src+map p=3\ncount+sink p=3 keyed <- src+map hash")
		a := assign(t, m, job)
		if n := len(a.of(job, "count", 1).Keyed); n != 2 {
			t.Errorf("the middle one of 3 subtasks gets %d handles of 2, want both", n)
		}
	})
	t.Run("many", func(t *testing.T) {
		var text strings.Builder
		for i := range 30 {
			fmt.Fprintf(&text, "src%02d\n", i)
		}
		m := record(testJob(t, text.String()))
		for i := range 30 {
			m.setList(fmt.Sprintf("src%02d", i), 0, statebackend.Split, "x")
		}
		refuse(t, m, testJob(t, "other"), "src00", "and 22 more")
	})
}

func TestAssignCoordinators(t *testing.T) {
	m := record(testJob(t, "src coordinated\nother coordinated"))
	m.vertex("src").Operators[0].Coordinator = []byte("splits")
	job := testJob(t, "src coordinated p=3\nother coordinated")
	a := assign(t, m, job)
	want := map[id.Operator][]byte{id.OperatorFromUID("src"): []byte("splits")}
	if !reflect.DeepEqual(a.Coordinators, want) {
		t.Errorf("coordinators begin with %q, want %q", a.Coordinators, want)
	}
	plain := testJob(t, "src\nother coordinated")
	refuse(t, m, plain, `coordinator of operator "src" (UID src)`)
	if a, err := Assign(m, plain, true); err != nil || len(a.Coordinators) != 0 ||
		len(a.Skipped) != 1 {
		t.Errorf("with -n: %+v, %v", a, err)
	}
	refuse(t, m, testJob(t, "other coordinated"), `"src" (UID src)`)
}

// TestCarriedState: a subtask that never opened its state carries the handles that it was given on.
// After a rescale these hold key groups of others, too.
func TestCarriedState(t *testing.T) {
	shape := "src\nwin p=%d max=4 keyed <- src hash"
	whole := statebackend.KeyedHandle{Range: keygroup.Range{First: 0, Last: 3}, Format: "f",
		Contents: inline("whole")}
	m := record(testJob(t, fmt.Sprintf(shape, 2)))
	m.at("win", 0).Keyed = []statebackend.KeyedHandle{whole}
	m.at("win", 1).Keyed = []statebackend.KeyedHandle{whole}
	for to := 1; to <= 4; to++ {
		job := testJob(t, fmt.Sprintf(shape, to))
		a := assign(t, m, job)
		for i := range to {
			if n := len(a.of(job, "win", i).Keyed); n != 1 {
				t.Errorf("subtask %d of %d gets %d handles, want 1", i, to, n)
			}
		}
	}
	m.at("win", 1).Keyed = []statebackend.KeyedHandle{{Range: keygroup.Range{First: 2, Last: 3},
		Format: "f", Contents: inline("newer")}}
	refuse(t, m, testJob(t, fmt.Sprintf(shape, 1)), `"win"`, "parallelism")
}

func finishedOf(a *Assignment, job *graph.JobGraph, vertex string) string {
	var b strings.Builder
	for i := range job.Vertices {
		if job.Vertices[i].Name == vertex {
			for _, s := range a.Vertices[job.Vertices[i].ID] {
				if s.Finished {
					b.WriteByte('F')
				} else {
					b.WriteByte('-')
				}
			}
		}
	}
	return b.String()
}

// end makes subtasks come to their end before the checkpoint: with their state if they waited for
// it, else without any.
func (m *Metadata) end(vertex string, waited bool, subtasks ...int) {
	v := m.vertex(vertex)
	for _, s := range subtasks {
		v.Subtasks[s].Finished = true
		if !waited {
			v.Subtasks[s].Operators = nil
		}
	}
}

func TestAssignFinished(t *testing.T) {
	shape := "src p=%d\nmap p=%[1]d <- src forward\nsink p=%[1]d <- map"
	old := testJob(t, fmt.Sprintf(shape, 2))
	check := func(t *testing.T, m *Metadata, job *graph.JobGraph, want ...string) {
		t.Helper()
		a := assign(t, m, job)
		var got []string
		for _, v := range job.Vertices {
			got = append(got, finishedOf(a, job, v.Name))
		}
		if !slices.Equal(got, want) {
			t.Errorf("finished are %q, want %q", got, want)
		}
	}
	t.Run("some", func(t *testing.T) {
		m := record(old)
		m.end("src", false, 0)
		m.end("map", false, 0)
		check(t, m, old, "F-", "F-", "--")
		// At another parallelism all run again.
		check(t, m, testJob(t, fmt.Sprintf(shape, 3)), "---", "---", "---")
		m.setListOf("src", 1, statebackend.Union)
		check(t, m, old, "F-", "F-", "--")
		refuse(t, m, testJob(t, fmt.Sprintf(shape, 3)), "subtask 0", "union", "parallelism")
	})
	t.Run("all", func(t *testing.T) {
		m := record(old)
		m.end("src", false, 0, 1)
		m.end("map", false, 0, 1)
		m.end("sink", true, 0, 1)
		m.setList("sink", 1, statebackend.Split, "t")
		check(t, m, old, "FF", "FF", "FF")
		job := testJob(t, fmt.Sprintf(shape, 3))
		check(t, m, job, "FFF", "FFF", "FFF")
		// The transaction that waits for its commit is still there.
		a, found := assign(t, m, job), ""
		for i := range 3 {
			found += elements(a.of(job, "sink", i))
		}
		if found != "t" {
			t.Errorf("state of finished sinks is %q, want t", found)
		}
	})
	t.Run("consumer before producer", func(t *testing.T) { // at-least-once mode
		m := record(old)
		m.end("sink", true, 0, 1)
		check(t, m, old, "--", "--", "--")
		check(t, m, testJob(t, fmt.Sprintf(shape, 3)), "---", "---", "---")
		m.end("sink", false, 0)
		refuse(t, m, testJob(t, fmt.Sprintf(shape, 3)), `"sink"`, `"map"`)
		refuse(t, m, old, `"sink"`, `"map"`)
	})
	t.Run("source before it", func(t *testing.T) {
		m := record(old)
		for _, v := range []string{"src", "map", "sink"} {
			m.end(v, false, 0, 1)
		}
		refuse(t, m, testJob(t, "new\nsrc p=2\nmap p=2 <- src forward, new\nsink <- map"),
			`"map"`, `"new"`, "UID")
		refuse(t, m, testJob(t, "new+map p=2\nsink <- new+map"), `"map"`, `source "new" is new`)
	})
	t.Run("chained", func(t *testing.T) {
		m := record(old)
		m.end("src", false, 0, 1)
		refuse(t, m, testJob(t, "src+map p=2\nsink p=2 <- src+map"), `"map"`, "chaining")
	})
}

func (m *Metadata) setListOf(op string, subtask int, mode statebackend.Redistribution) {
	m.setList(op, subtask, mode, "x")
}
