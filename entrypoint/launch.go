package entrypoint

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"goflink/core/config"
	"goflink/runtime/controlplane"
	"goflink/runtime/identity"
)

// Role is what a process of a program's binary does.
type Role string

const (
	// RoleLocal runs the program with its jobs in the process itself; it is the default.
	RoleLocal Role = "local"
	// RoleClient runs the program, whose jobs run on clusters.
	RoleClient Role = "client"
	// RolePlan runs the program up to its first Execute and writes the plan.
	RolePlan Role = "plan"
	// RoleJobManager is the JobManager of a cluster for one application or one job.
	RoleJobManager Role = "jobmanager"
	// RoleTaskManager runs the program's tasks.
	RoleTaskManager Role = "taskmanager"
)

// Launch is what a launcher says to the process that it starts. It is handed over on an inherited
// file, so that it shows in no list of processes and no environment.
type Launch struct {
	// Version is that of the launcher's protocol.
	Version int
	Role    Role
	// Program chooses one of the binary's programs.
	Program string
	// Config is the configuration: values with their origins, in order.
	Config []config.Entry
	// Format is that of a plan: "json" or "text".
	Format string `json:",omitempty"`
	// Cluster is set for the processes of a cluster.
	Cluster *ClusterLaunch `json:",omitempty"`
}

// ClusterLaunch is what the processes of a cluster are told. It holds secrets: launch files can be
// read by their owner only.
type ClusterLaunch struct {
	// ID is the cluster's id.
	ID string
	// Args are the program's arguments, and Dir is the directory in which it runs: the client's.
	Args []string
	Dir  string
	// Log is the directory of the process's log files.
	Log string
	// Home is the cluster's directory, with its identity. Only a JobManager is told.
	Home string `json:",omitempty"`
	// Mode says what a JobManager runs.
	Mode Mode `json:",omitempty"`
	// Job is what a JobManager in mode per-job runs, and Attached says that a client waits for its
	// result.
	Job      *controlplane.JobDescription `json:",omitempty"`
	Attached bool                         `json:",omitempty"`
	// Leader is where a TaskManager finds the JobManager, host:port, and Member what it joins with.
	Leader string           `json:",omitempty"`
	Member *identity.Launch `json:",omitempty"`
}

// Mode says what a JobManager runs.
type Mode string

const (
	// ModeApplication is a JobManager that runs the program's main function itself (R136).
	ModeApplication Mode = "application"
	// ModePerJob is a JobManager for one job, which is shipped with it (R135, R140).
	ModePerJob Mode = "per-job"
)

const (
	// LaunchVersion is the version of the protocol between launcher and process.
	LaunchVersion = 1
	// LaunchEnv names the environment variable that holds the number of the inherited file with the
	// Launch; the file after it takes the process's report.
	LaunchEnv = "GOFLINK_LAUNCH_FD"
	// LaunchFileEnv names the environment variable that holds the path of a file with the Launch,
	// for processes that outlive who starts them.
	LaunchFileEnv = "GOFLINK_LAUNCH"
	// MaxLaunchBytes bounds an encoded Launch and a report.
	MaxLaunchBytes = 16 << 20
)

type launch struct {
	Launch
	config *config.Configuration
	// report is where the launcher reads from, or nil.
	report *os.File
}

// readLaunch reads what the launcher said; without a launcher the process runs locally.
func readLaunch() (*launch, error) {
	l := &launch{Launch: Launch{Role: RoleLocal}}
	if path := os.Getenv(LaunchFileEnv); path != "" {
		os.Unsetenv(LaunchFileEnv)
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("the launcher's instructions cannot be read: %w", err)
		}
		return l, l.read(f)
	}
	v := os.Getenv(LaunchEnv)
	if v == "" {
		return l, nil
	}
	os.Unsetenv(LaunchEnv)
	fd, err := strconv.Atoi(v)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q is not the number of an inherited file; start programs with "+
			"flink-yarn, flink-nomad or by hand", LaunchEnv, v)
	}
	l.report = os.NewFile(uintptr(fd+1), "report")
	return l, l.read(os.NewFile(uintptr(fd), "launch"))
}

// read reads the Launch and closes the file.
func (l *launch) read(f *os.File) error {
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxLaunchBytes))
	if err == nil {
		err = json.Unmarshal(b, &l.Launch)
	}
	if err != nil {
		return fmt.Errorf("the launcher's instructions (%s) cannot be read: %w", f.Name(), err)
	}
	if l.Version != LaunchVersion {
		return fmt.Errorf("the launcher speaks version %d, this program version %d: build "+
			"the program with the release of the launcher", l.Version, LaunchVersion)
	}
	return nil
}

// prepare makes the configuration: of the launcher, or of the configuration directory.
func (l *launch) prepare() (err error) {
	if l.Version != 0 {
		l.config = config.FromEntries(l.Config)
		return nil
	}
	l.config, err = LoadConfig()
	return err
}

// executed tells the launcher that the program runs a job.
func (l *launch) executed() {
	if l.report != nil {
		fmt.Fprintln(l.report, "executed")
	}
}

// LoadConfig reads the configuration file of FLINK_CONF_DIR: config.yaml or flink-conf.yaml.
// Without the variable the configuration is empty.
func LoadConfig() (*config.Configuration, error) {
	dir := os.Getenv("FLINK_CONF_DIR")
	if dir == "" {
		return config.New(), nil
	}
	for _, name := range []string{"config.yaml", "flink-conf.yaml"} {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		return config.Load(path, b)
	}
	return nil, fmt.Errorf("FLINK_CONF_DIR=%s has neither config.yaml nor flink-conf.yaml", dir)
}

func sortedNames(p Programs) []string { return slices.Sorted(maps.Keys(p)) }
