package rest

import (
	"fmt"
	"net/http"
	"time"

	"goflink/core/id"
	"goflink/runtime/rest/message"
)

// kind says where an operation is asked for. Savepoints and stops share a place, as in Flink.
type kind string

const (
	savepointing  kind = "savepoint"
	checkpointing kind = "checkpoint"
	disposal      kind = "savepoint disposal"
)

// key names an operation; job is zero for a disposal.
type key struct {
	kind    kind
	job     id.Job
	trigger message.Trigger
}

// operations are the asynchronous operations: decisions only, without clock and goroutines.
type operations struct {
	keep time.Duration
	all  map[key]*operation
	// ended are those that are over, in the order of their end.
	ended   []*operation
	pending int
	unread  int
}

type operation struct {
	key
	done, read bool
	at         time.Time // of its end
	result     message.Operation
}

// begin notes a new operation; false if it is known already.
func (o *operations) begin(now time.Time, k key) (bool, error) {
	o.expire(now)
	if o.all[k] != nil {
		return false, nil
	}
	if o.pending == MaxPending {
		return false, &httpError{http.StatusServiceUnavailable,
			fmt.Errorf("%d operations are under way already; try again when one is over",
				MaxPending)}
	}
	o.all[k] = &operation{key: k}
	o.pending++
	o.unread++
	return true, nil
}

// end notes what came of an operation.
func (o *operations) end(now time.Time, k key, result message.Operation) {
	op := o.all[k]
	op.done, op.at, op.result = true, now, result
	o.pending--
	o.ended = append(o.ended, op)
	o.expire(now)
}

// find says how an operation stands.
func (o *operations) find(now time.Time, k key) (message.Progress, error) {
	o.expire(now)
	op := o.all[k]
	if op == nil {
		missing := &NotFoundError{What: "the " + string(k.kind) + " with the trigger id",
			ID: k.trigger.String()}
		if !k.job.IsZero() {
			missing.In = "job " + k.job.String()
		}
		return message.Progress{}, missing
	}
	if !op.done {
		return message.Progress{Status: message.QueueStatus{ID: message.InProgress}}, nil
	}
	o.markRead(op)
	result := op.result
	return message.Progress{Status: message.QueueStatus{ID: message.Completed},
		Operation: &result}, nil
}

func (o *operations) markRead(op *operation) {
	if !op.read {
		op.read = true
		o.unread--
	}
}

// expire forgets results that are too old, or too many.
func (o *operations) expire(now time.Time) {
	for len(o.ended) > MaxKept || len(o.ended) > 0 && now.Sub(o.ended[0].at) > o.keep {
		o.markRead(o.ended[0])
		delete(o.all, o.ended[0].key)
		o.ended = o.ended[1:]
	}
}
