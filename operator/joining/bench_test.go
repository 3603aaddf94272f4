package joining_test

import (
	"fmt"
	"testing"
	"time"

	"goflink/core/stream"
	"goflink/operator"
	"goflink/operator/joining"
	"goflink/operator/operatortest"
)

// counted counts pairs and emits nothing.
type counted struct{ n int }

func (f *counted) ProcessElement(order, payment, *joining.Context[string],
	*operator.Emitter[string],
) error {
	f.n++
	return nil
}

// BenchmarkIntervalJoin joins, per key, each order with the payments of the last 20 ms.
func BenchmarkIntervalJoin(b *testing.B) {
	for _, keys := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			fn := &counted{}
			f, err := joining.IntervalJoin(within(b, -20*time.Millisecond, 20*time.Millisecond),
				func() joining.ProcessJoinFunction[string, order, payment, string] { return fn })
			if err != nil {
				b.Fatal(err)
			}
			o := withState(f)
			o.CheckMutation = false
			h := operatortest.New(b, o)
			left := h.Operator(0).Input(0).(stream.Receiver[order])
			right := h.Operator(0).Input(1).(stream.Receiver[payment])
			names := make([]string, keys)
			for i := range names {
				names[i] = fmt.Sprint("customer-", i)
			}
			n, at := 0, int64(0)
			b.ReportAllocs()
			for b.Loop() {
				var ob stream.Batch[order]
				var pb stream.Batch[payment]
				for range 512 {
					n++
					if n%max(1, keys/10) == 0 {
						at++
					}
					ob.Append(order{names[n*7919%keys], n}, at)
					pb.Append(payment{names[n*104729%keys], n}, at)
				}
				feed(b, left.Batch(&ob), right.Batch(&pb), left.Watermark(at-1),
					right.Watermark(at-1))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*n), "ns/record")
			b.ReportMetric(float64(fn.n)/float64(n), "pairs/order")
		})
	}
}

func feed(b *testing.B, errs ...error) {
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}
