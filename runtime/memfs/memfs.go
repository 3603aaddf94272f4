// Package memfs is a file system in memory behind the contract of core/filesystem, for simulated
// clusters and tests: it forgets in a crash what was not synced, fills up, and fails where it is
// told to. It does the same in every run: it starts no goroutine, lists in order of names and knows
// no clock but the one it is given.
package memfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"goflink/core/filesystem"
)

// ErrCrashed is the error of all that is still held of a file system after its Crash.
var ErrCrashed = errors.New("the file system has crashed")

// Options are the options of a file system.
type Options struct {
	// CapacityBytes is how much all files together may hold; 0 means no limit.
	CapacityBytes int64
	// Now is the clock of modification times; nil stands for a time that never changes.
	Now func() time.Time
}

// Op is an operation about to be carried out.
type Op struct {
	Kind OpKind
	Path string
	// To is the new name of OpRename.
	To string
	// Bytes is the number of bytes of OpWrite.
	Bytes int
}

// OpKind tells operations apart.
type OpKind uint8

// The operations.
const (
	OpCreate OpKind = iota
	OpWrite
	OpSync
	OpClose
	OpOpen
	OpRead
	OpRename
	OpRemove
	OpMkdir
	OpList
	OpStat
)

var opNames = [...]string{"create", "write", "sync", "close", "open", "read", "rename", "remove",
	"mkdir", "list", "stat"}

// String is the name of the operation.
func (k OpKind) String() string { return opNames[k] }

// FS is a file system. It may be used concurrently.
type FS struct {
	mu      sync.Mutex
	o       Options
	root    *node
	used    int64
	fault   func(Op) error
	crashed bool
}

var _ filesystem.FileSystem = (*FS)(nil)

// node is a file or a directory.
type node struct {
	dir     bool
	entries map[string]*node // of a directory
	data    []byte           // of a file
	synced  int              // how much of data survives a crash
	named   bool             // whether the name of a file does
	removed bool             // removed while it is written: what it holds does not count
	mod     time.Time
}

// New returns an empty file system.
func New(o Options) *FS {
	if o.Now == nil {
		o.Now = func() time.Time { return time.Time{} }
	}
	return &FS{o: o, root: newDir(o.Now())}
}

func newDir(mod time.Time) *node {
	return &node{dir: true, entries: map[string]*node{}, named: true, mod: mod}
}

// SetFault makes f decide, before every operation, whether it fails and how; nil ends that. f is
// called under the file system's lock and must not use it.
func (m *FS) SetFault(f func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

// SetCapacity changes Options.CapacityBytes.
func (m *FS) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.o.CapacityBytes = bytes
}

// UsedBytes is how much all files hold.
func (m *FS) UsedBytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// Crash returns the file system as it is after the power has failed: files that were never synced
// are gone unless they were renamed (then they are short), the others hold what was synced. All
// that is still held of the old one returns ErrCrashed.
func (m *FS) Crash() *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crashed = true
	after := &FS{o: m.o}
	after.root = after.survivor(m.root)
	return after
}

func (m *FS) survivor(n *node) *node {
	c := &node{dir: n.dir, named: true, mod: n.mod}
	if !n.dir {
		c.data = slices.Clone(n.data[:n.synced])
		c.synced = n.synced
		m.used += int64(n.synced)
		return c
	}
	c.entries = map[string]*node{}
	for name, e := range n.entries {
		if e.named {
			c.entries[name] = m.survivor(e)
		}
	}
	return c
}

// Files returns the paths of all files, sorted.
func (m *FS) Files() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var paths []string
	m.root.walk("/", func(p string, n *node) {
		if !n.dir {
			paths = append(paths, p)
		}
	})
	slices.Sort(paths)
	return paths
}

func (n *node) walk(p string, f func(string, *node)) {
	f(p, n)
	for name, e := range n.entries {
		e.walk(path.Join(p, name), f)
	}
}

// begin checks what every operation checks. The caller holds mu.
func (m *FS) begin(ctx context.Context, op Op) error {
	if err := filesystem.CheckPath(op.Kind.String(), op.Path); err != nil {
		return err
	}
	err := ctx.Err()
	switch {
	case err != nil:
	case m.crashed:
		err = ErrCrashed
	case m.fault != nil:
		err = m.fault(op)
	}
	if err != nil {
		return op.failed(err)
	}
	return nil
}

func (op Op) failed(err error) error {
	return &fs.PathError{Op: op.Kind.String(), Path: op.Path, Err: err}
}

// find returns the node of a path, or nil.
func (m *FS) find(p string) *node {
	n := m.root
	for rest := strings.TrimPrefix(p, "/"); rest != "" && n != nil; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		n = n.entries[name]
	}
	return n
}

// parent returns the directory that holds, or would hold, the last element of a path.
func (m *FS) parent(op Op, p string) (*node, string, error) {
	dir, name := path.Split(p)
	n := m.find(path.Clean(dir))
	if n == nil || !n.dir {
		return nil, "", op.failed(fmt.Errorf("directory %s: %w", dir, filesystem.ErrNotExist))
	}
	if name == "" {
		return nil, "", op.failed(errors.New("the root cannot be changed"))
	}
	return n, name, nil
}

// Create implements filesystem.FileSystem.
func (m *FS) Create(ctx context.Context, p string) (filesystem.Writer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpCreate, Path: p}
	if err := m.begin(ctx, op); err != nil {
		return nil, err
	}
	dir, name, err := m.parent(op, p)
	if err != nil {
		return nil, err
	}
	if dir.entries[name] != nil {
		return nil, op.failed(filesystem.ErrExist)
	}
	n := &node{mod: m.o.Now()}
	dir.entries[name] = n
	dir.mod = n.mod
	return &writer{fs: m, ctx: ctx, n: n, path: p}, nil
}

// Open implements filesystem.FileSystem.
func (m *FS) Open(ctx context.Context, p string) (filesystem.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpOpen, Path: p}
	if err := m.begin(ctx, op); err != nil {
		return nil, err
	}
	n := m.find(p)
	if n == nil {
		return nil, op.failed(filesystem.ErrNotExist)
	}
	if n.dir {
		return nil, op.failed(errors.New("is a directory"))
	}
	return &file{fs: m, ctx: ctx, path: p, data: n.data[:len(n.data):len(n.data)]}, nil
}

// Rename implements filesystem.FileSystem.
func (m *FS) Rename(ctx context.Context, from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpRename, Path: from, To: to}
	if err := m.begin(ctx, op); err != nil {
		return err
	}
	if err := filesystem.CheckPath("rename", to); err != nil {
		return err
	}
	src, srcName, err := m.parent(op, from)
	if err != nil {
		return err
	}
	n := src.entries[srcName]
	if n == nil {
		return op.failed(filesystem.ErrNotExist)
	}
	if strings.HasPrefix(to, from+"/") {
		return op.failed(fmt.Errorf("%s lies inside of what is to be renamed", to))
	}
	dst, dstName, err := m.parent(op, to)
	if err != nil {
		return err
	}
	if dst.entries[dstName] != nil {
		return op.failed(fmt.Errorf("%s: %w", to, filesystem.ErrExist))
	}
	delete(src.entries, srcName)
	dst.entries[dstName] = n
	n.named = true
	src.mod, dst.mod = m.o.Now(), m.o.Now()
	return nil
}

// Remove implements filesystem.FileSystem.
func (m *FS) Remove(ctx context.Context, p string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpRemove, Path: p}
	if err := m.begin(ctx, op); err != nil {
		return err
	}
	dir, name, err := m.parent(op, p)
	if err != nil {
		return err
	}
	n := dir.entries[name]
	switch {
	case n == nil:
		return op.failed(filesystem.ErrNotExist)
	case len(n.entries) > 0:
		return op.failed(filesystem.ErrNotEmpty)
	}
	m.unlink(dir, name)
	return nil
}

// RemoveAll implements filesystem.FileSystem.
func (m *FS) RemoveAll(ctx context.Context, p string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpRemove, Path: p}
	if err := m.begin(ctx, op); err != nil {
		return err
	}
	if p == "/" {
		return op.failed(filesystem.ErrPermission)
	}
	if dir, name, err := m.parent(op, p); err == nil && dir.entries[name] != nil {
		m.unlink(dir, name)
	}
	return nil
}

func (m *FS) unlink(dir *node, name string) {
	dir.entries[name].walk("/", func(_ string, n *node) {
		m.used -= int64(len(n.data))
		n.removed = true
	})
	delete(dir.entries, name)
	dir.mod = m.o.Now()
}

// MkdirAll implements filesystem.FileSystem.
func (m *FS) MkdirAll(ctx context.Context, p string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpMkdir, Path: p}
	if err := m.begin(ctx, op); err != nil {
		return err
	}
	n := m.root
	for rest := strings.TrimPrefix(p, "/"); rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := n.entries[name]
		if next == nil {
			next = newDir(m.o.Now())
			n.entries[name] = next
			n.mod = next.mod
		}
		if !next.dir {
			return op.failed(fmt.Errorf("%q is a file", name))
		}
		n = next
	}
	return nil
}

// List implements filesystem.FileSystem: in order of names.
func (m *FS) List(ctx context.Context, dir string) iter.Seq2[filesystem.Info, error] {
	return func(yield func(filesystem.Info, error) bool) {
		infos, err := m.list(ctx, dir)
		if err != nil {
			yield(filesystem.Info{}, err)
			return
		}
		for _, i := range infos {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (m *FS) list(ctx context.Context, dir string) ([]filesystem.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpList, Path: dir}
	if err := m.begin(ctx, op); err != nil {
		return nil, err
	}
	n := m.find(dir)
	if n == nil {
		return nil, op.failed(filesystem.ErrNotExist)
	}
	if !n.dir {
		return nil, op.failed(errors.New("is no directory"))
	}
	var infos []filesystem.Info
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		infos = append(infos, n.entries[name].info(name))
	}
	return infos, nil
}

// Stat implements filesystem.FileSystem.
func (m *FS) Stat(ctx context.Context, p string) (filesystem.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := Op{Kind: OpStat, Path: p}
	if err := m.begin(ctx, op); err != nil {
		return filesystem.Info{}, err
	}
	n := m.find(p)
	if n == nil {
		return filesystem.Info{}, op.failed(filesystem.ErrNotExist)
	}
	return n.info(path.Base(p)), nil
}

func (n *node) info(name string) filesystem.Info {
	return filesystem.Info{Name: name, Size: int64(len(n.data)), ModTime: n.mod, Dir: n.dir}
}
