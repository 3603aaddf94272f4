package checkpoint

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"goflink/core/statebackend"
)

// largeJob is a job of 5 vertices with 2,000 subtasks each.
const largeJob = "src p=2000 max=8192\nmap p=2000 max=8192 <- src forward\n" +
	"win p=2000 max=8192 keyed <- map hash\nagg p=2000 max=8192 keyed <- win hash\n" +
	"sink p=2000 max=8192 <- agg"

// BenchmarkCheckpoint takes whole checkpoints of 10,000 tasks.
func BenchmarkCheckpoint(b *testing.B) {
	w := newWorld(b, testJob(b, largeJob), Options{Epoch: 1})
	w.auto = true
	w.step(TasksRunning{Attempts: w.tasks("all")})
	all := w.tasks("all")
	for b.Loop() {
		w.advance(10 * time.Second)
		for _, a := range all {
			w.step(Acknowledged{Attempt: a, Checkpoint: w.c.last,
				Snapshot: w.snapshot(a, w.c.last)})
		}
		w.effects = nil
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/task")
}

// BenchmarkStart tells the coordinator of 10,000 tasks one by one.
func BenchmarkStart(b *testing.B) {
	job := testJob(b, largeJob)
	for b.Loop() {
		w := newWorld(b, job, Options{Epoch: 1})
		for _, a := range w.tasks("all") {
			w.step(TasksRunning{Attempts: append(w.tasks(), a)})
		}
	}
}

// largeMetadata is a checkpoint of the large job with keyed state in two vertices.
func largeMetadata(b *testing.B) *Metadata {
	m := record(testJob(b, largeJob))
	m.setKeyed("win")
	m.setKeyed("agg")
	for i := range 2000 {
		m.setList("src", i, statebackend.Split, fmt.Sprint("offset", i))
		for _, op := range []string{"win", "agg"} {
			h := &m.at(op, i).Keyed[0]
			h.Offsets = make([]int64, h.Range.Len())
			for j := range h.Offsets {
				h.Offsets[j] = int64(j) * 10_000
			}
		}
	}
	return m
}

func BenchmarkEncode(b *testing.B) {
	m := largeMetadata(b)
	var buf bytes.Buffer
	for b.Loop() {
		buf.Reset()
		if err := Encode(&buf, m, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(buf.Len()), "file-bytes")
}

func BenchmarkDecode(b *testing.B) {
	file := encode(b, largeMetadata(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(file, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAssign restores the large job at half its parallelism.
func BenchmarkAssign(b *testing.B) {
	m := largeMetadata(b)
	job := testJob(b, "src p=1000\nmap p=1000 <- src forward\n"+
		"win p=1000 max=8192 keyed <- map hash\nagg p=1000 max=8192 keyed <- win hash\n"+
		"sink p=1000 <- agg")
	for b.Loop() {
		if _, err := Assign(m, job, false); err != nil {
			b.Fatal(err)
		}
	}
}
