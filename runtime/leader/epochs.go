package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"

	"goflink/core/config"
	"goflink/core/filesystem"
)

// Limits of the folder of a cluster.
const (
	// keptClaims is how many claims are kept behind the latest: by then who was about to make one
	// of them sees in any listing that it is late.
	keptClaims = 8
	// maxEntries bounds what is read of a folder.
	maxEntries = 1 << 20
)

// Errors of a takeover, and of a term.
var (
	// ErrDeposed says that another leader has taken over, or that this one has resigned. Whoever
	// gets it must delete nothing any more: what it was about to do may count for the next leader.
	ErrDeposed = errors.New("not the leader any more")
	// ErrUnsure says that it is not known whether something was recorded. The leader must step
	// down, as with ErrDeposed; the next one will see.
	ErrUnsure = errors.New("it is not known whether it was recorded")
	// ErrEnded says that the cluster has come to its end: there is nothing to lead.
	ErrEnded = errors.New("the cluster has ended")

	// errLost says that somebody else was faster to take over.
	errLost = errors.New("another JobManager takes over")
)

// epochs is the folder of a cluster's epochs.
type epochs struct {
	fs     filesystem.FileSystem
	path   string // <cluster>/epochs
	random func() uint64
	logger *slog.Logger
}

// failed says what failed and which key leads there.
func (e *epochs) failed(what string, err error) error {
	return fmt.Errorf("high availability (%s): %s: %w",
		config.HighAvailabilityStorageDirectory.Key, what, err)
}

// list reads what is there; nothing if the folder is missing.
func (e *epochs) list(ctx context.Context) (*view, error) {
	v := &view{}
	infos, err := listFolder(ctx, e.fs, e.path)
	if err != nil && !errors.Is(err, filesystem.ErrNotExist) {
		return nil, e.failed("look for a leader", err)
	}
	for _, i := range infos {
		v.add(i.Name, i.Dir)
	}
	return v, nil
}

func listFolder(ctx context.Context, fs filesystem.FileSystem, dir string) (
	infos []filesystem.Info, err error,
) {
	for i, err := range fs.List(ctx, dir) {
		if err != nil {
			return nil, err
		}
		if infos = append(infos, i); len(infos) > maxEntries {
			return nil, fmt.Errorf("%s has more than %d entries", dir, maxEntries)
		}
	}
	return infos, nil
}

// enter takes the epoch after those in seen: claim, folder, and a look at who else is there. The
// error is errLost if somebody else was faster.
func (e *epochs) enter(ctx context.Context, seen *view) (*term, error) {
	previous := seen.highest()
	if previous+1 == 0 {
		return nil, e.failed("take over", fmt.Errorf("%s: there is no epoch after %d", e.path,
			previous))
	}
	t := &term{e: e, epoch: previous + 1}
	t.name = folderName(t.epoch, e.random())
	t.path = path.Join(e.path, t.name)
	if previous == 0 {
		if err := e.fs.MkdirAll(ctx, e.path); err != nil {
			return nil, e.failed("take over", err)
		}
	}
	err := e.claim(ctx, t.epoch)
	switch {
	case errors.Is(err, filesystem.ErrExist), errors.Is(err, filesystem.ErrNotExist):
		return nil, errLost // or the folder of epochs, which was there before, is gone
	case err == nil:
		err = e.fs.MkdirAll(ctx, t.path)
	}
	var now *view
	if err == nil {
		now, err = e.list(ctx)
	}
	if err == nil && now.rival(t.epoch, t.name) {
		err = errLost
	}
	if err != nil {
		_ = removeEmpty(ctx, e.fs, t.path) // if it stays, the next leader removes it
		return nil, e.failed("take over", err)
	}
	return t, nil
}

// claim makes an epoch the caller's own, for good.
func (e *epochs) claim(ctx context.Context, epoch uint64) error {
	w, err := e.fs.Create(ctx, path.Join(e.path, claimName(epoch)))
	if err != nil {
		return err
	}
	return errors.Join(w.Sync(), w.Close())
}

// retract takes back what a term has made in the folder of a cluster that has ended.
func (e *epochs) retract(ctx context.Context, t *term) error {
	return errors.Join(
		e.fs.RemoveAll(ctx, t.path),
		remove(ctx, e.fs, path.Join(e.path, claimName(t.epoch))),
		removeEmpty(ctx, e.fs, e.path),
		removeEmpty(ctx, e.fs, path.Dir(e.path)))
}

// succeed shuts all predecessors out and moves what they recorded into the folder of t. The error
// is ErrEnded if the cluster is gone, although it was met before: then t has to be retracted.
func (e *epochs) succeed(ctx context.Context, t *term, met bool) error {
	if err := e.seal(ctx, t.epoch); err != nil {
		return e.failed("shut the former leader out", err)
	}
	v, err := e.list(ctx)
	if err != nil {
		return err
	}
	for _, f := range v.folders {
		if f.sealed && f.epoch < t.epoch {
			if err := e.inherit(ctx, t, path.Join(e.path, f.file())); err != nil {
				return e.failed("take over from the former leader", err)
			}
		}
	}
	for _, c := range v.claims {
		if c+keptClaims < t.epoch {
			if err := remove(ctx, e.fs, path.Join(e.path, claimName(c))); err != nil {
				e.logger.Warn("a file of an earlier leader cannot be removed", "error", err)
			}
		}
	}
	return e.begin(ctx, t, met)
}

// begin looks whether the cluster lives, or begins it. The file that says so is somewhere below
// this term, from where it was moved here, unless nobody has led yet or the last leader has cleaned
// up.
func (e *epochs) begin(ctx context.Context, t *term, met bool) error {
	_, err := e.fs.Stat(ctx, t.file(clusterFile))
	if errors.Is(err, filesystem.ErrNotExist) {
		switch err = t.check(ctx, err); {
		case errors.Is(err, ErrDeposed):
		case met:
			return ErrEnded
		default:
			err = t.record(ctx, clusterFile, nil)
		}
	}
	if err != nil {
		return e.failed("take over", err)
	}
	return nil
}

// seal closes the folders of all epochs below the given one.
func (e *epochs) seal(ctx context.Context, below uint64) error {
	v, err := e.list(ctx)
	if err != nil {
		return err
	}
	for _, f := range v.folders {
		if f.sealed || f.epoch >= below {
			continue
		}
		from := path.Join(e.path, f.name)
		err := e.fs.Rename(ctx, from, from+sealedMark)
		if err != nil && !errors.Is(err, filesystem.ErrNotExist) { // somebody else has sealed it
			return err
		}
	}
	return nil
}

// inherit moves the records of a sealed folder into that of t.
func (e *epochs) inherit(ctx context.Context, t *term, sealed string) error {
	infos, err := listFolder(ctx, e.fs, sealed)
	if err != nil && !errors.Is(err, filesystem.ErrNotExist) {
		return err
	}
	for _, i := range infos {
		from := path.Join(sealed, i.Name)
		if !inherited(i.Name) {
			err = remove(ctx, e.fs, from)
		} else {
			err = t.adopt(ctx, from, i.Name)
		}
		if err != nil {
			return err
		}
	}
	return removeEmpty(ctx, e.fs, sealed)
}

// end deletes what is left of a cluster. The folder of t, with the record that the cluster has
// ended, goes last and at once.
func (e *epochs) end(ctx context.Context, t *term) error {
	v, err := e.list(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range v.folders {
		if f.name != t.name && f.epoch <= t.epoch {
			errs = append(errs, removeEmpty(ctx, e.fs, path.Join(e.path, f.file())))
		}
	}
	for _, c := range v.claims {
		if c <= t.epoch {
			errs = append(errs, remove(ctx, e.fs, path.Join(e.path, claimName(c))))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	cluster := path.Dir(e.path)
	removed := path.Join(cluster, removedPrefix+strings.TrimPrefix(t.name, epochPrefix))
	if err := e.fs.Rename(ctx, t.path, removed); err != nil {
		return t.check(ctx, err)
	}
	return errors.Join(e.sweep(ctx, cluster), removeEmpty(ctx, e.fs, e.path),
		removeEmpty(ctx, e.fs, cluster))
}

// sweep deletes what end has set aside, now or before a crash.
func (e *epochs) sweep(ctx context.Context, cluster string) error {
	infos, err := listFolder(ctx, e.fs, cluster)
	errs := []error{err}
	for _, i := range infos {
		if strings.HasPrefix(i.Name, removedPrefix) {
			errs = append(errs, e.fs.RemoveAll(ctx, path.Join(cluster, i.Name)))
		}
	}
	return errors.Join(errs...)
}

// remove removes a file that need not be there.
func remove(ctx context.Context, fs filesystem.FileSystem, path string) error {
	if err := fs.Remove(ctx, path); err != nil && !errors.Is(err, filesystem.ErrNotExist) {
		return err
	}
	return nil
}

// removeEmpty removes a directory that need not be there, unless something is in it.
func removeEmpty(ctx context.Context, fs filesystem.FileSystem, path string) error {
	if err := remove(ctx, fs, path); err != nil && !errors.Is(err, filesystem.ErrNotEmpty) {
		return err
	}
	return nil
}
