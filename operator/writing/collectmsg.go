package writing

import (
	"fmt"

	"goflink/core/typeinfo"
)

const (
	// MaxCollectBytes bounds the results that a collecting sink holds for the next checkpoint.
	MaxCollectBytes = 256 << 20
	// CollectWindowBytes bounds the results on the JobMaster that nobody has fetched; beyond it the
	// sink holds the job back. The results of a job that has ended are there as a whole.
	CollectWindowBytes = 32 << 20
	// CollectPageBytes is how many results are sent together; one that is larger goes alone.
	CollectPageBytes = 256 << 10
	// MaxCollectRecordBytes bounds an encoded result.
	MaxCollectRecordBytes = 2 << 20
	// maxPageRecords bounds the results of a page, which may take no bytes.
	maxPageRecords = 1 << 16
)

// collectPage is results that follow each other: records First to First+Count-1, encoded together.
type collectPage struct {
	First, Count uint64
	Data         []byte
}

func (p *collectPage) end() uint64 { return p.First + p.Count }

// collectEvent is a message of the sink to its coordinator: a page, or, of a sink that hands
// results over without waiting for checkpoints, with which number it begins.
type collectEvent struct {
	Page   collectPage
	Begins bool
	Begin  uint64
}

// collectOrder is a message of the coordinator to the sink: the client has taken the records before
// Taken; those before Safe are in a checkpoint of the coordinator.
type collectOrder struct {
	Taken, Safe uint64
}

// collectRequest asks the coordinator of a collecting sink for results.
type collectRequest struct {
	// From is the number of the next result that the client wants: it has all those before. Fresh
	// asks for the oldest that nobody has taken instead.
	From  uint64
	Fresh bool
	// MaxBytes bounds the answer; one page comes in any case if there is one.
	MaxBytes uint64
}

// collectAnswer is the answer to a request.
type collectAnswer struct {
	// From is the number of the first result that was asked for.
	From  uint64
	Pages []collectPage
	// Over says that no more will come: the job has ended and all it had is here or before.
	Over bool
	// Lost says why the client cannot have all results once; empty if it can.
	Lost string
}

var (
	eventType   = typeinfo.MustOf[collectEvent]()
	orderType   = typeinfo.MustOf[collectOrder]()
	requestType = typeinfo.MustOf[collectRequest]()
	answerType  = typeinfo.MustOf[collectAnswer]()
)

func unmarshal[T any](typ *typeinfo.Type[T], b []byte) (v T, err error) {
	rest, err := typ.Decode(b, &v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	if err != nil {
		err = fmt.Errorf("message about collected results: %w", err)
	}
	return v, err
}

func marshal[T any](typ *typeinfo.Type[T], v T) ([]byte, error) { return typ.Append(nil, &v) }

// Collected reads the results of a collecting sink from its coordinator's answers: send it Request,
// and give what it answers to Read, until that says that all is over. One goroutine uses it.
type Collected[T any] struct {
	typ     *typeinfo.Type[T]
	next    uint64
	started bool
}

// NewCollected returns the reader of results of a type.
func NewCollected[T any](typ *typeinfo.Type[T]) *Collected[T] { return &Collected[T]{typ: typ} }

// Request is the next request.
func (c *Collected[T]) Request() ([]byte, error) {
	return marshal(requestType, collectRequest{From: c.next, Fresh: !c.started,
		MaxBytes: 4 * CollectPageBytes})
}

// Read returns the results of an answer that the reader does not have yet; over says that they are
// the last.
func (c *Collected[T]) Read(answer []byte) (vs []T, over bool, err error) {
	a, err := unmarshal(answerType, answer)
	if err != nil {
		return nil, false, err
	}
	if a.Lost != "" {
		return nil, false, fmt.Errorf("collect: %s", a.Lost)
	}
	if !c.started {
		c.next, c.started = a.From, true
	}
	for i := range a.Pages {
		if vs, err = c.page(vs, &a.Pages[i]); err != nil {
			return nil, false, err
		}
	}
	return vs, a.Over, nil
}

func (c *Collected[T]) page(vs []T, p *collectPage) ([]T, error) {
	switch {
	case p.Count > maxPageRecords:
		return nil, fmt.Errorf("collect: a page of %d results; at most %d are possible", p.Count,
			maxPageRecords)
	case p.end() <= c.next:
		return vs, nil
	case p.First > c.next:
		return nil, fmt.Errorf("collect: results from %d on came where %d was expected", p.First,
			c.next)
	}
	had := len(vs)
	vs, rest, err := c.typ.DecodeAll(p.Data, int(p.Count), vs)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left of a page", len(rest))
	}
	if err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	vs = append(vs[:had], vs[had+int(c.next-p.First):]...)
	c.next = p.end()
	return vs, nil
}
