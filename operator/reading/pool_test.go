package reading_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"goflink/core/source"
	"goflink/operator/reading"
)

// dealt is a context that notes which splits each reader gets.
type dealt struct {
	readers int
	splits  map[int][]source.Split
}

func (d *dealt) Parallelism() int { return d.readers }

func (d *dealt) Assign(subtask int, splits []source.Split) error {
	d.splits[subtask] = append(d.splits[subtask], splits...)
	return nil
}

func (d *dealt) NoMoreSplits(int) error      { return nil }
func (d *dealt) SendEvent(int, []byte) error { return fmt.Errorf("a pool sends no events") }

func (d *dealt) Go(func(context.Context) error, func(error) error) {}

// TestPoolKeepsOrder: splits that come back are dealt out again before those behind them, whichever
// reader failed first, also after a restore: no record comes behind a watermark of its own reader
// (R58, R91).
func TestPoolKeepsOrder(t *testing.T) {
	numbers := reading.Sequence[int64]{Last: 99, Value: func(n int64) int64 { return n }}
	d := &dealt{readers: 3, splits: map[int][]source.Split{}}
	e, err := numbers.NewEnumerator(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(readers ...int) (ids []string) {
		for _, r := range readers {
			if err := e.RequestSplit(r, ""); err != nil {
				t.Fatal(err)
			}
			got := d.splits[r]
			ids = append(ids, got[len(got)-1].ID)
		}
		return ids
	}
	giveBack := func(readers ...int) {
		for _, r := range readers {
			if err := e.AddBack(r, d.splits[r]); err != nil {
				t.Fatal(err)
			}
			delete(d.splits, r)
		}
	}
	first := ask(0)
	d.splits = map[int][]source.Split{}
	state, err := e.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	want := ask(0, 1, 2, 1, 0, 2)
	giveBack(0, 1, 2)
	if again := ask(0, 0, 0, 0, 0, 0); !slices.Equal(again, want) {
		t.Errorf("dealt out %v, and then %v", want, again)
	}
	if e, err = numbers.NewEnumerator(d, state); err != nil {
		t.Fatal(err)
	}
	d.splits = map[int][]source.Split{}
	ask(2, 1, 0, 0, 1, 2)
	giveBack(2, 0, 1)
	if again := ask(1, 1, 1, 1, 1, 1); !slices.Equal(again, want) ||
		slices.Contains(again, first[0]) {
		t.Errorf("dealt out %v, and after a restore %v", want, again)
	}
}
