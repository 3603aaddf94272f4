package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"goflink/entrypoint"
)

// artifact is a program's binary.
type artifact struct {
	// name is what the user called it, path the binary; dir is removed with it.
	name, path, dir string
}

// artifact finds the program that the first argument names; a Go package is built.
func (a *App) artifact(c *cli.Context) (*artifact, error) {
	name := c.Args().First()
	if name == "" {
		return nil, usagef("%s needs an ARTIFACT: a binary or the path of a Go package "+
			"(%s %s --help)", c.Command.Name, a.Name, c.Command.Name)
	}
	if scheme, _, ok := strings.Cut(name, "://"); ok {
		return nil, usagef("%s: artifacts cannot be fetched from %s:// here; give a local file "+
			"or a Go package", name, scheme)
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Mode()&0o111 == 0:
		return nil, usagef("%s is a file that cannot be executed; give a binary or a Go package",
			name)
	case err == nil && info.Mode().IsRegular():
		path, err := filepath.Abs(name)
		return &artifact{name: name, path: path}, err
	case err == nil && !info.IsDir():
		return nil, usagef("%s is neither a binary nor a directory", name)
	case err != nil && (strings.HasPrefix(name, ".") || filepath.IsAbs(name)):
		return nil, usagef("no such artifact: %w", err)
	}
	return a.build(name)
}

// build builds a Go package.
func (a *App) build(pkg string) (*artifact, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, usagef("%s is no file, and to build it as a Go package the go tool is "+
			"needed: %w",
			pkg, err)
	}
	dir, err := os.MkdirTemp("", "flink-artifact-")
	if err != nil {
		return nil, err
	}
	art := &artifact{name: pkg, path: filepath.Join(dir, "program"), dir: dir}
	fmt.Fprintf(a.Err, "building %s\n", pkg)
	cmd := exec.Command(tool, "build", "-trimpath", "-o", art.path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		art.close()
		return nil, fmt.Errorf("%s cannot be built:\n%s", pkg, strings.TrimSpace(string(out)))
	}
	if info, err := os.Stat(art.path); err != nil || info.Mode()&0o111 == 0 {
		art.close()
		return nil, usagef("%s is not a main package, so there is no program to run", pkg)
	}
	return art, nil
}

func (t *artifact) close() {
	if t.dir != "" {
		os.RemoveAll(t.dir)
	}
}

// outcome is how a program ended and what it reported.
type outcome struct {
	code   int
	report []byte
}

// start runs the program in a role and waits for it. Signals are passed on to it.
func (t *artifact) start(a *App, l entrypoint.Launch, args []string) (outcome, error) {
	l.Version = entrypoint.LaunchVersion
	words, err := json.Marshal(l)
	if err != nil {
		return outcome{}, err
	}
	in, tell, err := os.Pipe()
	if err != nil {
		return outcome{}, err
	}
	hear, out, err := os.Pipe()
	if err != nil {
		return outcome{}, errors.Join(err, in.Close(), tell.Close())
	}
	defer hear.Close()
	cmd := exec.Command(t.path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.Out, a.Err
	cmd.ExtraFiles = []*os.File{in, out}
	cmd.Env = append(os.Environ(), entrypoint.LaunchEnv+"=3")
	// A process group of its own, so that Ctrl-C reaches it once: from here. It ends with this
	// process, whose thread must therefore live as long as it does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	err = cmd.Start()
	closed := errors.Join(in.Close(), out.Close())
	if err != nil {
		return outcome{}, fmt.Errorf("%s cannot be started: %w", t.name,
			errors.Join(err, tell.Close()))
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s) // it may have ended
			case <-ended:
				return
			}
		}
	}()
	_, werr := tell.Write(words)
	werr = errors.Join(werr, tell.Close(), closed)
	report, rerr := io.ReadAll(io.LimitReader(hear, entrypoint.MaxLaunchBytes))
	err = cmd.Wait()
	close(ended)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal())
			fmt.Fprintf(a.Err, "%s: %s was ended by the signal %q\n", a.Name, t.name, ws.Signal())
		}
		return outcome{code, report}, nil
	}
	if errors.Is(werr, syscall.EPIPE) {
		werr = nil // it ended without reading, which its exit code and report tell
	}
	return outcome{0, report}, errors.Join(err, werr, rerr)
}
