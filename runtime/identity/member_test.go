package identity

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// strangers are TLS clients that a server of the cluster must not serve.
func strangers(t testing.TB, a *Authority,
	config func(*Member) *tls.Config) map[string]*tls.Config {
	t.Helper()
	renamed := &Authority{cluster: "other", cert: a.cert, key: a.key}
	own := func() *tls.Config { return config(issue(t, a, TaskManager, "w1")) }
	old := own()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	// These trust the server, and show a certificate even if it does not ask for one of their
	// authority: it is the server that refuses.
	with := func(m *Member) *tls.Config {
		c := own()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &m.cert, nil
		}
		return c
	}
	return map[string]*tls.Config{
		"TLS 1.2":                old,
		"another CA":             with(issue(t, authority(t, testCluster), TaskManager, "w1")),
		"other cluster":          with(issue(t, authority(t, "other"), TaskManager, "w1")),
		"same CA, other cluster": with(issue(t, renamed, TaskManager, "w1")),
	}
}

// TestStrangers: who has no certificate of this cluster, or does not speak TLS 1.3, is not served
// at the data port, and those who come after are.
func TestStrangers(t *testing.T) {
	a := authority(t, testCluster)
	address := echo(t, issue(t, a, TaskManager, "server").DataServer())
	clients := strangers(t, a, (*Member).DataClient)
	bare := issue(t, a, TaskManager, "w1").DataClient()
	bare.Certificates = nil
	clients["no certificate"] = bare
	for name, c := range clients {
		if err := greet(t, address, c); err == nil {
			t.Errorf("%s: it was served", name)
		}
		if err := greet(t, address, issue(t, a, TaskManager, "w2").DataClient()); err != nil {
			t.Fatalf("after %s: %v", name, err)
		}
	}
}

// TestControlStrangers: the same at the control port.
func TestControlStrangers(t *testing.T) {
	a := authority(t, testCluster)
	address := control(t, a, issue(t, a, JobManager, "jm"))
	for name, c := range strangers(t, a, (*Member).ControlClient) {
		if err := register(t, call(t, address, c), "w1"); err == nil {
			t.Errorf("%s: it was served", name)
		}
	}
	m := issue(t, a, TaskManager, "w1")
	if err := register(t, call(t, address, m.ControlClient()), "w1"); err != nil {
		t.Error(err)
	}
}

// TestGarbage: plain text and garbage are not answered with anything but a TLS alert.
func TestGarbage(t *testing.T) {
	a := authority(t, testCluster)
	ports := map[string]string{
		"control": control(t, a, issue(t, a, JobManager, "jm")),
		"data":    echo(t, issue(t, a, TaskManager, "w1").DataServer()),
	}
	for port, address := range ports {
		for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
			strings.Repeat("\x00", 100), strings.Repeat("\xff", 1<<16)} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if err := talk(conn, text); err == nil {
				t.Errorf("%s port: %.20q was answered", port, text)
			}
		}
	}
	if err := greet(t, ports["data"], issue(t, a, TaskManager, "w2").DataClient()); err != nil {
		t.Error(err)
	}
}

// TestClientsRefuseServers: a client talks to a server of its cluster in the right role only.
func TestClientsRefuseServers(t *testing.T) {
	a := authority(t, testCluster)
	worker, leader := issue(t, a, TaskManager, "w1"), issue(t, a, JobManager, "jm")
	other := authority(t, testCluster)
	renamed := &Authority{cluster: "other", cert: a.cert, key: a.key}
	tls12 := worker.DataServer()
	tls12.MinVersion, tls12.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	later := worker.DataClient()
	later.Time = func() time.Time { return time.Now().Add(Validity + time.Hour) }
	for _, c := range []struct {
		name           string
		server, client *tls.Config
		served         bool
	}{
		{"data", worker.DataServer(), worker.DataClient(), true},
		{"control", leader.ControlServer(), worker.ControlClient(), true},
		{"worker as JobManager", worker.ControlServer(), worker.ControlClient(), false},
		{"JobManager as worker", leader.DataServer(), worker.DataClient(), false},
		{"another CA", issue(t, other, TaskManager, "w").DataServer(), worker.DataClient(), false},
		{"another cluster", issue(t, renamed, TaskManager, "w").DataServer(), worker.DataClient(),
			false},
		{"TLS 1.2", tls12, worker.DataClient(), false},
		{"expired", worker.DataServer(), later, false},
	} {
		if err := greet(t, echo(t, c.server), c.client); (err == nil) != c.served {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestExpired: a certificate that has expired is of no use to anybody.
func TestExpired(t *testing.T) {
	a := authority(t, testCluster)
	m := issue(t, a, TaskManager, "w1")
	if end := m.cert.Leaf.NotAfter; end.Before(time.Now().Add(9 * 365 * 24 * time.Hour)) {
		t.Errorf("the certificate ends on %v, want in ten years", end)
	}
	server := m.DataServer()
	server.Time = func() time.Time { return time.Now().Add(Validity + time.Hour) }
	if err := greet(t, echo(t, server), m.DataClient()); err == nil {
		t.Error("a server took an expired certificate")
	}
	old, err := newAuthority(testCluster, time.Now().Add(-Validity-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Issue(TaskManager, "w1"); err == nil || !strings.Contains(err.Error(),
		"expired") {
		t.Errorf("an expired authority issues: %v", err)
	}
}

// TestNothingIsPrinted: no way of printing or logging gives a secret or a key away.
func TestNothingIsPrinted(t *testing.T) {
	a := authority(t, testCluster)
	m := issue(t, a, TaskManager, "w1")
	l := a.Launch("w1")
	check := func(text, want string) {
		t.Helper()
		noSecret(t, a, text)
		if strings.Contains(text, fmt.Sprint(m.cert.PrivateKey)) {
			t.Errorf("%q gives the key of a member away", text)
		}
		if !strings.Contains(text, want) {
			t.Errorf("%q does not contain %q", text, want)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{a, *a, m, *m} {
			check(fmt.Sprintf(verb, v), testCluster)
		}
		for _, v := range []any{l, &l, l.Secret, []Secret{l.Secret}} {
			check(fmt.Sprintf(verb, v), redacted)
		}
	}
	for _, v := range []any{a, m, l, &l, l.Secret} {
		var text strings.Builder
		slog.New(slog.NewJSONHandler(&text, nil)).Info("message", "value", v)
		slog.New(slog.NewTextHandler(&text, nil)).Info("message", "value", v)
		check(text.String(), "value")
	}
}
