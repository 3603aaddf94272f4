package filesystem

import (
	"fmt"
	"path"
	"strings"
)

// URI names a file or directory in one of several file systems. There is no escaping: as in Hadoop,
// a percent sign stands for itself.
type URI struct {
	// Scheme is lower case: "file", "hdfs". Empty for a path without one.
	Scheme string
	// Authority is what stands between "//" and the path: the address of a server, or empty.
	Authority string
	// Path is clean; absolute if there is a scheme.
	Path string
}

// ParseURI reads "scheme://authority/path", "scheme:/path" or a path.
func ParseURI(s string) (URI, error) {
	if s == "" {
		return URI{}, fmt.Errorf("empty path; want one such as hdfs://namenode:8020/flink or " +
			"file:///flink")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return URI{}, fmt.Errorf("path %q contains a NUL byte", s)
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return URI{Path: path.Clean(s)}, nil
	}
	u := URI{Scheme: strings.ToLower(scheme), Path: rest}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		u.Authority, u.Path = after, "/"
		if i := strings.IndexByte(after, '/'); i >= 0 {
			u.Authority, u.Path = after[:i], after[i:]
		}
	}
	if !strings.HasPrefix(u.Path, "/") {
		return URI{}, fmt.Errorf("path %q: after the scheme there must be an absolute path, as in "+
			"%s:///dir", s, u.Scheme)
	}
	u.Path = path.Clean(u.Path)
	return u, nil
}

// isScheme reports whether s is a scheme by RFC 3986 and not the letter of a drive.
func isScheme(s string) bool {
	if len(s) < 2 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(s[i]))) {
			return false
		}
	}
	return true
}

// String is the URI as text, "scheme://authority/path", or the path alone.
func (u URI) String() string {
	if u.Scheme == "" {
		return u.Path
	}
	return u.Scheme + "://" + u.Authority + u.Path
}

// Join returns the URI of something below u.
func (u URI) Join(elem ...string) URI {
	u.Path = path.Join(append([]string{u.Path}, elem...)...)
	return u
}

// Dir returns the URI of the parent directory; that of the root is the root.
func (u URI) Dir() URI {
	u.Path = path.Dir(u.Path)
	return u
}

// Base is the last element of the path.
func (u URI) Base() string { return path.Base(u.Path) }
