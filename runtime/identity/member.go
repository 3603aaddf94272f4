package identity

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Role is what a process is in its cluster.
type Role string

// The roles.
const (
	JobManager  Role = "jobmanager"
	TaskManager Role = "taskmanager"
)

// serverNameBytes is how much of the hash of a cluster's id is in its server names.
const serverNameBytes = 16

// serverName is the name that clients want in the certificate of a server. A cluster's id need not
// be a valid host name, so its hash stands for it.
func serverName(cluster string, role Role) string {
	h := sha256.Sum256([]byte(cluster))
	return string(role) + "." + hex.EncodeToString(h[:serverNameBytes]) + ".goflink"
}

// roleOf is the role in a certificate; empty if there is none.
func roleOf(c *x509.Certificate) Role {
	if len(c.Subject.OrganizationalUnit) != 1 {
		return ""
	}
	return Role(c.Subject.OrganizationalUnit[0])
}

// checkCluster checks that a certificate, whose chain is verified, is one of a cluster.
func checkCluster(c *x509.Certificate, cluster string) error {
	if !slices.Equal(c.Subject.Organization, []string{cluster}) {
		return fmt.Errorf("the certificate of %q belongs to the cluster %q, this is %q",
			c.Subject.CommonName, c.Subject.Organization, cluster)
	}
	return nil
}

// Member is a process of a cluster: its certificate and its key, which never leaves the process. It
// is immutable and safe for concurrent use. The TLS configurations are the caller's own.
type Member struct {
	cluster string
	name    string
	cert    tls.Certificate
	pool    *x509.CertPool
}

// newMember puts a certificate of an authority and its key together. It verifies that they fit.
func newMember(cluster string, authority *x509.Certificate, der []byte, key *ecdsa.PrivateKey) (
	*Member, error,
) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate of cluster %q: %w", cluster, err)
	}
	m := &Member{cluster: cluster, name: leaf.Subject.CommonName, pool: x509.NewCertPool(),
		cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
	m.pool.AddCert(authority)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: m.pool,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err == nil {
		err = checkCluster(leaf, cluster)
	}
	if err == nil && !key.PublicKey.Equal(leaf.PublicKey) {
		err = errors.New("it was made for another key")
	}
	if err != nil {
		return nil, fmt.Errorf("certificate of %q in cluster %q: %w", m.name, cluster, err)
	}
	return m, nil
}

// Cluster is the id of the member's cluster.
func (m *Member) Cluster() string { return m.cluster }

// Name is the name in the certificate: of a worker its id.
func (m *Member) Name() string { return m.name }

// ControlServer is for the control port of a JobManager. A client without a certificate gets
// through the handshake, so each call but Join has to be checked with Authority.Verify or Known.
func (m *Member) ControlServer() *tls.Config {
	c := m.config()
	c.ClientAuth = tls.VerifyClientCertIfGiven
	return c
}

// ControlClient is for connections with the JobManager.
func (m *Member) ControlClient() *tls.Config {
	c := m.config()
	c.ServerName = serverName(m.cluster, JobManager)
	return c
}

// DataServer is for the data port of a TaskManager.
func (m *Member) DataServer() *tls.Config { return m.config() }

// DataClient is for connections with the data port of a TaskManager.
func (m *Member) DataClient() *tls.Config {
	c := m.config()
	c.ServerName = serverName(m.cluster, TaskManager)
	return c
}

// config is what the configurations have in common: both sides show a certificate of this cluster.
func (m *Member) config() *tls.Config {
	c := newConfig(m.cluster, m.pool)
	c.Certificates = []tls.Certificate{m.cert}
	return c
}

// newConfig checks the other side, without a certificate of its own.
func newConfig(cluster string, pool *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert,
		// Connections live long, so resumption would save nothing; every one is checked in full.
		SessionTicketsDisabled: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return nil // only ControlServer gets here without one
			}
			return checkCluster(s.PeerCertificates[0], cluster)
		},
	}
}

// String names the process, and nothing that is secret.
func (m Member) String() string { return fmt.Sprintf("%q in cluster %q", m.name, m.cluster) }

// Format prints String for every verb, since the default would print the key.
func (m Member) Format(s fmt.State, _ rune) { fmt.Fprint(s, m.String()) }
