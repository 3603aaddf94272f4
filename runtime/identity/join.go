package identity

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"goflink/core/id"
	"goflink/runtime/controlplane/controlpb"
)

// ErrRefused says that the JobManager does not give the worker a certificate: another try would end
// in the same way.
var ErrRefused = errors.New("the JobManager refuses the worker")

// Limits of a call of Join.
const (
	joinTimeout  = 30 * time.Second
	maxJoinBytes = 64 << 10
)

// Launch is what a worker is given to join its cluster: a part of its launch file. It holds the
// join secret, which is not printed.
type Launch struct {
	Cluster string
	Worker  id.Worker
	// Authority is the certificate of the cluster's authority, DER: by it the worker knows that it
	// talks to its own JobManager.
	Authority []byte
	Secret    Secret
}

// LogValue leaves the secret out, also where a log is JSON.
func (l Launch) LogValue() slog.Value {
	return slog.GroupValue(slog.String("cluster", l.Cluster),
		slog.String("worker", string(l.Worker)))
}

// authority parses the certificate of the authority.
func (l *Launch) authority() (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(l.Authority)
	if err == nil {
		err = checkCluster(c, l.Cluster)
	}
	if err != nil {
		return nil, fmt.Errorf("launch file of the worker %q: certificate of the authority: %w",
			l.Worker, err)
	}
	return c, nil
}

// joinConfig is for the connection before the worker has a certificate.
func (l *Launch) joinConfig(authority *x509.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	c := newConfig(l.Cluster, pool)
	c.ServerName = serverName(l.Cluster, JobManager)
	return c
}

// JoinCluster makes a key and has the JobManager at address, host:port, make a certificate for it.
// It tries once. The error is ErrRefused if the JobManager was reached and said no.
func JoinCluster(ctx context.Context, address string, l Launch) (*Member, error) {
	authority, err := l.authority()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for the worker %q: %w", l.Worker, err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: string(l.Worker)}}, key)
	if err != nil {
		return nil, fmt.Errorf("certificate request of the worker %q: %w", l.Worker, err)
	}
	answer, err := l.join(ctx, address, authority, request)
	if err != nil {
		return nil, fmt.Errorf("join cluster %q at the JobManager %s: %w", l.Cluster, address, err)
	}
	m, err := newMember(l.Cluster, authority, answer.Certificate, key)
	switch {
	case err == nil && !bytes.Equal(answer.Authority, l.Authority):
		err = errors.New("it has another authority than the launch file")
	case err == nil && m.name != string(l.Worker):
		err = fmt.Errorf("the certificate is made for %q, not for %q", m.name, l.Worker)
	}
	if err != nil {
		return nil, fmt.Errorf("answer of the JobManager %s: %w", address, err)
	}
	return m, nil
}

// join calls Join.
func (l *Launch) join(ctx context.Context, address string, authority *x509.Certificate,
	request []byte) (*controlpb.JoinResponse, error) {
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(l.joinConfig(authority))),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxJoinBytes)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, stop := context.WithTimeout(ctx, joinTimeout)
	defer stop()
	answer, err := controlpb.NewClusterClient(conn).Join(ctx, &controlpb.JoinRequest{
		Secret: l.Secret, Worker: string(l.Worker), Request: request})
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unimplemented, codes.InvalidArgument:
		return nil, fmt.Errorf("%w: %s", ErrRefused, status.Convert(err).Message())
	}
	return answer, err
}
