package rest

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"goflink/core/config"
)

const (
	// maxPorts bounds how many ports one list names.
	maxPorts = 1 << 16
	// maxNamed is how many taken ports an error tells the owners of.
	maxNamed = 8
	// defaultHost is where the interface listens if nothing is configured: not on the network.
	defaultHost = "localhost"
)

// Listen binds the first free of the ports of rest.bind-port, or, where that is not set, rest.port,
// at rest.bind-address. The error for ports that are all taken says by which processes, as far as
// they can be seen.
func Listen(c *config.Configuration) (net.Listener, error) {
	host, err := config.Get(c, config.RestBindAddress)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = defaultHost
	}
	ports, option, err := bindPorts(c)
	if err != nil {
		return nil, err
	}
	var taken []string
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES):
			return nil, fmt.Errorf("the REST interface cannot listen at %s: %w; look at %s (%s)",
				host, err, config.RestBindAddress.Key, config.OriginOf(c, config.RestBindAddress))
		case len(taken) < maxNamed:
			taken = append(taken, takenBy(port, err))
		}
	}
	if more := len(ports) - len(taken); more > 0 {
		taken = append(taken, fmt.Sprintf("and %d more", more))
	}
	return nil, fmt.Errorf("the REST interface finds no free port at %s among those of %s: %s; "+
		"free one, or name others", host, option, strings.Join(taken, "; "))
}

func takenBy(port int, err error) string {
	if errors.Is(err, syscall.EACCES) {
		return fmt.Sprintf("%d may not be used by this user", port)
	}
	if owner := portOwner(port); owner != "" {
		return fmt.Sprintf("%d is taken by %s", port, owner)
	}
	return fmt.Sprintf("%d is taken by a process that this user cannot see", port)
}

// bindPorts are the ports to try, in their order, and how the user named them.
func bindPorts(c *config.Configuration) (ports []int, option string, err error) {
	if !config.IsSet(c, config.RestBindPort) && config.IsSet(c, config.RestPort) {
		port, err := config.Get(c, config.RestPort)
		return []int{port}, fmt.Sprintf("%s %d (%s)", config.RestPort.Key, port,
			config.OriginOf(c, config.RestPort)), err
	}
	text, err := config.Get(c, config.RestBindPort)
	if err != nil {
		return nil, "", err
	}
	origin := config.OriginOf(c, config.RestBindPort)
	if ports, err = parsePorts(text); err != nil {
		return nil, "", &config.ValueError{Key: config.RestBindPort.Key, Value: text,
			Origin: origin, Expected: "a port, or ranges and lists of them, as in 8081-8090,9000",
			Err: err}
	}
	return ports, fmt.Sprintf("%s %s (%s)", config.RestBindPort.Key, text, origin), nil
}

// parsePorts reads ports and ranges separated by commas; 0 is any.
func parsePorts(text string) (ports []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := parsePort(low)
		if err != nil {
			return nil, err
		}
		to := from
		if ranged {
			if to, err = parsePort(high); err != nil {
				return nil, err
			}
		}
		if to < from || ranged && from == 0 {
			return nil, fmt.Errorf("%q is no range of ports", part)
		}
		if len(ports)+to-from+1 > maxPorts {
			return nil, fmt.Errorf("there are more than %d ports", maxPorts)
		}
		for p := from; p <= to; p++ {
			ports = append(ports, p)
		}
	}
	return ports, nil
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no port: want a number from 0 to 65535", text)
	}
	return int(n), nil
}
