package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// MaxOpen is the largest number of file systems (pairs of scheme and authority) of a Registry, so
// that addresses that come with data cannot fill the memory.
const MaxOpen = 1024

// Opener connects to the file system of an authority, which is empty where the URI has none. It is
// called once per authority; after an error, again.
type Opener func(ctx context.Context, authority string) (FileSystem, error)

// Registry finds file systems by the scheme of a URI. All methods may be called concurrently.
type Registry struct {
	working URI
	mu      sync.Mutex
	openers map[string]Opener
	open    map[URI]*connection
	closed  bool
}

// connection is a file system that is open, or being opened by who holds mu.
type connection struct {
	mu sync.Mutex
	fs FileSystem
}

// NewRegistry returns an empty registry. Paths without a scheme are taken in working, a URI such as
// "file:///data": relative ones below its path, absolute ones in its file system (Flink's
// fs.default-scheme).
func NewRegistry(working string) (*Registry, error) {
	u, err := ParseURI(working)
	if err == nil && u.Scheme == "" {
		err = fmt.Errorf("path %q has no scheme; want one as in file:///", working)
	}
	if err != nil {
		return nil, fmt.Errorf("working directory of file systems: %w", err)
	}
	return &Registry{working: u, openers: map[string]Opener{}, open: map[URI]*connection{}}, nil
}

// Register adds a scheme. A scheme can be registered once.
func (r *Registry) Register(scheme string, open Opener) error {
	if !isScheme(scheme) || strings.ToLower(scheme) != scheme {
		return fmt.Errorf("%q is not a scheme in lower case", scheme)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.openers[scheme]; taken {
		return fmt.Errorf("the scheme %q is registered twice", scheme)
	}
	r.openers[scheme] = open
	return nil
}

// Resolve reads a URI or path and completes it: the result has a scheme and an absolute path.
func (r *Registry) Resolve(s string) (URI, error) {
	u, err := ParseURI(s)
	if err != nil || u.Scheme != "" {
		return u, err
	}
	if !strings.HasPrefix(u.Path, "/") {
		return r.working.Join(u.Path), nil
	}
	w := r.working
	w.Path = u.Path
	return w, nil
}

// Find returns the file system of a URI or path, and the path in it. The first call for an
// authority connects.
func (r *Registry) Find(ctx context.Context, s string) (FileSystem, string, error) {
	u, err := r.Resolve(s)
	if err != nil {
		return nil, "", err
	}
	c, open, err := r.connection(u)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", u, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fs == nil {
		if c.fs, err = open(ctx, u.Authority); err != nil {
			c.fs = nil
			return nil, "", fmt.Errorf("connect to the file system of %s: %w", u, err)
		}
	}
	return c.fs, u.Path, nil
}

func (r *Registry) connection(u URI) (*connection, Opener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, errors.New("the file systems have been closed")
	}
	open, ok := r.openers[u.Scheme]
	if !ok {
		return nil, nil, fmt.Errorf("no file system for the scheme %q; there are %s", u.Scheme,
			strings.Join(slices.Sorted(maps.Keys(r.openers)), ", "))
	}
	key := URI{Scheme: u.Scheme, Authority: u.Authority}
	c := r.open[key]
	if c == nil {
		if len(r.open) >= MaxOpen {
			return nil, nil, fmt.Errorf("more than %d file systems are open", MaxOpen)
		}
		c = &connection{}
		r.open[key] = c
	}
	return c, open, nil
}

// Close closes the file systems that are io.Closers. Nothing can be found afterwards.
func (r *Registry) Close() error {
	r.mu.Lock()
	r.closed = true
	open := r.open
	r.open = nil
	r.mu.Unlock()
	var errs []error
	for _, c := range open {
		c.mu.Lock()
		if closer, ok := c.fs.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
		c.mu.Unlock()
	}
	return errors.Join(errs...)
}
