package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a process has to end after SIGTERM before it is killed.
const stopGrace = 5 * time.Second

// process is a child with its output in a log file. It ends with the runner at the latest.
type process struct {
	name string
	cmd  *exec.Cmd
	// ended is closed when the process has ended and err is set.
	ended chan struct{}
	err   error
}

// startProcess starts a command; its output goes to <logs>/<name>.log. It must be called on the
// main goroutine: the kernel kills the child when the thread that started it ends.
func startProcess(logs, name string, environment []string, command ...string) (*process, error) {
	log, err := os.Create(filepath.Join(logs, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process, if it has not ended, and waits for it. What it started itself is ended
// with it: the process leads a group of its own.
func (p *process) stop() {
	select {
	case <-p.ended:
		return
	default:
	}
	signalErr := syscall.Kill(-p.pid(), syscall.SIGTERM)
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-p.ended:
		return
	case <-timer.C:
	}
	if killErr := syscall.Kill(-p.pid(), syscall.SIGKILL); killErr != nil {
		fmt.Fprintf(os.Stderr, "benchflink: end %s (process %d): %v\n", p.name, p.pid(),
			errors.Join(signalErr, killErr))
	}
	<-p.ended
}

// stopAll stops processes at the same time.
func stopAll(processes []*process) {
	var all sync.WaitGroup
	for _, p := range processes {
		all.Go(p.stop)
	}
	all.Wait()
}

// runCommand runs a short command to its end and returns what it printed; an error holds the end of
// it.
func runCommand(ctx context.Context, environment []string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := cmd.CombinedOutput()
	text := string(output)
	if err != nil {
		const tail = 4000
		if len(text) > tail {
			text = "…" + text[len(text)-tail:]
		}
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, text)
	}
	return text, nil
}
