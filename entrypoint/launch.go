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
)

// Role is what a process of a program's binary does.
type Role string

const (
	// RoleLocal runs the program with its jobs in the process itself; it is the default.
	RoleLocal Role = "local"
	// RolePlan runs the program up to its first Execute and writes the plan.
	RolePlan Role = "plan"
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
	Format string
}

const (
	// LaunchVersion is the version of the protocol between launcher and process.
	LaunchVersion = 1
	// LaunchEnv names the environment variable that holds the number of the inherited file with the
	// Launch; the file after it takes the process's report.
	LaunchEnv = "GOFLINK_LAUNCH_FD"
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
	f := os.NewFile(uintptr(fd), "launch")
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxLaunchBytes))
	if err == nil {
		err = json.Unmarshal(b, &l.Launch)
	}
	if err != nil {
		return nil, fmt.Errorf("the launcher's instructions cannot be read: %w", err)
	}
	if l.Version != LaunchVersion {
		return nil, fmt.Errorf("the launcher speaks version %d, this program version %d: build "+
			"the program with the release of the launcher", l.Version, LaunchVersion)
	}
	l.report = os.NewFile(uintptr(fd+1), "report")
	return l, nil
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
