package leader

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/runtime/memfs"
)

func TestFromConfig(t *testing.T) { // R6
	files, err := filesystem.NewRegistry("mem:///")
	if err != nil {
		t.Fatal(err)
	}
	err = files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
		return memfs.New(memfs.Options{}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const kind, dir, cluster, key = "high-availability.type", "high-availability.storageDir",
		"high-availability.cluster-id", "high-availability.filesystem.lease"
	for name, c := range map[string]struct {
		conf    map[string]string
		want    string // the directory
		lease   time.Duration
		err     string
		notices int
	}{
		"default": {},
		"none":    {conf: map[string]string{kind: "none", dir: "mem:///ha"}},
		"filesystem": {conf: map[string]string{kind: "filesystem", dir: "mem:///ha"},
			want: "/ha/default", lease: 10 * time.Second},
		"all": {conf: map[string]string{kind: "FILESYSTEM", dir: "/a/b", cluster: "app_1",
			key: "30 s"}, want: "/a/b/app_1", lease: 30 * time.Second},
		"copied": {conf: map[string]string{"high-availability": "zookeeper",
			"high-availability.zookeeper.quorum":         "zk:2181",
			"high-availability.zookeeper.storageDir":     "mem:///ha",
			"high-availability.zookeeper.path.namespace": "/team/app"},
			want: "/ha/team/app", lease: 10 * time.Second, notices: 1},
		"no directory":  {conf: map[string]string{kind: "filesystem"}, err: dir + " is not set"},
		"no such place": {conf: map[string]string{kind: "filesystem", dir: "other:/b"}, err: dir},
		"kubernetes":    {conf: map[string]string{kind: "kubernetes"}, err: "KUBERNETES"},
		"climbing": {conf: map[string]string{kind: "filesystem", dir: "/ha", cluster: "../x"},
			err: cluster},
		"empty id": {conf: map[string]string{kind: "filesystem", dir: "/ha", cluster: "/"},
			err: cluster},
		"short lease": {conf: map[string]string{kind: "filesystem", dir: "/ha",
			key: "1 ms"}, err: key},
	} {
		var log strings.Builder
		o, ok, err := FromConfig(t.Context(), config.FromMap(c.conf, "test"), files,
			slog.New(slog.NewTextHandler(&log, nil)))
		if c.err != "" {
			if err == nil || ok || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want an error with %q", name, err, c.err)
			}
			continue
		}
		if err != nil || ok != (c.want != "") || o.Directory != c.want || o.Lease != c.lease ||
			ok != (o.Files != nil) {
			t.Errorf("%s: %+v, %t, %v", name, o, ok, err)
		}
		if n := strings.Count(log.String(), "ZooKeeper"); n != c.notices {
			t.Errorf("%s: %d notices: %s", name, n, log.String())
		}
	}
}
