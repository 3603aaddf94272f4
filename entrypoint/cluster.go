package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/runtime/controlplane/rpc"
	"goflink/runtime/identity"
	"goflink/runtime/leader"
)

// enter prepares a process of a cluster: its working directory is the program's, its arguments are
// the program's, and its log is open.
func (l *launch) enter(component string) (*slog.Logger, error) {
	c := l.Cluster
	if c == nil {
		return nil, fmt.Errorf("the launcher has said nothing of a cluster to a %s", component)
	}
	os.Args = append([]string{os.Args[0]}, c.Args...)
	if c.Dir != "" {
		if err := os.Chdir(c.Dir); err != nil {
			return nil, fmt.Errorf("the program's directory: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(c.Log, component+".log"),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	return slog.New(slog.NewTextHandler(f, nil)), nil
}

// leaders finds the JobManager that leads: the one that has started this process, or under high
// availability whoever it is.
func (l *launch) leaders(files *filesystem.Registry, logger *slog.Logger) (
	rpc.LeaderFinder, error) {
	o, on, err := leader.FromConfig(context.Background(), l.config, files, logger)
	if err != nil {
		return nil, err
	}
	if on {
		return leader.NewFinder(o), nil
	}
	return leader.Fixed(l.Cluster.Leader), nil
}

// joinRetry is the time between two attempts to reach the JobManager for a certificate.
const joinRetry = 200 * time.Millisecond

// joinCluster gets a certificate from the JobManager, which may still be starting.
func joinCluster(ctx context.Context, l *launch, leaders rpc.LeaderFinder,
	logger *slog.Logger) (*identity.Member, error) {
	timeout, err := config.Get(l.config, config.TaskManagerRegistrationTimeout)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	for {
		var m *identity.Member
		address, err := leaders.Leader(ctx)
		if err == nil {
			m, err = identity.JoinCluster(ctx, address, *l.Cluster.Member)
		}
		if err == nil || errors.Is(err, identity.ErrRefused) || ctx.Err() != nil {
			return m, err
		}
		logger.Debug("the JobManager cannot be reached yet", "error", err)
		select {
		case <-time.After(joinRetry):
		case <-late.C:
			return nil, fmt.Errorf("%w for %s (%s): %w", rpc.ErrNoLeader, timeout,
				config.TaskManagerRegistrationTimeout.Key, err)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// advertised is the address under which others reach a listener: the configured host, else that
// which it is bound to, else the name of this machine.
func advertised(conf *config.Configuration, key config.Option[string], bind string,
	bound net.Addr) (string, error) {
	host, err := config.Get(conf, key)
	if err != nil {
		return "", err
	}
	if host == "" {
		host = bind
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return "", err
		}
	}
	_, port, err := net.SplitHostPort(bound.String())
	return net.JoinHostPort(host, port), err
}

// heartbeats are the times of the configuration.
func heartbeats(conf *config.Configuration) (h rpc.Heartbeats, err error) {
	if h.Interval, err = config.Get(conf, config.HeartbeatInterval); err != nil {
		return h, err
	}
	if h.Timeout, err = config.Get(conf, config.HeartbeatTimeout); err != nil {
		return h, err
	}
	if h.Timeout <= h.Interval {
		return h, fmt.Errorf("%s is %s and %s is %s: the time-out must be longer",
			config.HeartbeatInterval.Key, h.Interval, config.HeartbeatTimeout.Key, h.Timeout)
	}
	return h, nil
}
