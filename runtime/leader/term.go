package leader

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"goflink/core/filesystem"
)

// resolveTimeout bounds finding out what became of a rename whose answer was lost.
const resolveTimeout = 30 * time.Second

// term is the folder of one leader, in its own hands. All its methods but renew may be called
// concurrently.
type term struct {
	e     *epochs
	epoch uint64
	name  string
	path  string
	// alive is the number of the last sign of life; stale says that it is not known. They belong
	// to who calls renew.
	alive uint64
	stale bool
}

func (t *term) file(name string) string { return path.Join(t.path, name) }

// check finds out whether an error comes from being deposed.
func (t *term) check(ctx context.Context, err error) error {
	if !errors.Is(err, filesystem.ErrNotExist) {
		return err
	}
	if _, serr := t.e.fs.Stat(ctx, t.path); errors.Is(serr, filesystem.ErrNotExist) {
		return fmt.Errorf("epoch %d: %w: %w", t.epoch, ErrDeposed, err)
	}
	return err
}

// record makes a record durable, unless there is one of that name. After ErrDeposed and ErrUnsure
// it may be there, after other errors it is not.
func (t *term) record(ctx context.Context, name string, b []byte) error {
	temporary := t.file(fmt.Sprintf("%s%016x", temporaryPrefix, t.e.random()))
	err := writeRecord(ctx, t.e.fs, temporary, b)
	if err != nil {
		late, stop := detached(ctx)
		defer stop()
		_ = remove(late, t.e.fs, temporary) // what is left the next leader removes
		return t.check(late, err)
	}
	err = t.e.fs.Rename(ctx, temporary, t.file(name))
	if err != nil {
		return t.resolve(ctx, temporary, name, err)
	}
	return nil
}

func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), resolveTimeout)
}

// resolve finds out whether a rename that has failed took effect all the same. Once the temporary
// file is removed it never will.
func (t *term) resolve(ctx context.Context, temporary, name string, cause error) error {
	ctx, stop := detached(ctx)
	defer stop()
	unsure := func(err error) error {
		return fmt.Errorf("%s: %w: %w", t.file(name), ErrUnsure, errors.Join(cause, err))
	}
	err := t.e.fs.Remove(ctx, temporary)
	if err == nil {
		return cause
	}
	if !errors.Is(err, filesystem.ErrNotExist) {
		return unsure(err)
	}
	if _, err := t.e.fs.Stat(ctx, t.file(name)); err == nil {
		return nil // it did
	}
	if err := t.check(ctx, err); errors.Is(err, ErrDeposed) {
		return err
	}
	return unsure(err)
}

// adopt moves a record of a predecessor here.
func (t *term) adopt(ctx context.Context, from, name string) error {
	err := t.e.fs.Rename(ctx, from, t.file(name))
	if err == nil {
		return nil
	}
	// It may have taken effect: the answer was lost, or another candidate has removed the folder,
	// which was empty then, before the file system could sync it. Nobody else moves files here.
	_, left := t.e.fs.Stat(ctx, from)
	_, arrived := t.e.fs.Stat(ctx, t.file(name))
	if arrived == nil && errors.Is(left, filesystem.ErrNotExist) {
		return nil
	}
	return t.check(ctx, err)
}

// remove removes a record that need not be there.
func (t *term) remove(ctx context.Context, name string) error {
	err := t.e.fs.Remove(ctx, t.file(name))
	if err = t.check(ctx, err); errors.Is(err, ErrDeposed) {
		return err
	}
	if errors.Is(err, filesystem.ErrNotExist) {
		return nil
	}
	return err
}

// read returns a record.
func (t *term) read(ctx context.Context, name string) ([]byte, error) {
	b, err := readRecord(ctx, t.e.fs, t.file(name))
	if err != nil {
		return nil, t.check(ctx, err)
	}
	return b, nil
}

// renew shows life; the first call makes the sign. The error is ErrDeposed once the folder is
// sealed.
func (t *term) renew(ctx context.Context) error {
	if t.stale {
		if err := t.findAlive(ctx); err != nil {
			return err
		}
	}
	var err error
	if t.alive == 0 {
		err = t.makeAlive(ctx)
	} else {
		err = t.e.fs.Rename(ctx, t.file(aliveName(t.alive)), t.file(aliveName(t.alive+1)))
	}
	if err != nil {
		t.stale = true
		return t.check(ctx, err)
	}
	t.alive++
	return nil
}

func (t *term) makeAlive(ctx context.Context) error {
	w, err := t.e.fs.Create(ctx, t.file(aliveName(1)))
	if err != nil {
		return err
	}
	return w.Close()
}

// findAlive looks how far the sign of life has come.
func (t *term) findAlive(ctx context.Context) error {
	infos, err := listFolder(ctx, t.e.fs, t.path)
	if err != nil {
		return t.check(ctx, err)
	}
	t.alive, t.stale = lastAlive(infos), false
	return nil
}

// lastAlive is the number of the latest sign of life; 0 if there is none.
func lastAlive(infos []filesystem.Info) (last uint64) {
	for _, i := range infos {
		if rest, ok := strings.CutPrefix(i.Name, alivePrefix); ok {
			if n, ok := parseNumber(rest); ok {
				last = max(last, n)
			}
		}
	}
	return last
}

// resign seals the leader's own folder, so that a standby need not wait.
func (t *term) resign(ctx context.Context) error {
	err := t.e.fs.Rename(ctx, t.path, t.path+sealedMark)
	if err = t.check(ctx, err); err == nil || errors.Is(err, ErrDeposed) {
		return nil
	}
	return t.e.failed("resign", err)
}
