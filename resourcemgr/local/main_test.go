package local_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goflink/internal/testkit"
)

// envRole makes the test binary a worker, or the leader of one.
const envRole = "GOFLINK_TEST_ROLE"

// The roles of the test binary.
const (
	roleServe    = "serve"    // runs until it is told to end
	roleStubborn = "stubborn" // does not listen
	roleParent   = "parent"   // like serve, with a child that does not listen
	roleFail     = "fail"     // writes much to its standard error and exits with 3
	roleLeader   = "leader"   // starts a worker and waits to be killed
)

// lifetime ends workers that a test which has failed leaves behind.
const lifetime = 3 * time.Minute

// aliveFile is locked by a worker while it runs; it holds its process id.
const aliveFile = "alive"

func TestMain(m *testing.M) {
	switch role := os.Getenv(envRole); role {
	case "":
		testkit.VerifyMain(m)
	case roleLeader:
		leaderMain()
	case roleFail:
		for i := range 1000 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		os.Exit(3)
	default:
		workerMain(role)
	}
}

// workerMain is a worker: it locks its file and waits.
func workerMain(role string) {
	ctx, end := context.WithTimeout(context.Background(), lifetime)
	defer end()
	if role == roleStubborn {
		signal.Ignore(syscall.SIGTERM)
	} else {
		ctx, end = signal.NotifyContext(ctx, syscall.SIGTERM)
		defer end()
	}
	name := aliveFile
	if len(os.Args) > 1 && os.Args[1] == "child" {
		name = "alive-child"
	}
	f, err := lock(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer f.Close()
	if role == roleParent {
		c := exec.Command(os.Args[0], "child")
		c.Env = append(os.Environ(), envRole+"="+roleStubborn)
		if err := c.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	<-ctx.Done()
}

// lock locks a file and writes the process id into it.
func lock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// It may have to wait for a test that looks whether the lock is held.
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return nil, err
		}
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()))
	return f, err
}

// alive tells whether somebody holds the lock of a file, and who.
func alive(t *testing.T, path string) (pid int, ok bool) {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return 0, false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err {
	case nil:
		return 0, false
	case unix.EWOULDBLOCK:
	default:
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		if os.IsNotExist(err) {
			return 0, false
		}
		t.Fatal(err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return pid, err == nil // locked, and not written yet
}

func workersIn(t *testing.T, base string) (all []string) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(base, "*-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if _, ok := alive(t, filepath.Join(d, aliveFile)); ok {
			all = append(all, filepath.Base(d))
		}
	}
	return all
}

// workerEnv is the environment of a worker. Under the race detector a process would wait for a
// second at its end.
func workerEnv(role string) []string {
	return []string{envRole + "=" + role, "GORACE=atexit_sleep_ms=0"}
}
