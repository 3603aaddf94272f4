package entrypoint

import (
	"context"
	"sync/atomic"
	"testing"

	"goflink/datastream"
)

// TestRunMap: R33, R130: a program runs to its end on an embedded cluster.
func TestRunMap(t *testing.T) {
	var sum atomic.Int64
	err := Run(context.Background(), func(env *datastream.Environment, _ []string) error {
		env.SetParallelism(2)
		numbers := datastream.FromSequence(env, 1, 10_000)
		doubled := datastream.Map(numbers, func(n int64) int64 { return 2 * n })
		even := doubled.Rebalance().Filter(func(n int64) bool { return n%4 == 0 })
		even.ForEach(func(n int64) { sum.Add(n) })
		_, err := env.Execute("doubles")
		return err
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(4 * (5000 * 5001 / 2)); sum.Load() != want {
		t.Fatalf("sum = %d, want %d", sum.Load(), want)
	}
}
