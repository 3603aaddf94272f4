package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"goflink/core/id"
	"goflink/runtime/controlplane/controlpb"
)

// TestJoinCluster: R139, a worker with a launch file gets a certificate, with which it may register
// under its own id and exchange data; with the secret it gets another one.
func TestJoinCluster(t *testing.T) {
	a := authority(t, testCluster)
	address := control(t, a, issue(t, a, JobManager, "jm"))
	file, err := json.Marshal(a.Launch("w1"))
	if err != nil {
		t.Fatal(err)
	}
	var launch Launch
	if err := json.Unmarshal(file, &launch); err != nil {
		t.Fatal(err)
	}
	var members []*Member
	for range 2 {
		m, err := JoinCluster(t.Context(), address, launch)
		if err != nil {
			t.Fatal(err)
		}
		if m.Name() != "w1" || m.Cluster() != testCluster {
			t.Errorf("the certificate is that of %v", m)
		}
		if err := register(t, call(t, address, m.ControlClient()), "w1"); err != nil {
			t.Errorf("register: %v", err)
		}
		members = append(members, m)
	}
	data := echo(t, members[0].DataServer())
	if err := greet(t, data, members[1].DataClient()); err != nil {
		t.Errorf("data: %v", err)
	}
}

// request makes a certificate request.
func request(t testing.TB, key any) []byte {
	t.Helper()
	b, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestJoinRefuses: R139, without the secret, or with a request that is not sound, there is no
// certificate.
func TestJoinRefuses(t *testing.T) {
	a := authority(t, testCluster)
	good := request(t, ecKey(t, elliptic.P256()))
	if _, _, err := a.Join(a.secret, "w", good); err != nil {
		t.Fatal(err)
	}
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	almost := bytes.Clone(a.secret)
	almost[31] ^= 1
	for _, c := range []struct {
		name    string
		secret  []byte
		worker  id.Worker
		request []byte
		want    string
	}{
		{"no secret", nil, "w", good, ErrSecret.Error()},
		{"wrong secret", almost, "w", good, ErrSecret.Error()},
		{"half a secret", a.secret[:16], "w", good, ErrSecret.Error()},
		{"the other secret", a.token, "w", good, ErrSecret.Error()},
		{"wrong secret and request", almost, "w", nil, ErrSecret.Error()},
		{"no request", a.secret, "w", nil, "certificate request"},
		{"forged", a.secret, "w", forged, "certificate request"},
		{"another curve", a.secret, "w", request(t, ecKey(t, elliptic.P384())), "P-256"},
		{"RSA", a.secret, "w", request(t, weak), "RSA"},
		{"too large", a.secret, "w", make([]byte, MaxRequestBytes+1), "the limit is 16384"},
		{"no name", a.secret, "", good, "is empty"},
		{"long name", a.secret, id.Worker(strings.Repeat("w", 256)), good, "the limit is 255"},
		{"bad name", a.secret, "a\x00b", good, "cannot be printed"},
	} {
		cert, _, err := a.Join(c.secret, c.worker, c.request)
		if err == nil || cert != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
			continue
		}
		noSecret(t, a, err.Error())
	}
}

// TestJoinClusterRefused: R139, a worker that is refused hears why and that it is final; one that
// does not reach its own JobManager does not give its secret away.
func TestJoinClusterRefused(t *testing.T) {
	a, other := authority(t, testCluster), authority(t, testCluster)
	address := control(t, a, issue(t, a, JobManager, "jm"))
	for _, c := range []struct {
		name    string
		address string
		launch  func(l *Launch)
		refused bool
		want    string
	}{
		{"wrong secret", address, func(l *Launch) { l.Secret = other.secret }, true,
			"join secret"},
		{"bad worker", address, func(l *Launch) { l.Worker = "a\nb" }, true, "cannot be printed"},
		{"another JobManager", control(t, other, issue(t, other, JobManager, "jm")),
			func(*Launch) {}, false, "certificate"},
		{"a worker that plays JobManager", control(t, a, issue(t, a, TaskManager, "jm")),
			func(*Launch) {}, false, "certificate"},
		{"no authority", address, func(l *Launch) { l.Authority = nil }, false, "launch file"},
		{"another cluster", address, func(l *Launch) { l.Cluster = "other" }, false,
			`belongs to the cluster ["/default"], this is "other"`},
	} {
		l := a.Launch("w1")
		c.launch(&l)
		_, err := JoinCluster(t.Context(), c.address, l)
		if err == nil || errors.Is(err, ErrRefused) != c.refused ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
			continue
		}
		noSecret(t, a, err.Error())
		noSecret(t, other, err.Error())
	}
}

// TestWhoMaySpeak: R139, a certificate speaks for the worker that it was made for and for nobody
// else; without one there is nothing but Join.
func TestWhoMaySpeak(t *testing.T) {
	a := authority(t, testCluster)
	address := control(t, a, issue(t, a, JobManager, "jm"))
	worker := issue(t, a, TaskManager, "w1")
	bare := worker.ControlClient()
	bare.Certificates = nil
	describe := func(api controlpb.ClusterClient) codes.Code {
		_, err := api.DescribeJob(t.Context(), &controlpb.JobRequest{Job: make([]byte, 16)})
		return status.Code(err)
	}
	api := call(t, address, worker.ControlClient())
	if err := register(t, api, "w1"); err != nil {
		t.Errorf("the worker itself: %v", err)
	}
	if err := register(t, api, "w2"); status.Code(err) != codes.PermissionDenied ||
		!strings.Contains(err.Error(), `"w1"`) || !strings.Contains(err.Error(), `"w2"`) {
		t.Errorf("as another worker: %v", err)
	}
	if c := describe(api); c != codes.NotFound {
		t.Errorf("a worker asks for a job: %v", c)
	}
	api = call(t, address, issue(t, a, JobManager, "w1").ControlClient())
	if err := register(t, api, "w1"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a JobManager as a worker: %v", err)
	}
	api = call(t, address, bare)
	if err := register(t, api, "w1"); status.Code(err) != codes.PermissionDenied ||
		!strings.Contains(err.Error(), "has shown no certificate") {
		t.Errorf("without a certificate: %v", err)
	}
	if c := describe(api); c != codes.PermissionDenied {
		t.Errorf("without a certificate, asking for a job: %v", c)
	}
	if err := a.Known(nil); err == nil || a.Verify(nil, "w1") == nil {
		t.Errorf("without TLS: %v", err)
	}
}
