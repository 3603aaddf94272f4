package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"time"

	"goflink/core/filesystem"
)

// beatsPerLease is how often a leader shows life, and a standby looks, within the lease.
const beatsPerLease = 5

// minLease keeps the file system from being asked without a pause.
const minLease = 50 * time.Millisecond

// Options say where a cluster keeps who leads it.
type Options struct {
	Files filesystem.FileSystem
	// Directory is the cluster's own, in Files. It is made by the first leader.
	Directory string
	// Lease is high-availability.filesystem.lease: a leader that shows no life for so long is taken
	// to be lost.
	Lease time.Duration
	// Random makes names unique; nil stands for a generator that nobody can foresee.
	Random func() uint64
	Logger *slog.Logger
}

func (o *Options) ensureDefaults() {
	o.Lease = max(o.Lease, minLease)
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

func (o *Options) beat() time.Duration { return o.Lease / beatsPerLease }

func (o *Options) epochs() *epochs {
	return &epochs{fs: o.Files, path: path.Join(o.Directory, epochsDir), random: o.Random,
		logger: o.Logger}
}

// Elector makes a JobManager the leader.
type Elector struct {
	o Options
	e *epochs
}

// NewElector returns an elector. Campaign does the work.
func NewElector(o Options) *Elector {
	o.ensureDefaults()
	return &Elector{o: o, e: o.epochs()}
}

// Campaign waits, as a standby, until it can lead, and takes over. The term goes on until it is
// deposed or resigns, whatever becomes of ctx. The error is ErrEnded if the cluster has come to its
// end; while the file system cannot be reached, Campaign keeps trying.
func (e *Elector) Campaign(ctx context.Context) (*Leadership, error) {
	s := standby{lease: e.o.Lease}
	for {
		l, err := e.try(ctx, &s)
		switch {
		case l != nil || errors.Is(err, ErrEnded):
			return l, err
		case ctx.Err() != nil:
			return nil, fmt.Errorf("while waiting to lead: %w", ctx.Err())
		case err != nil:
			s.failed(time.Now())
			e.o.Logger.Warn("this JobManager does not lead", "error", err)
		}
		pause := time.NewTimer(e.o.beat())
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// try looks once, and takes over if it is time.
func (e *Elector) try(ctx context.Context, s *standby) (*Leadership, error) {
	v, err := e.e.list(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := e.look(ctx, v)
	if err != nil {
		return nil, err
	}
	switch s.step(time.Now(), seen) {
	case takeOver:
		return e.takeOver(ctx, v, s.met)
	case giveUp:
		return nil, ErrEnded
	}
	return nil, nil
}

// look reads the sign of the leader. There is one folder but for moments.
func (e *Elector) look(ctx context.Context, v *view) (sign, error) {
	seen := sign{highest: v.highest(), vacant: v.vacant()}
	open, _ := v.open()
	seen.folder = open.name
	for _, f := range v.folders {
		infos, err := listFolder(ctx, e.o.Files, path.Join(e.e.path, f.file()))
		if err != nil && !errors.Is(err, filesystem.ErrNotExist) {
			return seen, e.e.failed("look for signs of the leader", err)
		}
		if f == open {
			seen.alive = lastAlive(infos)
		}
		seen.lives = seen.lives || slices.ContainsFunc(infos, func(i filesystem.Info) bool {
			return i.Name == clusterFile
		})
	}
	return seen, nil
}

// takeOver tries to become the leader after what was seen; met says that the cluster lived.
func (e *Elector) takeOver(ctx context.Context, seen *view, met bool) (*Leadership, error) {
	t, err := e.e.enter(ctx, seen)
	if err != nil {
		return nil, err
	}
	l := &Leadership{t: t, beat: e.o.beat(), logger: e.o.Logger.With("epoch", t.epoch)}
	l.ctx, l.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	l.beats, l.stop = context.WithCancel(l.ctx)
	// Taking over may take longer than the lease, so there are signs of life from now on.
	l.renewing.Go(l.renew)
	if err := l.takeOver(ctx, met); err != nil {
		return nil, errors.Join(err, l.giveUp(ctx, errors.Is(err, ErrEnded)))
	}
	l.logger.Info("this JobManager leads")
	return l, nil
}

// giveUp ends a term that has come to nothing.
func (l *Leadership) giveUp(ctx context.Context, ended bool) error {
	ctx, stop := detached(ctx)
	defer stop()
	if !ended {
		return l.Resign(ctx)
	}
	l.stopRenewing()
	l.lose(ErrEnded)
	return l.t.e.retract(ctx, l.t)
}

// Leadership is one term of a leader. It ends when it is deposed, or with Resign or CleanUp, one of
// which has to be called in the end in any case. It is safe for concurrent use.
type Leadership struct {
	t      *term
	store  *Store
	beat   time.Duration
	logger *slog.Logger

	// ctx ends when the leader is deposed; beats when it needs to show life no more.
	ctx      context.Context
	lose     context.CancelCauseFunc
	beats    context.Context
	stop     context.CancelFunc
	renewing sync.WaitGroup
}

// takeOver shuts the predecessors out and reads what they left.
func (l *Leadership) takeOver(ctx context.Context, met bool) (err error) {
	if err := l.t.e.succeed(ctx, l.t, met); err != nil {
		return err
	}
	if l.store, err = openStore(ctx, l.t, l.lose); err != nil {
		return l.t.e.failed("take over", err)
	}
	if !l.store.mu.ended {
		return nil
	}
	// The predecessor was cleaning up.
	if err := l.CleanUp(ctx); err != nil {
		return err
	}
	return ErrEnded
}

// Epoch is that of the leader: higher than those of all leaders before.
func (l *Leadership) Epoch() uint64 { return l.t.epoch }

// Store keeps what outlives the leader.
func (l *Leadership) Store() *Store { return l.store }

// Done is closed when the leader is not the leader any more; Err says why.
func (l *Leadership) Done() <-chan struct{} { return l.ctx.Done() }

// Err is nil as long as Done is open: then ErrDeposed or ErrUnsure.
func (l *Leadership) Err() error { return context.Cause(l.ctx) }

// Publish tells workers and clients the leader's address, host:port, once.
func (l *Leadership) Publish(ctx context.Context, address string) error {
	if address == "" {
		return errors.New("the leader's address is empty")
	}
	return l.store.failed("publish the address", l.t.record(ctx, addressFile, []byte(address)))
}

// renew shows life until the term ends.
func (l *Leadership) renew() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-l.beats.Done():
			return
		case <-pause.C:
		}
		err := l.t.renew(l.beats)
		switch {
		case errors.Is(err, ErrDeposed):
			l.lose(err)
			return
		case err != nil && l.beats.Err() == nil:
			l.logger.Warn("the leader cannot show life; it goes on until another one takes over",
				"error", err)
		}
		pause.Reset(l.beat)
	}
}

// stopRenewing returns when there are no more signs of life.
func (l *Leadership) stopRenewing() {
	l.stop()
	l.renewing.Wait()
}

// Resign ends the term and keeps all records: a standby takes over at once. Jobs that have not
// ended are SUSPENDED (R150). It is no error if the leader was deposed.
func (l *Leadership) Resign(ctx context.Context) error {
	l.stopRenewing()
	err := l.t.resign(ctx)
	l.lose(fmt.Errorf("epoch %d has resigned: %w", l.t.epoch, ErrDeposed))
	return err
}

// CleanUp ends the term and the cluster: when all jobs have ended, it deletes all records and the
// cluster's folder. Standbys give up. It refuses if a job has not ended.
func (l *Leadership) CleanUp(ctx context.Context) error {
	if err := l.store.end(ctx); err != nil {
		return err
	}
	l.stopRenewing()
	err := l.t.e.end(ctx, l.t)
	l.lose(fmt.Errorf("epoch %d has cleaned up: %w", l.t.epoch, ErrDeposed))
	if err != nil {
		return l.t.e.failed("clean up", err)
	}
	return nil
}
