package entrypoint

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"goflink/internal/testkit"
	"goflink/runtime/controlplane/controlpb"
)

// listening are the ports at which the processes of a cluster listen (proc_net_tcp(5), and the file
// descriptors of the processes).
func (c *LocalCluster) listening(t *testing.T) (ports []int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[string]int{}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != "0A" { // listening
			continue
		}
		var address, port int
		if _, err := fmt.Sscanf(f[1], "%08X:%04X", &address, &port); err != nil {
			t.Fatal(err)
		}
		inodes["socket:["+f[9]+"]"] = port
	}
	for pid := range c.processes(t) {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		fds, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			target, err := os.Readlink(dir + "/" + fd.Name())
			if port := inodes[target]; err == nil && port != 0 {
				ports = append(ports, port)
			}
		}
	}
	slices.Sort(ports)
	return ports
}

// TestGarbage: whatever comes to the ports of a cluster from somebody who does not belong to it, it
// is turned away, and the job goes on: the internal ports speak nothing but TLS 1.3 with a
// certificate of the cluster.
func TestGarbage(t *testing.T) {
	out, records := t.TempDir(), int64(testkit.Scaled(12_000))
	c := deployed(t, "sums", []string{out, fmt.Sprint(records)}, append(slices.Clone(quick),
		"restart-strategy", "none", "execution.checkpointing.dir", "file://"+t.TempDir())...)
	eventually(t, "there are not two workers", func() bool { return len(written(t, out)) > 0 })
	var ports []int
	eventually(t, "not all ports are open", func() bool {
		ports = c.listening(t)
		return len(ports) == 4 // control and REST of the JobManager, data of two TaskManagers
	})
	_, restPort, err := net.SplitHostPort(c.REST)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range ports {
		address := fmt.Sprint("127.0.0.1:", port)
		for _, garbage := range []string{"", "GET / HTTP/1.1\r\n\r\n",
			"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", strings.Repeat("\x00\xff\x16\x03\x01", 10_000)} {
			if err := throw(address, garbage); err != nil {
				t.Errorf("port %d, %.10q: %v", port, garbage, err)
			}
		}
		if fmt.Sprint(port) != restPort {
			refuses(t, address)
		}
	}
	if err := c.ends(t); err != nil {
		t.Fatal(err)
	}
	if got, want := written(t, out), wantSums(records); !slices.Equal(got, want) {
		t.Errorf("%d results, want %d", len(got), len(want))
	}
	// Strangers are noted, but not with what they said.
	log := c.read(t, "jobmanager", "jobmanager.log")
	if m := regexp.MustCompile(`panic|goroutine \d`).FindString(log); m != "" {
		t.Errorf("the log has %q", m)
	}
}

// throw sends garbage and closes the connection.
func throw(address, garbage string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c, garbage)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		err = nil // it was turned away already
	}
	return errors.Join(err, c.Close())
}

// refuses verifies that an internal port has nothing to say to a stranger: not to one that speaks
// an older version of TLS, and no answer to a call of one without a certificate.
func refuses(t *testing.T, address string) {
	t.Helper()
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}
	if c, err := tls.Dial("tcp", address, old); err == nil {
		c.Close()
		t.Errorf("%s speaks TLS 1.2", address)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(
		credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	api := controlpb.NewClusterClient(conn)
	turned := []codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.Unavailable}
	_, err = api.DescribeJob(t.Context(), &controlpb.JobRequest{Job: make([]byte, 16)})
	if !slices.Contains(turned, status.Code(err)) {
		t.Errorf("%s: DescribeJob of a stranger: %v", address, err)
	}
	_, err = api.Join(t.Context(), &controlpb.JoinRequest{Secret: make([]byte, 32),
		Worker: "stranger"})
	if !slices.Contains(turned, status.Code(err)) {
		t.Errorf("%s: Join with a wrong secret: %v", address, err)
	}
	st, err := api.Connect(t.Context())
	if err == nil {
		err = st.Send(&controlpb.FromWorker{Kind: &controlpb.FromWorker_Register{
			Register: &controlpb.Register{Worker: "taskmanager-1-1", Slots: 1}}})
	}
	if err == nil || errors.Is(err, io.EOF) {
		_, err = st.Recv()
	}
	if !slices.Contains(turned, status.Code(err)) {
		t.Errorf("%s: Connect of a stranger: %v", address, err)
	}
}
