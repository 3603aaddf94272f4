package rest

import (
	"testing"
	"time"

	"goflink/runtime/rest/message"
)

func newOperations() *operations {
	return &operations{keep: 5 * time.Minute, all: map[key]*operation{}}
}

// numbered is the key of an operation.
func numbered(n int) key {
	return key{kind: savepointing, trigger: message.Trigger{byte(n), byte(n >> 8)}}
}

// TestPendingLimit: R120: no more operations are under way at a time than the limit says.
func TestPendingLimit(t *testing.T) {
	o := newOperations()
	for n := range MaxPending {
		if fresh, err := o.begin(began, numbered(n)); !fresh || err != nil {
			t.Fatalf("operation %d: %t, %v", n, fresh, err)
		}
	}
	if _, err := o.begin(began, numbered(MaxPending)); statusOf(err) != 503 {
		t.Errorf("one too many: %v", err)
	}
	if fresh, err := o.begin(began, numbered(0)); fresh || err != nil {
		t.Errorf("a known one: %t, %v", fresh, err)
	}
	o.end(began, numbered(0), message.Operation{})
	if fresh, err := o.begin(began, numbered(MaxPending)); !fresh || err != nil {
		t.Errorf("after the end of one: %t, %v", fresh, err)
	}
}

// TestKeptLimit: R120: the oldest results are forgotten when there are too many, those of
// operations under way never.
func TestKeptLimit(t *testing.T) {
	o := newOperations()
	pending := numbered(1 << 15)
	if _, err := o.begin(began, pending); err != nil {
		t.Fatal(err)
	}
	for n := range MaxKept + 10 {
		if _, err := o.begin(began, numbered(n)); err != nil {
			t.Fatal(err)
		}
		o.end(began, numbered(n), message.Operation{})
	}
	if len(o.all) != MaxKept+1 || o.unread != MaxKept+1 {
		t.Errorf("%d operations, %d unread", len(o.all), o.unread)
	}
	for n, known := range map[int]bool{9: false, 10: true, MaxKept + 9: true} {
		if _, err := o.find(began, numbered(n)); (err == nil) != known {
			t.Errorf("operation %d: %v", n, err)
		}
	}
	p, err := o.find(began.Add(time.Hour), pending)
	if err != nil || p.Status.ID != message.InProgress {
		t.Errorf("%+v, %v", p, err)
	}
	if len(o.all) != 1 || o.unread != 1 {
		t.Errorf("after an hour: %d operations, %d unread", len(o.all), o.unread)
	}
}
