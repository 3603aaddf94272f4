package leader

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"goflink/core/filesystem"
)

// ErrNoLeader says that nobody leads at the moment.
var ErrNoLeader = errors.New("no JobManager leads")

// How often, and how long, a Finder looks for a leader.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
	findLimit = 5 * time.Second
)

// Leader is a leader as others see it.
type Leader struct {
	Epoch uint64
	// Address is host:port.
	Address string
}

// Finder finds the leader of a cluster. It may be used concurrently.
type Finder struct{ e *epochs }

// NewFinder returns a finder. It needs Files and Directory only.
func NewFinder(o Options) *Finder {
	o.ensureDefaults()
	return &Finder{e: o.epochs()}
}

// Find looks once. The error is ErrNoLeader if nobody leads, or says where yet.
func (f *Finder) Find(ctx context.Context) (Leader, error) {
	v, err := f.e.list(ctx)
	if err != nil {
		return Leader{}, err
	}
	open, ok := v.open()
	if !ok {
		return Leader{}, fmt.Errorf("%s: %w", f.e.path, ErrNoLeader)
	}
	b, err := readRecord(ctx, f.e.fs, path.Join(f.e.path, open.name, addressFile))
	if errors.Is(err, filesystem.ErrNotExist) {
		return Leader{}, fmt.Errorf("%s: %w: epoch %d is taking over", f.e.path, ErrNoLeader,
			open.epoch)
	}
	if err != nil {
		return Leader{}, f.e.failed("find the leader", err)
	}
	return Leader{Epoch: open.epoch, Address: string(b)}, nil
}

// Leader returns the address of the leader. If there is none, it looks again for some seconds.
func (f *Finder) Leader(ctx context.Context) (address string, err error) {
	limited, stop := context.WithTimeout(ctx, findLimit)
	defer stop()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		l, err := f.Find(limited)
		if err == nil {
			return l.Address, nil
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-limited.Done():
			again.Stop()
			return "", err
		}
	}
}

// Fixed is the finder without high availability: the leader's address is known.
type Fixed string

// Leader returns the address.
func (f Fixed) Leader(context.Context) (address string, err error) { return string(f), nil }
