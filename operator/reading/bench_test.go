package reading_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"goflink/core/filesystem"
	"goflink/core/source"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator/reading"
	"goflink/runtime/localfs"
)

// alone is the context of a reader that is polled without a task.
type alone struct{ source.ReaderContext }

func (alone) Wake()               {}
func (alone) RequestSplit() error { return nil }
func (alone) Now() int64          { return 0 }

// BenchmarkTextFile reads a file of the local file system with lines of a length; a CPU-second
// reads what ns/op says for one core.
func BenchmarkTextFile(b *testing.B) {
	for _, length := range []int{20, 100, 1000} {
		b.Run(fmt.Sprintf("line=%d", length), func(b *testing.B) {
			const size = 64 << 20
			dir := b.TempDir()
			line := append(bytes.Repeat([]byte("x"), length-1), '\n')
			path := filepath.Join(dir, "lines.txt")
			if err := os.WriteFile(path, bytes.Repeat(line, size/length), 0o600); err != nil {
				b.Fatal(err)
			}
			files, err := filesystem.NewRegistry("file:///")
			if err != nil {
				b.Fatal(err)
			}
			if err := files.Register("file", localfs.Open); err != nil {
				b.Fatal(err)
			}
			src := reading.TextFile{Files: files, Path: path}
			began, runs := cpuTime(b), 0
			for b.Loop() {
				if n := readAll[string](b, src); n != size/length {
					b.Fatalf("%d lines, want %d", n, size/length)
				}
				runs++
			}
			used := (cpuTime(b) - began).Seconds()
			b.ReportMetric(float64(runs)*size/1e6/used, "MB/cpu-s")
			b.ReportMetric(used*1e9/float64(runs)/float64(size/length), "cpu-ns/line")
		})
	}
}

// cpuTime is the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// readAll reads all splits of a source with one reader.
func readAll[T any](b *testing.B, src source.Source[T]) (n int) {
	x := &splitsOf{}
	e, err := src.NewEnumerator(x, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Start(); err != nil {
		b.Fatal(err)
	}
	r, err := src.NewReader(alone{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	batch := stream.NewType(typeinfo.MustOf[T]()).NewBatch()
	for !x.end {
		if err := e.RequestSplit(0, ""); err != nil {
			b.Fatal(err)
		}
		if err := r.AddSplits(x.splits); err != nil {
			b.Fatal(err)
		}
		for status := source.More; status == source.More; {
			batch.Reset()
			if _, status, err = r.Poll(batch, stream.MaxBatchRecords); err != nil {
				b.Fatal(err)
			}
			n += len(batch.Values)
		}
		x.splits = nil
	}
	return n
}

// splitsOf is an enumerator's context that keeps what it assigns.
type splitsOf struct {
	splits []source.Split
	end    bool
}

func (*splitsOf) Parallelism() int            { return 1 }
func (*splitsOf) SendEvent(int, []byte) error { return nil }

func (x *splitsOf) Assign(_ int, s []source.Split) error {
	x.splits = s
	return nil
}

func (x *splitsOf) NoMoreSplits(int) error {
	x.end = true
	return nil
}

func (x *splitsOf) Go(work func(ctx context.Context) error, done func(err error) error) {
	if err := done(work(context.Background())); err != nil {
		panic(err)
	}
}

// BenchmarkNumbers is the cost of a record of the sources that make their records.
func BenchmarkNumbers(b *testing.B) {
	const n = 1 << 20
	typ := typeinfo.MustOf[int64]()
	vs := make([]int64, n)
	encoded, err := reading.EncodeCollection(typ, vs)
	if err != nil {
		b.Fatal(err)
	}
	c, err := reading.NewCollection(typ, encoded)
	if err != nil {
		b.Fatal(err)
	}
	for name, src := range map[string]source.Source[int64]{
		"sequence":   reading.Sequence[int64]{Last: n - 1, Value: same},
		"value":      reading.Generator[int64]{Count: n, Value: same},
		"fill":       reading.Generator[int64]{Count: n, Fill: fill},
		"collection": c,
	} {
		b.Run(name, func(b *testing.B) {
			began, runs := cpuTime(b), 0
			for b.Loop() {
				if got := readAll(b, src); got != n {
					b.Fatalf("%d records", got)
				}
				runs++
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(runs*n), "cpu-ns/record")
		})
	}
}
