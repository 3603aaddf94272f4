package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var fileNames = []string{AuthorityFile, KeyFile, SecretFile, TokenFile}

// create makes an identity in a new directory.
func create(t testing.TB) (string, *Authority) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clusters", "default")
	a, err := Create(dir, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	return dir, a
}

// TestCreateAndLoad: what was made is read again, and only its owner can read it.
func TestCreateAndLoad(t *testing.T) {
	dir, made := create(t)
	a, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if a.Cluster() != testCluster || !bytes.Equal(a.secret, made.secret) ||
		a.RESTToken() != made.RESTToken() || !a.key.Equal(made.key) || !a.cert.Equal(made.cert) {
		t.Errorf("%v is not what was made", a)
	}
	if bytes.Equal(a.secret, a.token) || len(a.secret) != secretBytes {
		t.Error("the secrets are not two of 32 bytes")
	}
	if err := greet(t, echo(t, issue(t, made, TaskManager, "w1").DataServer()),
		issue(t, a, TaskManager, "w2").DataClient()); err != nil {
		t.Errorf("members of one authority: %v", err)
	}
	modes := map[string]fs.FileMode{"": fs.ModeDir | 0o700}
	for _, name := range fileNames {
		modes[name] = 0o600
	}
	for name, want := range modes {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
}

// TestCreateExclusive: of several clients that make one identity, one does; what is there is never
// replaced, and nothing else is left.
func TestCreateExclusive(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "default")
	made := make(chan *Authority, 8)
	var all sync.WaitGroup
	for range cap(made) {
		all.Go(func() {
			a, err := Create(dir, testCluster)
			if err == nil {
				made <- a
			} else if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), dir) {
				t.Errorf("the error %v is not ErrExist with the directory's name", err)
			}
		})
	}
	all.Wait()
	if len(made) != 1 {
		t.Fatalf("%d identities were made", len(made))
	}
	a, err := Load(dir)
	if err != nil || !a.cert.Equal((<-made).cert) {
		t.Errorf("what is there is not what was made: %v", err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	for _, bad := range []string{"", "a\nb", strings.Repeat("c", MaxNameBytes+1)} {
		if _, err := Create(filepath.Join(parent, "bad"), bad); err == nil {
			t.Errorf("a cluster has the id %q", bad)
		}
	}
}

// TestLoadRefusesOpenFiles: what others may read is refused, with the fix in the error.
func TestLoadRefusesOpenFiles(t *testing.T) {
	dir, a := create(t)
	for _, name := range append([]string{""}, fileNames...) {
		path := filepath.Join(dir, name)
		want := fs.FileMode(0o600)
		if name == "" {
			want = 0o700
		}
		for _, more := range []fs.FileMode{0o040, 0o020, 0o010, 0o004, 0o002, 0o001} {
			if err := os.Chmod(path, want|more); err != nil {
				t.Fatal(err)
			}
			fix := fmt.Sprintf("chmod %o %s", want, path)
			_, err := Load(dir)
			if err == nil || !strings.Contains(err.Error(), fix) {
				t.Errorf("%s with mode %v: %v, want %q", path, want|more, err, fix)
				continue
			}
			noSecret(t, a, err.Error())
		}
		if err := os.Chmod(path, want); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// info describes a file of any owner and mode.
type info struct {
	fs.FileInfo
	sys any
}

func (i info) Sys() any { return i.sys }

// TestLoadRefusesForeignFiles: what belongs to somebody else is refused.
func TestLoadRefusesForeignFiles(t *testing.T) {
	dir, _ := create(t)
	own, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPrivate(dir, own); err != nil {
		t.Fatal(err)
	}
	foreign := *own.Sys().(*syscall.Stat_t)
	foreign.Uid++
	err = checkPrivate(dir, info{own, &foreign})
	if err == nil || !strings.Contains(err.Error(), "chown") ||
		!strings.Contains(err.Error(), dir) {
		t.Errorf("a directory of another user: %v", err)
	}
}

// TestLoadDamaged: damaged and missing files are errors that name the file and hold no secret.
func TestLoadDamaged(t *testing.T) {
	otherDir := filepath.Join(t.TempDir(), "other")
	if _, err := Create(otherDir, testCluster); err != nil {
		t.Fatal(err)
	}
	for _, name := range fileNames {
		for what, damage := range map[string]func(b []byte) []byte{
			"empty":   func([]byte) []byte { return nil },
			"cut":     func(b []byte) []byte { return b[:len(b)/2] },
			"garbage": func(b []byte) []byte { return bytes.Repeat([]byte("g"), len(b)) },
			"huge":    func([]byte) []byte { return make([]byte, maxFileBytes+1) },
			"missing": nil,
			"swapped": func([]byte) []byte {
				b, err := os.ReadFile(filepath.Join(otherDir, name))
				if err != nil {
					t.Fatal(err)
				}
				return b
			},
		} {
			dir, a := create(t)
			path := filepath.Join(dir, name)
			if what == "swapped" && (name == SecretFile || name == TokenFile) {
				continue // secrets stand for themselves
			}
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.Remove(path)
			}
			if err == nil && damage != nil {
				err = os.WriteFile(path, damage(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(dir)
			if err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s %s: %v", what, name, err)
				continue
			}
			noSecret(t, a, err.Error())
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// TestLoadExpired: an identity that has expired says so.
func TestLoadExpired(t *testing.T) {
	a, err := newAuthority(testCluster, time.Now().Add(-Validity-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "old")
	if err := a.write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v", err)
	}
}
