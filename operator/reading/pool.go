package reading

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"goflink/core/source"
)

// pool is an enumerator with a list of splits that readers pull one by one.
type pool struct {
	ctx source.EnumeratorContext
	// find looks for the splits, elsewhere; until it has, the readers wait.
	find    func(ctx context.Context) ([]source.Split, error)
	state   poolState
	waiting []int
	// place is where each split stood in the list that was found or restored. What comes back is
	// put there again: a reader must not get a split with times before those that it has read,
	// whose records would come behind its watermark.
	place map[string]int
}

// poolState is the pool's part of a checkpoint.
type poolState struct {
	// Found says that the splits are known.
	Found  bool           `json:",omitempty"`
	Splits []source.Split `json:",omitempty"`
}

var _ source.Enumerator = (*pool)(nil)

// newPool returns a pool of what was restored, or of the given splits.
func newPool(ctx source.EnumeratorContext, restored []byte, splits func() []source.Split) (
	*pool, error) {
	p, err := newFindingPool(ctx, restored, nil)
	if err == nil && !p.state.Found {
		p.found(splits())
	}
	return p, err
}

// found begins with the list of all splits.
func (p *pool) found(splits []source.Split) {
	p.state = poolState{true, splits}
	p.place = make(map[string]int, len(splits))
	for i := range splits {
		p.place[splits[i].ID] = i
	}
}

// newFindingPool returns a pool of what was restored, or of the splits that find finds.
func newFindingPool(ctx source.EnumeratorContext, restored []byte,
	find func(ctx context.Context) ([]source.Split, error)) (*pool, error) {
	p := &pool{ctx: ctx, find: find}
	if restored == nil {
		return p, nil
	}
	if err := json.Unmarshal(restored, &p.state); err != nil {
		return nil, fmt.Errorf("state of a split enumerator: %w", err)
	}
	if p.state.Found {
		p.found(p.state.Splits)
	}
	return p, nil
}

// Start looks for the splits if they are not known.
func (p *pool) Start() error {
	if p.state.Found {
		return nil
	}
	var splits []source.Split
	p.ctx.Go(func(ctx context.Context) (err error) {
		splits, err = p.find(ctx)
		return err
	}, func(err error) error {
		if err != nil {
			return err
		}
		p.found(splits)
		waiting := p.waiting
		p.waiting = nil
		for _, subtask := range waiting {
			if err := p.RequestSplit(subtask, ""); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

// RequestSplit gives the reader the next split, or says that there are no more.
func (p *pool) RequestSplit(subtask int, _ string) error {
	if !p.state.Found {
		p.waiting = append(p.waiting, subtask)
		return nil
	}
	if len(p.state.Splits) == 0 {
		return p.ctx.NoMoreSplits(subtask)
	}
	s := p.state.Splits[0]
	p.state.Splits = p.state.Splits[1:]
	return p.ctx.Assign(subtask, []source.Split{s})
}

// AddBack puts the splits of a failed reader in their places.
func (p *pool) AddBack(_ int, splits []source.Split) error {
	p.state.Splits = slices.Concat(splits, p.state.Splits)
	slices.SortStableFunc(p.state.Splits, func(a, b source.Split) int {
		return cmp.Compare(p.place[a.ID], p.place[b.ID])
	})
	return nil
}

// ReaderAdded forgets what an earlier attempt of the reader asked for.
func (p *pool) ReaderAdded(subtask int) error {
	p.waiting = slices.DeleteFunc(p.waiting, func(s int) bool { return s == subtask })
	return nil
}

func (p *pool) ReaderEvent(int, []byte) error   { return nil }
func (p *pool) Snapshot(uint64) ([]byte, error) { return json.Marshal(p.state) }
func (p *pool) Close() error                    { return nil }

// puller is the reader's end of a pool: it asks for a split when it has none.
type puller struct {
	ctx       source.ReaderContext
	requested bool
	noMore    bool
}

// need is called when the reader has no split: it asks for one, once.
func (p *puller) need() (source.Status, error) {
	if p.noMore {
		return source.End, nil
	}
	if !p.requested {
		p.requested = true
		return source.Idle, p.ctx.RequestSplit()
	}
	return source.Idle, nil
}

// got notes that splits came.
func (p *puller) got() {
	p.requested = false
	p.ctx.Wake()
}

// NoMoreSplits notes that no further split will come.
func (p *puller) NoMoreSplits() error {
	p.noMore = true
	p.ctx.Wake()
	return nil
}

// Event refuses events: pools send none.
func (p *puller) Event([]byte) error {
	return fmt.Errorf("an event came for a reader that takes none")
}
