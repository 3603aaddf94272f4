package asyncio

import (
	"context"

	"goflink/core/stream"
)

// Element is a record that the operator holds, as it is written into state.
type Element[In any] struct {
	Value In
	// Time is the record's timestamp, or stream.NoTimestamp.
	Time int64
}

// phase is where an entry is on its way. It only grows, but for calls that are made again.
type phase uint8

const (
	waiting phase = iota // for a call
	running
	delayed // until it is called for again
	done    // the results are there
	emitted
	control // no record
)

// entry is a record on its way, or what came between two records.
type entry[In, Out any] struct {
	Element[In]
	phase    phase
	segment  int64
	attempts int
	results  []Out
	// timeout and retry are set while the clock is asked for.
	timeout, retry *alarm[In, Out]

	// Of a control entry: a watermark, then a status.
	watermark    int64
	status       stream.Status
	hasWatermark bool
	hasStatus    bool

	// cancel ends the call under way; given up says that nobody waits for it. Both are guarded by
	// the operator's mutex.
	cancel  context.CancelFunc
	givenUp bool
}

// queue holds the entries in the order in which they came. Segments are what lies between two
// control entries.
type queue[In, Out any] struct {
	entries []*entry[In, Out]
	head    int
	// first is the segment of the head, last that of what comes next.
	first, last int64
	// held counts the records that are not emitted.
	held int
}

func (q *queue[In, Out]) empty() bool { return q.head == len(q.entries) }

// push appends an entry.
func (q *queue[In, Out]) push(e *entry[In, Out]) {
	if q.head > len(q.entries)/2 {
		n := copy(q.entries, q.entries[q.head:])
		clear(q.entries[n:])
		q.entries, q.head = q.entries[:n], 0
	}
	if e.phase == control {
		q.last++
	} else {
		q.held++
	}
	e.segment = q.last
	q.entries = append(q.entries, e)
}

// tailControl returns the last entry if it is a control entry, else a new one at the end.
func (q *queue[In, Out]) tailControl() *entry[In, Out] {
	if n := len(q.entries); n > q.head && q.entries[n-1].phase == control {
		return q.entries[n-1]
	}
	e := &entry[In, Out]{phase: control}
	q.push(e)
	return e
}

// pop takes out the head.
func (q *queue[In, Out]) pop() {
	e := q.entries[q.head]
	q.entries[q.head] = nil
	q.head++
	if e.phase == control {
		q.first = e.segment
	}
}

// elements lists the records that are not emitted.
func (q *queue[In, Out]) elements() []Element[In] {
	all := make([]Element[In], 0, q.held)
	for _, e := range q.entries[q.head:] {
		if e.phase < emitted {
			all = append(all, e.Element)
		}
	}
	return all
}
