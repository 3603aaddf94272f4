package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"

	"goflink/core/config"
	"goflink/core/filesystem"
)

// Values of high-availability.type.
const (
	typeNone       = "NONE"
	typeFileSystem = "FILESYSTEM"
	typeZooKeeper  = "ZOOKEEPER"
)

// FromConfig reads the options of high availability; ok says whether it is on. What is said of
// ZooKeeper, in a file written for Flink, is read as the file system, with one notice.
func FromConfig(ctx context.Context, conf *config.Configuration, files *filesystem.Registry,
	logger *slog.Logger,
) (o Options, ok bool, err error) {
	kind, err := config.Get(conf, config.HighAvailabilityType)
	if err != nil {
		return o, false, err
	}
	switch kind {
	case typeNone:
		return o, false, nil
	case typeFileSystem:
	case typeZooKeeper:
		logger.Warn(fmt.Sprintf("%s is %s: no ZooKeeper is used, leadership and records are kept "+
			"in %s", config.HighAvailabilityType.Key, kind,
			config.HighAvailabilityStorageDirectory.Key))
	default:
		return o, false, fmt.Errorf("%s: %s is not supported; use %s with a directory in %s",
			config.HighAvailabilityType.Key, kind, typeFileSystem,
			config.HighAvailabilityStorageDirectory.Key)
	}
	o = Options{Logger: logger}
	if o.Lease, err = config.Get(conf, config.HighAvailabilityLease); err != nil {
		return o, false, err
	}
	o.Files, o.Directory, err = directory(ctx, conf, files)
	return o, err == nil, err
}

// directory is the folder of the cluster.
func directory(ctx context.Context, conf *config.Configuration, files *filesystem.Registry) (
	fs filesystem.FileSystem, dir string, err error,
) {
	key := config.HighAvailabilityStorageDirectory.Key
	base, err := config.Get(conf, config.HighAvailabilityStorageDirectory)
	if err != nil {
		return nil, "", err
	}
	if base == "" {
		return nil, "", fmt.Errorf("%s is not set: high availability needs a directory that all "+
			"JobManagers, workers and clients reach, such as hdfs:///flink/ha", key)
	}
	cluster, err := config.Get(conf, config.HighAvailabilityClusterID)
	if err != nil {
		return nil, "", err
	}
	name, err := clusterFolder(cluster)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", config.HighAvailabilityClusterID.Key, err)
	}
	fs, dir, err = files.Find(ctx, base)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", key, err)
	}
	return fs, path.Join(dir, name), nil
}

// clusterFolder is the path of a cluster below the storage directory.
func clusterFolder(cluster string) (string, error) {
	name := strings.Trim(cluster, "/")
	switch {
	case name == "":
		return "", errors.New("it is empty")
	case path.Clean("/"+name) != "/"+name || strings.IndexByte(name, 0) >= 0:
		return "", fmt.Errorf("%q cannot be the name of a folder", cluster)
	}
	return name, nil
}
