package dataplane

import (
	"errors"
	"testing"
)

// TestOneLastFrame: a stream that is enlisted again while its last frame is made gets no other: its
// consumer has forgotten it and would take the frame for garbage.
func TestOneLastFrame(t *testing.T) {
	c := newServerConn(&Server{}, nil, 1024)
	s := &outStream{c: c, id: 1}
	c.mu.streams[s.id] = s
	w := &sender{c: c}
	s.failed(0, errors.New("the producer is gone"))
	if got := c.next(); got != s {
		t.Fatalf("next is %v, want the failed stream", got)
	}
	s.cancel() // comes when the writer has taken the stream
	for range 2 {
		if err := w.visit(s); err != nil {
			t.Fatal(err)
		}
	}
	frames := 0
	for rest := w.out; len(rest) > 0; frames++ {
		f, err := parseFrame((*[frameHeader]byte)(rest), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if f.kind != frameCancelled {
			t.Errorf("frame %d is %v, want the answer to the cancel", frames, f.kind)
		}
		rest = rest[frameHeader+int(f.length):]
	}
	if frames != 1 {
		t.Errorf("%d frames, want one", frames)
	}
}
