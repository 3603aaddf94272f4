package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/credentials"

	"goflink/core/id"
)

// Limits of what is put into a certificate, and of its life.
const (
	// MaxNameBytes bounds the id of a cluster and the name of a process.
	MaxNameBytes = 255
	// MaxRequestBytes bounds a certificate request.
	MaxRequestBytes = 16 << 10
	// Validity is how long the certificates of a cluster are valid after its authority was made.
	Validity = 10 * 365 * 24 * time.Hour
	// clockSkew is how far the clock of a process may be behind that of the client.
	clockSkew = time.Hour
)

// ErrSecret says that the join secret is wrong.
var ErrSecret = errors.New("the join secret is not that of this cluster")

// Authority is the certificate authority of a cluster with the cluster's secrets. It is immutable
// and safe for concurrent use. It prints as the cluster's id only.
type Authority struct {
	cluster string
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	secret  Secret
	token   Secret
}

// newAuthority makes the authority of a new cluster.
func newAuthority(cluster string, now time.Time) (*Authority, error) {
	if err := checkName("cluster id", cluster); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "authority", Organization: []string{cluster}},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(Validity),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{cluster: cluster, cert: cert, key: key, secret: newSecret(),
		token: newSecret()}, nil
}

// checkName refuses what cannot be the name of something in a certificate.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s is empty", what)
	case len(name) > MaxNameBytes:
		return fmt.Errorf("the %s has %d bytes, the limit is %d", what, len(name), MaxNameBytes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the %s %q contains characters that cannot be printed", what, name)
	}
	return nil
}

// Cluster is the cluster's id.
func (a *Authority) Cluster() string { return a.cluster }

// RESTToken is what a client of the REST interface must know to change something. It is text.
func (a *Authority) RESTToken() string { return a.token.text() }

// Launch returns what a worker must be given to join the cluster.
func (a *Authority) Launch(worker id.Worker) Launch {
	return Launch{Cluster: a.cluster, Worker: worker, Authority: a.cert.Raw, Secret: a.secret}
}

// Issue makes a key and a certificate for a process, of the given role and name.
func (a *Authority) Issue(role Role, name string) (*Member, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for the %s %q: %w", role, name, err)
	}
	cert, err := a.sign(role, name, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	return newMember(a.cluster, a.cert, cert, key)
}

// sign makes a certificate for a key. It ends when the authority's does.
func (a *Authority) sign(role Role, name string, key *ecdsa.PublicKey) ([]byte, error) {
	if err := checkName("name of a "+string(role), name); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{a.cluster},
			OrganizationalUnit: []string{string(role)}},
		DNSNames:  []string{serverName(a.cluster, role)},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth,
			x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate for the %s %q: %w", role, name, err)
	}
	return der, nil
}

// Join makes a certificate for a worker that knows the join secret. request is a PKCS #10 request
// for a P-256 key, signed with it; of its contents only the key is used. The certificates are
// returned as DER. A worker may join again, with the secret. The error is ErrSecret if that is
// wrong.
func (a *Authority) Join(secret []byte, worker id.Worker, request []byte) (certificate,
	authority []byte, err error) {
	// The secret comes first: who does not know it learns nothing about the rest.
	if subtle.ConstantTimeCompare(secret, a.secret) != 1 {
		return nil, nil, ErrSecret
	}
	key, err := requestedKey(request)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate request of the worker %q: %w", worker, err)
	}
	certificate, err = a.sign(TaskManager, string(worker), key)
	if err != nil {
		return nil, nil, err
	}
	return certificate, a.cert.Raw, nil
}

// requestedKey is the key of a certificate request that was signed with it.
func requestedKey(request []byte) (*ecdsa.PublicKey, error) {
	if len(request) > MaxRequestBytes {
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", len(request), MaxRequestBytes)
	}
	r, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, err
	}
	key, ok := r.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("its key is a %s key, want ECDSA with P-256", r.PublicKeyAlgorithm)
	}
	return key, nil
}

// Verify checks that the peer with this authentication is the TaskManager of this name.
func (a *Authority) Verify(info credentials.AuthInfo, worker id.Worker) error {
	cert, err := a.peer(info)
	if err != nil {
		return err
	}
	if role := roleOf(cert); role != TaskManager {
		return fmt.Errorf("the certificate is that of a %q, it cannot speak for the worker %q",
			role, worker)
	}
	if name := cert.Subject.CommonName; name != string(worker) {
		return fmt.Errorf("the certificate is that of the worker %q, it cannot speak for %q", name,
			worker)
	}
	return nil
}

// Known checks that the peer has a certificate of this cluster.
func (a *Authority) Known(info credentials.AuthInfo) error {
	_, err := a.peer(info)
	return err
}

// peer returns the certificate of a peer once TLS has verified it.
func (a *Authority) peer(info credentials.AuthInfo) (*x509.Certificate, error) {
	t, ok := info.(credentials.TLSInfo)
	if !ok {
		return nil, fmt.Errorf("the connection has no TLS: the processes of cluster %q need a "+
			"certificate", a.cluster)
	}
	if len(t.State.VerifiedChains) == 0 || len(t.State.VerifiedChains[0]) == 0 {
		return nil, fmt.Errorf("the peer has shown no certificate of cluster %q", a.cluster)
	}
	cert := t.State.VerifiedChains[0][0]
	return cert, checkCluster(cert, a.cluster)
}

// String names the cluster, and nothing that is secret.
func (a Authority) String() string { return fmt.Sprintf("authority of cluster %q", a.cluster) }

// Format prints String for every verb, since the default would print the key.
func (a Authority) Format(s fmt.State, _ rune) { fmt.Fprint(s, a.String()) }
