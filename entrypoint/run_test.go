package entrypoint

import (
	"context"
	"sync/atomic"
	"testing"

	"goflink/core/config"
	"goflink/datastream"
)

// TestRunMap: R33, R130: a program runs to its end on an embedded cluster.
func TestRunMap(t *testing.T) {
	for _, exchange := range []string{"false", "true"} {
		t.Run("network="+exchange, func(t *testing.T) { runMap(t, exchange) })
	}
}

func runMap(t *testing.T, overNetwork string) {
	conf := config.New()
	conf.Set("taskmanager.network.force-remote-exchange", overNetwork, "the test")
	var sum atomic.Int64
	err := Run(context.Background(), func(env *datastream.Environment, _ []string) error {
		env.SetParallelism(2)
		numbers := datastream.FromSequence(env, 1, 10_000)
		doubled := datastream.Map(numbers, func(n int64) int64 { return 2 * n })
		even := doubled.Rebalance().Filter(func(n int64) bool { return n%4 == 0 })
		even.ForEach(func(n int64) { sum.Add(n) })
		_, err := env.Execute("doubles")
		return err
	}, nil, conf)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(4 * (5000 * 5001 / 2)); sum.Load() != want {
		t.Fatalf("sum = %d, want %d", sum.Load(), want)
	}
}
