package dataplane

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goflink/core/stream"
	"goflink/core/typeinfo"
)

const benchRecords = 512

// BenchmarkLocalBatch is what a batch of 512 records costs on its way through a local exchange, put
// and polled by one goroutine; the batch itself is filled once.
func BenchmarkLocalBatch(b *testing.B) {
	for _, channels := range []int{1, 16} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			p := newPartition(b, PartitionOptions{Channels: channels})
			gates := make([]*Gate, channels)
			r := NewRegistry(RegistryOptions{})
			if err := r.Add(p); err != nil {
				b.Fatal(err)
			}
			for i := range gates {
				g, err := NewGate(GateOptions{Name: "bench", Registry: r, Type: recType,
					Sources: []ChannelSource{{Partition: p.ID(), Index: i}}})
				if err != nil {
					b.Fatal(err)
				}
				g.Connect()
				defer g.Close()
				gates[i] = g
			}
			batch := recs(0, 0, benchRecords)
			b.ReportAllocs()
			cpu := cpuTime(b)
			for i := 0; b.Loop(); i++ {
				c := i % channels
				if !p.Available() {
					b.Fatal("not available")
				}
				if err := p.Put(c, batch); err != nil {
					b.Fatal(err)
				}
				if _, _, ok, err := gates[c].Poll(); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkLocalPipeline is a batch of 512 records between two goroutines that fill, put, poll and
// release it.
func BenchmarkLocalPipeline(b *testing.B) {
	p := newPartition(b, PartitionOptions{MayBlock: true})
	g := wakeable(connected(b, recType, 0, p))
	b.ReportAllocs()
	pump(b, p, g, func() stream.Carrier { return recs(0, 0, benchRecords) })
}

// pump sends b.N batches from one goroutine to another and reports records per second of CPU time
// of both together.
func pump(b *testing.B, p *Partition, g *netGate, batch func() stream.Carrier) {
	available := make(chan struct{}, 1)
	p.OnAvailable(func() {
		select {
		case available <- struct{}{}:
		default:
		}
	})
	cpu := cpuTime(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range b.N {
			for !p.Available() {
				<-available
			}
			if err := p.Put(0, batch()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	for n := 0; n < b.N*benchRecords; {
		_, e, err := g.await(b)
		if err != nil {
			b.Fatal(err)
		}
		n += e.Batch.Len()
		e.Batch.Release()
	}
	b.StopTimer()
	wg.Wait()
	b.ReportMetric(float64(b.N*benchRecords)/(cpuTime(b)-cpu).Seconds(), "records/cpu-s")
	b.ReportMetric(float64(b.N*benchRecords)/b.Elapsed().Seconds(), "records/s")
}

// cpuTime is the CPU time of the process so far, kernel included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// event is a record of about 100 bytes.
type event struct {
	ID   int64
	Body string
}

var eventType = stream.NewType(typeinfo.MustOf[event]())

// BenchmarkNetwork is a batch of 512 records over loopback, encoding, both ends and the kernel
// included: records of three integers, and of 100 bytes; plain and with TLS.
func BenchmarkNetwork(b *testing.B) {
	body := strings.Repeat("x", 91)
	for _, secure := range []bool{false, true} {
		var o rigOptions
		suffix := ""
		if secure {
			o, suffix = mutualTLS(b), "-tls"
		}
		b.Run("24B"+suffix, func(b *testing.B) {
			benchNetwork(b, o, recType, 24, func() stream.Carrier {
				batch := recType.NewBatch()
				for i := range benchRecords {
					batch.Append(rec{1, int64(i), 2}, stream.NoTimestamp)
				}
				return batch
			})
		})
		b.Run("100B"+suffix, func(b *testing.B) {
			benchNetwork(b, o, eventType, 100, func() stream.Carrier {
				batch := eventType.NewBatch()
				for i := range benchRecords {
					batch.Append(event{int64(i), body}, stream.NoTimestamp)
				}
				return batch
			})
		})
	}
}

func benchNetwork(b *testing.B, o rigOptions, typ stream.AnyType, size int64,
	batch func() stream.Carrier) {
	r := newRig(b, o)
	p := r.partition(b, PartitionOptions{MayBlock: true})
	g := r.gate(b, typ, 0, p.ID())
	b.ReportAllocs()
	b.SetBytes(benchRecords * size)
	pump(b, p, g, batch)
}

// BenchmarkNetworkLatency is the time from putting a lone record to polling it, over loopback.
func BenchmarkNetworkLatency(b *testing.B) {
	r := newRig(b, rigOptions{})
	p := r.partition(b, PartitionOptions{MayBlock: true})
	g := r.gate(b, recType, 0, p.ID())
	put(b, p, 0, recs(0, 0, 1))
	g.take(b, 1)
	for b.Loop() {
		put(b, p, 0, recs(0, 0, 1))
		_, e := g.next(b)
		e.Batch.Release()
	}
}
