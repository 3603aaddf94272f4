package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrSuperseded says that a later leader has taken over the workers: this one must leave them
// alone.
var ErrSuperseded = errors.New("a later leader has taken over the workers")

// leaderFile is the file in the base directory with the epoch of the latest leader.
const leaderFile = "leader.epoch"

// takeOver makes this leader the one that the workers belong to.
func (d *Driver) takeOver() error {
	if err := d.superseded(); err != nil {
		return err
	}
	temp := filepath.Join(d.o.Base, fmt.Sprint(leaderFile, ".", d.o.Epoch))
	err := os.WriteFile(temp, []byte(strconv.FormatUint(d.o.Epoch, 10)+"\n"), 0o600)
	if err == nil {
		err = os.Rename(temp, filepath.Join(d.o.Base, leaderFile))
	}
	return err
}

// superseded is an error once a later leader has taken over. A leader that was paused asks before
// it starts or ends a worker; what it has begun by then it may finish.
func (d *Driver) superseded() error {
	b, err := os.ReadFile(filepath.Join(d.o.Base, leaderFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	epoch, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(d.o.Base, leaderFile), err)
	}
	if epoch > d.o.Epoch {
		return fmt.Errorf("%w: epoch %d, this one has epoch %d", ErrSuperseded, epoch, d.o.Epoch)
	}
	return nil
}
