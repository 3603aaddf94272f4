package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"goflink/core/id"
	"goflink/internal/testkit"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/controlpb"
	"goflink/runtime/controlplane/rpc"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

const testCluster = "/default"

// authority makes an authority of a cluster.
func authority(t testing.TB, cluster string) *Authority {
	t.Helper()
	a, err := newAuthority(cluster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a member.
func issue(t testing.TB, a *Authority, role Role, name string) *Member {
	t.Helper()
	m, err := a.Issue(role, name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// noSecret fails if a text gives away a secret of the cluster.
func noSecret(t testing.TB, a *Authority, text string) {
	t.Helper()
	key, err := a.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Secret{a.secret, a.token, key} {
		for _, form := range []string{s.text(), string(s), fmt.Sprint([]byte(s)),
			fmt.Sprintf("%q", []byte(s)), strings.Trim(fmt.Sprintf("%#v", []byte(s)), "[]byte{}")} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
				t.Errorf("%q gives a secret away", text)
			}
		}
	}
	if strings.Contains(text, new(big.Int).SetBytes(key).String()) {
		t.Errorf("%q gives the key away", text)
	}
}

// hub takes every worker in.
type hub struct{}

func (hub) Register(*rpc.Worker) error           { return nil }
func (hub) Lost(*rpc.Worker, error)              {}
func (hub) SlotFreed(*rpc.Worker, id.Allocation) {}
func (hub) Master(id.Job) controlplane.JobMaster { return nil }
func (hub) DescribeJob(context.Context, id.Job) (*controlplane.JobDescription, error) {
	return nil, errors.New("there are no jobs")
}

// control serves the control port of a cluster with the certificate of a process.
func control(t testing.TB, a *Authority, m *Member) (address string) {
	t.Helper()
	s := rpc.NewServer(rpc.ServerOptions{Hub: hub{}, Authority: a, Cluster: a.Cluster(), Epoch: 1,
		Heartbeats: rpc.Heartbeats{Interval: time.Minute, Timeout: time.Hour},
		Logger:     slog.New(slog.DiscardHandler)})
	g := s.NewGRPC(grpc.Creds(credentials.NewTLS(m.ControlServer())))
	l := listen(t)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		<-done
	})
	return l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// call makes a client of the control port.
func call(t testing.TB, address string, c *tls.Config) controlpb.ClusterClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(c)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return controlpb.NewClusterClient(conn)
}

// register connects as a worker and returns what the JobManager says to it.
func register(t testing.TB, api controlpb.ClusterClient, worker string) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s, err := api.Connect(ctx)
	if err != nil {
		return err
	}
	// After an error of Send the reason comes from Recv.
	_ = s.Send(&controlpb.FromWorker{Kind: &controlpb.FromWorker_Register{
		Register: &controlpb.Register{Protocol: controlplane.ProtocolVersion, Cluster: testCluster,
			Worker: worker, Slots: 1}}})
	m, err := s.Recv()
	if err == nil && m.GetRegistered() == nil {
		err = fmt.Errorf("the answer is %v", m)
	}
	return err
}

// echo serves a port that sends back what it gets.
func echo(t testing.TB, c *tls.Config) (address string) {
	t.Helper()
	l := tls.NewListener(listen(t), c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// greet sends something over TLS and waits for it to come back.
func greet(t testing.TB, address string, c *tls.Config) error {
	t.Helper()
	conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return err
	}
	return talk(conn, "ping")
}

// talk sends something and waits for it to come back.
func talk(conn net.Conn, text string) error {
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		return err
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(conn, b); err != nil {
		return err
	}
	if string(b) != text {
		return fmt.Errorf("the answer is %q", b)
	}
	return nil
}
