package local

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup starts a process in a group of its own, which no signal to this one reaches.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// pidfd watches a process by a file descriptor of it, which also works for processes that are not
// children of this one and never means another process.
type pidfd struct {
	pid int
	f   *os.File
}

var _ watcher = (*pidfd)(nil)

// watchProcess watches the process of a record. ok is false if it has ended.
func watchProcess(r record) (w watcher, ok bool, err error) {
	fd, err := unix.PidfdOpen(r.PID, unix.PIDFD_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("watch process %d of worker %s: %w", r.PID, r.Worker, err)
	}
	p := &pidfd{r.PID, os.NewFile(uintptr(fd), fmt.Sprint("process ", r.PID))}
	// The descriptor is that of the process only if this is the process still.
	if now, err := describe(r.Worker, r.PID); err != nil || now != r {
		return nil, false, p.f.Close()
	}
	return p, true, nil
}

// wait waits without holding a thread: the descriptor becomes readable at the end of the process.
func (p *pidfd) wait() (code int, ok bool) {
	c, err := p.f.SyscallConn()
	if err != nil {
		return 0, false
	}
	mine := false
	err = c.Read(func(fd uintptr) bool {
		if !ended(fd) {
			return false
		}
		const look = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
		mine = unix.Waitid(unix.P_PIDFD, int(fd), nil, look, nil) == nil
		return true
	})
	if err != nil {
		return 0, false
	}
	code = -1
	if mine {
		code = p.reap()
	}
	_ = p.f.Close()
	return code, true
}

// reap takes the exit code of a child that has ended; others are reaped by others. What it has left
// of its group goes with it: until it is reaped, the group's number cannot be that of others.
func (p *pidfd) reap() int {
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	var status unix.WaitStatus
	for {
		got, err := unix.Wait4(p.pid, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil || got != p.pid:
			return -1
		default:
			return exitCode(status)
		}
	}
}

// ended tells whether the process of a descriptor has ended.
func ended(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return n > 0
		}
	}
}

func exitCode(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

func (p *pidfd) terminate() error { return p.signal(unix.SIGTERM) }

func (p *pidfd) kill() error { return p.signal(unix.SIGKILL) }

// signal signals the group, as long as the process is there.
func (p *pidfd) signal(s unix.Signal) error {
	c, err := p.f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = c.Control(func(fd uintptr) {
		if sent = unix.PidfdSendSignal(int(fd), 0, nil, 0); sent == nil {
			sent = unix.Kill(-p.pid, s)
		}
	})
	if err == nil {
		err = sent
	}
	if errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrClosed) {
		return nil // it has ended
	}
	return err
}

func (p *pidfd) close() error { return p.f.Close() }
