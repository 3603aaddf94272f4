package task

import "sync"

// mailbox holds calls that wait to run in the task's goroutine. Its senders are bounded by
// protocol: timers, checkpoint messages, and the operators' own asynchronous work, which each
// bounds.
type mailbox struct {
	mu     sync.Mutex
	calls  []func() error
	closed bool
	wake   func()
	spare  []func() error
}

// post enqueues f; it returns false after close.
func (m *mailbox) post(f func() error) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.calls = append(m.calls, f)
	m.mu.Unlock()
	m.wake()
	return true
}

// run runs the calls that are there; calls posted meanwhile wait for the next run.
func (m *mailbox) run() error {
	m.mu.Lock()
	calls := m.calls
	m.calls = m.spare[:0]
	m.mu.Unlock()
	for i, f := range calls {
		calls[i] = nil
		if err := f(); err != nil {
			return err
		}
	}
	m.spare = calls[:0]
	return nil
}

func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.calls = true, nil
}

// size is the number of calls that wait.
func (m *mailbox) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}
