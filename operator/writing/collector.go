package writing

import (
	"errors"
	"fmt"
	"sync"

	"goflink/core/typeinfo"
	"goflink/operator"
)

// CollectCoordinator is the factory of the JobMaster's part of a collecting sink: it keeps results
// until a client has fetched them, also after the job's end.
func CollectCoordinator(ctx operator.CoordinatorContext) (operator.Coordinator, error) {
	return &collectCoordinator{ctx: ctx}, nil
}

// collectCoordinator is asked by one goroutine while the job runs, afterwards by several.
type collectCoordinator struct {
	ctx operator.CoordinatorContext
	mu  struct {
		sync.Mutex
		// pages are those that the client has not taken; next is the number behind them.
		pages []collectPage
		next  uint64
		taken uint64
		// given is the number behind those that were in an answer.
		given uint64
		// marks say up to where checkpoints of the coordinator hold the results.
		marks   []collectMark
		running bool
		over    bool
		lost    string
	}
}

var _ operator.Coordinator = (*collectCoordinator)(nil)

// collectState is the coordinator's part of a checkpoint.
type collectState struct {
	Next, Taken uint64
	Pages       []collectPage
}

var collectStateType = typeinfo.MustOf[collectState]()

func (c *collectCoordinator) Start() error { return nil }

// Restore takes the results of a checkpoint, unless it has them: what it got belongs to checkpoints
// that were complete, so nothing of it is taken back.
func (c *collectCoordinator) Restore(_ uint64, state []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.marks, c.mu.running = nil, false
	if state == nil {
		return nil
	}
	s, err := unmarshal(collectStateType, state)
	if err != nil {
		return err
	}
	if s.Next > c.mu.next {
		c.mu.pages, c.mu.next, c.mu.taken = s.Pages, s.Next, s.Taken
	}
	return nil
}

func (c *collectCoordinator) Snapshot(checkpoint uint64) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.marks = append(c.mu.marks, collectMark{checkpoint, c.mu.next})
	return marshal(collectStateType, collectState{c.mu.next, c.mu.taken, c.mu.pages})
}

// CheckpointComplete tells the sink what it need not keep any more.
func (c *collectCoordinator) CheckpointComplete(checkpoint uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	safe, kept := uint64(0), c.mu.marks[:0]
	for _, m := range c.mu.marks {
		if m.checkpoint <= checkpoint {
			safe = max(safe, m.end)
		} else {
			kept = append(kept, m)
		}
	}
	c.mu.marks = kept
	return c.orderLocked(safe)
}

// orderLocked tells the sink what the client has taken and what is safe.
func (c *collectCoordinator) orderLocked(safe uint64) error {
	if !c.mu.running || c.mu.over {
		return nil
	}
	b, err := marshal(orderType, collectOrder{Taken: c.mu.taken, Safe: safe})
	if err != nil {
		return err
	}
	return c.ctx.Send(0, b)
}

// Event takes results.
func (c *collectCoordinator) Event(_, _ int, event []byte) error {
	e, err := unmarshal(eventType, event)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Begins {
		c.beginLocked(e.Begin)
		return nil
	}
	switch p := e.Page; {
	case p.end() <= c.mu.next:
		// It was handed over before the failure.
		return nil
	case p.First != c.mu.next:
		return fmt.Errorf("collect: results from %d on came where %d was expected", p.First,
			c.mu.next)
	default:
		c.mu.pages = append(c.mu.pages, p)
		c.mu.next = p.end()
		return nil
	}
}

// beginLocked takes back the results from a number on: without checkpoints they are made again. If
// the client has some of them, it cannot have each once.
func (c *collectCoordinator) beginLocked(begin uint64) {
	if has := max(c.mu.taken, c.mu.given); has > begin {
		c.mu.lost = fmt.Sprintf("the job has failed and was restarted, and the results from %d "+
			"on are made again, but %d of them had been fetched; with checkpoints each result "+
			"comes once", begin, has-begin)
	}
	if len(c.mu.pages) == 0 {
		c.mu.taken = max(c.mu.taken, begin)
	}
	for n := len(c.mu.pages); n > 0 && c.mu.pages[n-1].First >= begin; n-- {
		c.mu.pages = c.mu.pages[:n-1]
	}
	c.mu.next = begin
}

// SubtaskReady tells the sink what has become of earlier results.
func (c *collectCoordinator) SubtaskReady(int, int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.running = true
	return c.orderLocked(0)
}

func (c *collectCoordinator) SubtaskFailed(int, int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.running = false
	return nil
}

func (c *collectCoordinator) SubtaskReset(int, uint64) error { return nil }

// Close notes that the job has ended. Request goes on.
func (c *collectCoordinator) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.over = true
	return nil
}

// Request answers a client (Collected).
func (c *collectCoordinator) Request(request []byte) ([]byte, error) {
	r, err := unmarshal(requestType, request)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Fresh {
		r.From = c.mu.taken
	}
	if r.From < c.mu.taken {
		return nil, errors.New("collect: another client has fetched these results")
	}
	a := collectAnswer{From: r.From, Lost: c.mu.lost}
	if err := c.takeLocked(r.From); err != nil {
		return nil, err
	}
	bytes := uint64(0)
	for i := range c.mu.pages {
		if n := uint64(len(c.mu.pages[i].Data)); i == 0 || bytes+n <= r.MaxBytes {
			bytes += n
			a.Pages = c.mu.pages[:i+1]
			c.mu.given = max(c.mu.given, c.mu.pages[i].end())
			continue
		}
		break
	}
	a.Over = c.mu.over && len(a.Pages) == len(c.mu.pages)
	return marshal(answerType, a)
}

// takeLocked forgets the results that the client has, and tells the sink that there is room.
func (c *collectCoordinator) takeLocked(from uint64) error {
	c.mu.taken = from
	n := 0
	for n < len(c.mu.pages) && c.mu.pages[n].end() <= from {
		n++
	}
	if n == 0 {
		return nil
	}
	c.mu.pages = append([]collectPage(nil), c.mu.pages[n:]...)
	return c.orderLocked(0)
}
