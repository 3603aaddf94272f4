package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Heartbeats say how a connection is watched.
type Heartbeats struct {
	// Interval is heartbeat.interval: after so long without a message, one is sent.
	Interval time.Duration
	// Timeout is heartbeat.timeout: after so long without one the other side counts as gone.
	Timeout time.Duration
}

// ErrSilent says that the other side has sent nothing for the heartbeat time-out.
var ErrSilent = errors.New("no heartbeat")

// errClosed says that the other side is gone.
var errClosed = errors.New("its connection was closed")

// messageStream is what gRPC's client and server streams have in common.
type messageStream[Out, In proto.Message] interface {
	Send(Out) error
	Recv() (In, error)
	Context() context.Context
}

// pump moves the messages of one connection until it ends, and returns why. stop ends the stream's
// context, which ends what waits in it. handle is called with one message after the other.
func pump[Out, In proto.Message](s messageStream[Out, In], box *outbox[Out], beat func() Out,
	h Heartbeats, stop func(), handle func(In) error) error {
	alive := make(chan struct{}, 1)
	ended := make(chan error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { ended <- receive(s, alive, handle) })
	wg.Go(func() { ended <- transmit(s, box, beat, h.Interval) })
	silence := time.NewTimer(h.Timeout)
	defer silence.Stop()
	var err error
	for err == nil {
		select {
		case <-alive:
			silence.Reset(h.Timeout)
		case <-silence.C:
			err = fmt.Errorf("%w for %s", ErrSilent, h.Timeout)
		case err = <-ended:
		case <-box.failed:
			err = box.cause()
		}
	}
	box.close(err)
	stop()
	wg.Wait()
	return err
}

// closed is the error of a stream that carries nothing any more.
func closed(err error) error {
	switch status.Code(err) {
	case codes.Canceled, codes.Unavailable:
		return fmt.Errorf("%w (%s)", errClosed, status.Convert(err).Message())
	}
	return fmt.Errorf("%w: %w", errClosed, err)
}

func receive[Out, In proto.Message](s messageStream[Out, In], alive chan<- struct{},
	handle func(In) error) error {
	for {
		m, err := s.Recv()
		if err != nil {
			return closed(err)
		}
		select {
		case alive <- struct{}{}:
		default:
		}
		if err := handle(m); err != nil {
			return err
		}
	}
}

func transmit[Out, In proto.Message](s messageStream[Out, In], box *outbox[Out], beat func() Out,
	interval time.Duration) error {
	quiet := time.NewTimer(interval)
	defer quiet.Stop()
	var batch []Out
	for {
		select {
		case <-box.ready:
		case <-box.failed:
			return box.cause()
		case <-quiet.C:
			if err := s.Send(beat()); err != nil {
				return closed(err)
			}
			quiet.Reset(interval)
			continue
		}
		var err error
		if batch, err = box.take(batch); err != nil {
			return err
		}
		for _, m := range batch {
			if err := s.Send(m); err != nil {
				return closed(err)
			}
		}
		quiet.Reset(interval)
	}
}
