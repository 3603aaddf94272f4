package rest

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"goflink/core/config"
)

// occupy listens at a free port.
func occupy(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

// TestListenSkipsTaken: R120: the first free port of a list is bound, on the local host only.
func TestListenSkipsTaken(t *testing.T) {
	_, taken := occupy(t)
	released, free := occupy(t)
	if err := released.Close(); err != nil {
		t.Fatal(err)
	}
	conf := config.FromMap(map[string]string{
		"rest.bind-port": fmt.Sprintf("%d, %d-%d", taken, free, free)}, "test")
	l, err := Listen(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a := l.Addr().(*net.TCPAddr); a.Port != free || !a.IP.IsLoopback() {
		t.Errorf("it listens at %s, not at port %d of the local host", a, free)
	}
}

// TestListenAllTaken: R120: the error says which port is taken by which process, and which option
// named it.
func TestListenAllTaken(t *testing.T) {
	_, taken := occupy(t)
	for _, option := range []string{"rest.bind-port", "rest.port"} {
		conf := config.New()
		conf.Set(option, fmt.Sprint(taken), "file conf/config.yaml:3")
		_, err := Listen(conf)
		if err == nil {
			t.Fatal("a taken port was bound")
		}
		for _, part := range []string{fmt.Sprintf("%d is taken by", taken), option,
			"file conf/config.yaml:3", fmt.Sprintf("process %d (", os.Getpid())} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not in %q", part, err)
			}
		}
	}
}

// TestListenElsewhere: R120: an address that is not of this machine is named with its option.
func TestListenElsewhere(t *testing.T) {
	conf := config.FromMap(map[string]string{"rest.bind-address": "203.0.113.1",
		"rest.bind-port": "0"}, "the test")
	_, err := Listen(conf)
	if err == nil || !strings.Contains(err.Error(), "203.0.113.1") ||
		!strings.Contains(err.Error(), "rest.bind-address (the test)") {
		t.Errorf("Listen says %v", err)
	}
}

// TestPorts: R120: lists and ranges of ports.
func TestPorts(t *testing.T) {
	for _, c := range []struct {
		text string
		want []int // nil: an error
	}{
		{"8081", []int{8081}}, {"0", []int{0}}, {"8081-8083", []int{8081, 8082, 8083}},
		{"1, 5-6 ,9", []int{1, 5, 6, 9}}, {"7-7", []int{7}}, {"", nil}, {"8083-8081", nil},
		{"0-5", nil}, {"65536", nil}, {"-1", nil}, {"1-", nil}, {"a", nil}, {"1,,2", nil},
		{"1-65535,1-65535", nil},
	} {
		got, err := parsePorts(c.text)
		if (err != nil) != (c.want == nil) || err == nil && !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
	conf := config.FromMap(map[string]string{"rest.bind-port": "a-b"}, "the test")
	if _, err := Listen(conf); err == nil || !strings.Contains(err.Error(), "rest.bind-port") ||
		!strings.Contains(err.Error(), "the test") {
		t.Errorf("Listen says %v", err)
	}
}
