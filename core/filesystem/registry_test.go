package filesystem_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"goflink/core/filesystem"
	"goflink/runtime/memfs"
)

func TestParseURI(t *testing.T) {
	for _, c := range []struct {
		in   string
		want filesystem.URI
	}{
		{"hdfs://nn:8020/a/b", filesystem.URI{Scheme: "hdfs", Authority: "nn:8020", Path: "/a/b"}},
		{"HDFS://nn", filesystem.URI{Scheme: "hdfs", Authority: "nn", Path: "/"}},
		{"hdfs:///a/../b//c/", filesystem.URI{Scheme: "hdfs", Path: "/b/c"}},
		{"file:/a", filesystem.URI{Scheme: "file", Path: "/a"}},
		{"/a/b", filesystem.URI{Path: "/a/b"}},
		{"a/b", filesystem.URI{Path: "a/b"}},
		{"a/b:c", filesystem.URI{Path: "a/b:c"}},
		{"file:///100%25", filesystem.URI{Scheme: "file", Path: "/100%25"}},
	} {
		got, err := filesystem.ParseURI(c.in)
		if err != nil || got != c.want {
			t.Errorf("ParseURI(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
		}
		again, err := filesystem.ParseURI(got.String())
		if err != nil || again != got {
			t.Errorf("%q comes back as %+v, %v", got, again, err)
		}
	}
	for _, bad := range []string{"", "hdfs:a", "file:", "/a\x00"} {
		if u, err := filesystem.ParseURI(bad); err == nil {
			t.Errorf("ParseURI(%q) = %+v, want an error", bad, u)
		}
	}
}

func newRegistry(t *testing.T, working string) *filesystem.Registry {
	t.Helper()
	r, err := filesystem.NewRegistry(working)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegistryFinds(t *testing.T) {
	r := newRegistry(t, "mem://x/base/dir")
	made := map[string]int{}
	fail := errors.New("not now")
	err := r.Register("mem", func(_ context.Context, authority string) (filesystem.FileSystem,
		error) {
		if made[authority]++; authority == "flaky" && made[authority] == 1 {
			return nil, fail
		}
		return memfs.New(memfs.Options{}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]string{
		"mem://x/a": "/a", "/a": "/a", "a": "/base/dir/a", "../a": "/base/a", "mem://y/": "/",
	} {
		if _, p, err := r.Find(t.Context(), uri); err != nil || p != want {
			t.Errorf("Find(%q): %q, %v; want %q", uri, p, err, want)
		}
	}
	if made["x"] != 1 || made["y"] != 1 {
		t.Errorf("connections were made %v times, want once per authority", made)
	}
	if _, _, err := r.Find(t.Context(), "mem://flaky/"); !errors.Is(err, fail) {
		t.Errorf("a failing connection: %v", err)
	}
	if _, _, err := r.Find(t.Context(), "mem://flaky/"); err != nil {
		t.Errorf("the second try: %v", err)
	}
	_, _, err = r.Find(t.Context(), "hdfs://nn/a")
	if err == nil || !strings.Contains(err.Error(), "hdfs://nn/a") ||
		!strings.Contains(err.Error(), "there are mem") {
		t.Errorf("an unknown scheme: %v", err)
	}
}

func TestRegistryRefuses(t *testing.T) {
	if _, err := filesystem.NewRegistry("/a"); err == nil {
		t.Error("a working directory without a scheme was taken")
	}
	r := newRegistry(t, "mem:///")
	open := func(context.Context, string) (filesystem.FileSystem, error) {
		return memfs.New(memfs.Options{}), nil
	}
	for _, bad := range []string{"", "x", "Mem", "a/b", "1a"} {
		if err := r.Register(bad, open); err == nil {
			t.Errorf("the scheme %q was registered", bad)
		}
	}
	if err := r.Register("mem", open); err != nil {
		t.Fatal(err)
	}
	if err := r.Register("mem", open); err == nil {
		t.Error("a scheme was registered twice")
	}
	for i := range filesystem.MaxOpen {
		uri := "mem://" + strings.Repeat("a", i%100+1) + "." + strings.Repeat("b", i/100+1) + "/"
		if _, _, err := r.Find(t.Context(), uri); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.Find(t.Context(), "mem://onemore/"); err == nil {
		t.Errorf("more than %d file systems are open", filesystem.MaxOpen)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Find(t.Context(), "mem://a.b/"); err == nil {
		t.Error("a closed registry finds file systems")
	}
}
