// Package progress tells the person at a terminal what is waited for.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Progress says what is waited for, and since when: on a terminal in one line that changes,
// otherwise in a line per change, as soon as a wait is worth a line. It is safe for concurrent use.
type Progress struct {
	out      io.Writer
	terminal bool
	stop     chan struct{}
	done     sync.WaitGroup

	mu   sync.Mutex
	what string
	// since is when the wait began, and told whether it was mentioned.
	since time.Time
	told  bool
	width int
	over  bool
}

const (
	// patience is how long a wait goes without a word.
	patience = time.Second
	// spinTime is the time between two pictures of the spinner.
	spinTime = 100 * time.Millisecond
)

var spinner = []rune(`|/-\`)

// Start begins to tell out. End must be called.
func Start(out io.Writer) *Progress {
	p := &Progress{out: out, stop: make(chan struct{})}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	p.done.Go(p.run)
	return p
}

func (p *Progress) run() {
	tick := time.NewTicker(spinTime)
	defer tick.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			p.show(now, turn)
		}
	}
}

func (p *Progress) show(now time.Time, turn int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waited := now.Sub(p.since)
	if p.what == "" || waited < patience {
		return
	}
	if p.terminal {
		line := fmt.Sprintf("%c waiting for %s (%s)", spinner[turn%len(spinner)], p.what,
			waited.Truncate(time.Second))
		fmt.Fprintf(p.out, "\r%-*s", p.width, line)
		p.width = max(p.width, len(line))
		return
	}
	if !p.told {
		p.told = true
		fmt.Fprintf(p.out, "waiting for %s, since %s\n", p.what, p.since.Format(time.TimeOnly))
	}
}

// Wait says what is waited for now. The wait goes on when it is said again.
func (p *Progress) Wait(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if what != p.what {
		p.what, p.since, p.told = what, time.Now(), false
	}
}

// End ends the progress; a second call does nothing.
func (p *Progress) End() {
	p.mu.Lock()
	over := p.over
	p.over = true
	p.mu.Unlock()
	if over {
		return
	}
	close(p.stop)
	p.done.Wait()
	if p.terminal && p.width > 0 {
		fmt.Fprintf(p.out, "\r%-*s\r", p.width, "")
	}
}
