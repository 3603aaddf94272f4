package dataplane

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// certificate makes a certificate for 127.0.0.1 that signs itself.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// mutualTLS makes a rig's connections TLS with a certificate on both sides.
func mutualTLS(t testing.TB) rigOptions {
	cert, pool := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
	return rigOptions{
		listen: func(l net.Listener) net.Listener { return tls.NewListener(l, config) },
		dial: func(ctx context.Context, address string) (net.Conn, error) {
			return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
		},
	}
}

// A TLS listener and a TLS dialer are all that mutual TLS needs; who has no certificate gets
// nothing.
func TestMutualTLS(t *testing.T) {
	r := newRig(t, mutualTLS(t))
	p := r.partition(t, PartitionOptions{MayBlock: true})
	g := r.gate(t, recType, 0, p.ID())
	put(t, p, 0, recs(0, 0, 5))
	put(t, p, 0, recs(0, 5, 900))
	if got := g.take(t, 905); !slices.Equal(got, records(0, 905)) {
		t.Errorf("%d records arrived, want 905 in order", len(got))
	}
	plain := NewClient(ClientOptions{Logger: slogDiscard})
	defer plain.Close()
	bare, err := NewGate(GateOptions{Name: "bare", Type: recType, Pool: r.pool, Client: plain,
		Sources: []ChannelSource{{Partition: p.ID(), Address: r.address()}}})
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	n := wakeable(bare)
	bare.Connect()
	if _, _, err := n.await(t); err == nil {
		t.Error("a client without TLS was served")
	}
	eventually(t, "the reason is logged", func() bool {
		return strings.Contains(r.log.String(),
			"tls")
	})
	put(t, p, 0, recs(0, 905, 5))
	g.take(t, 5)
}
