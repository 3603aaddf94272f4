package testkit

import (
	"strings"
	"testing"
)

func TestNoLeaksReports(t *testing.T) {
	hold, done := make(chan struct{}), make(chan struct{})
	r := &recorder{name: "TestLeaky"}
	noLeaks(r)
	go func() {
		defer close(done)
		<-hold
	}()
	r.end()
	close(hold)
	<-done
	if !r.failed || !strings.Contains(strings.Join(r.log, "\n"), "TestNoLeaksReports") {
		t.Errorf("a goroutine left behind was not reported: %q", r.log)
	}
}

func TestNoLeaksPasses(t *testing.T) {
	hold, done := make(chan struct{}), make(chan struct{})
	go func() { // started before: not counted
		defer close(done)
		<-hold
	}()
	r := &recorder{name: "TestTidy"}
	noLeaks(r)
	ended := make(chan struct{})
	go func() { close(ended) }()
	<-ended
	r.end()
	if r.failed {
		t.Errorf("a tidy test was reported: %q", r.log)
	}
	close(hold)
	<-done
}
