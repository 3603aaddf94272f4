package reading

import (
	"encoding/json"
	"fmt"

	"goflink/core/source"
)

// pool is an enumerator with a list of splits that readers pull one by one.
type pool struct {
	ctx    source.EnumeratorContext
	splits []source.Split
}

var _ source.Enumerator = (*pool)(nil)

// newPool returns a pool of what was restored, or of the splits that discover finds.
func newPool(ctx source.EnumeratorContext, restored []byte,
	discover func() ([]source.Split, error)) (*pool, error) {
	p := &pool{ctx: ctx}
	var err error
	if restored == nil {
		p.splits, err = discover()
	} else if err = json.Unmarshal(restored, &p.splits); err != nil {
		err = fmt.Errorf("state of a split enumerator: %w", err)
	}
	return p, err
}

func (p *pool) Start() error { return nil }

// RequestSplit gives the reader the next split, or says that there are no more.
func (p *pool) RequestSplit(subtask int, _ string) error {
	if len(p.splits) == 0 {
		return p.ctx.NoMoreSplits(subtask)
	}
	s := p.splits[0]
	p.splits = p.splits[1:]
	return p.ctx.Assign(subtask, []source.Split{s})
}

func (p *pool) AddBack(_ int, splits []source.Split) error {
	p.splits = append(splits, p.splits...)
	return nil
}

func (p *pool) ReaderAdded(int) error           { return nil }
func (p *pool) ReaderEvent(int, []byte) error   { return nil }
func (p *pool) Snapshot(uint64) ([]byte, error) { return json.Marshal(p.splits) }
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
