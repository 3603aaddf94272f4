package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/runtime/checkpoint"
)

// savepointTries bounds the search for a free name of a savepoint.
const savepointTries = 10

// Prepare makes the directory of a checkpoint and returns its URI; it is empty for a checkpoint in
// memory.
func (s *Storage) Prepare(ctx context.Context, e checkpoint.PrepareLocation) (string, error) {
	if e.Kind != stream.NoSavepoint {
		return s.prepareSavepoint(ctx, e)
	}
	if s.base.Scheme == "" {
		return "", nil
	}
	fs, err := s.find(ctx, s.base)
	if err != nil {
		return "", external(err, config.CheckpointsDirectory.Key)
	}
	dir := s.chk(e.Checkpoint)
	dirs := []string{dir.Path}
	if !s.made.Load() {
		dirs = append(dirs, s.base.Join(sharedDir).Path, s.base.Join(taskOwnedDir).Path)
	}
	for _, d := range dirs {
		if err := fs.MkdirAll(ctx, d); err != nil {
			return "", external(err, config.CheckpointsDirectory.Key)
		}
	}
	s.made.Store(true)
	return dir.String(), nil
}

func external(err error, message string) error {
	return failure.Wrap(err, failure.Retryable, failure.External, "%s", message)
}

func (s *Storage) prepareSavepoint(ctx context.Context, e checkpoint.PrepareLocation) (string,
	error,
) {
	target, err := s.o.Files.Resolve(e.Target)
	if err != nil {
		return "", failure.Wrap(err, failure.Retryable, failure.User, "savepoint target")
	}
	fs, err := s.find(ctx, target)
	if err != nil {
		return "", external(err, "savepoint target")
	}
	for range savepointTries {
		dir := target.Join(fmt.Sprintf("%s%s-%012x", savepointPrefix, s.o.Job.String()[:6],
			s.o.Random()&(1<<48-1)))
		_, err := fs.Stat(ctx, dir.Path)
		if err == nil {
			continue
		}
		if errors.Is(err, filesystem.ErrNotExist) {
			err = fs.MkdirAll(ctx, dir.Path)
		}
		if err != nil {
			return "", external(err, "savepoint target")
		}
		return dir.String(), nil
	}
	return "", external(errors.New("no free name was found for it"),
		"savepoint target "+target.String())
}

// WriteMetadata makes a checkpoint durable and returns how the user names it. The metadata is
// written under another name, synced and renamed: that rename is the commit point. After an error
// the checkpoint cannot be found, or the error says that this is not sure.
func (s *Storage) WriteMetadata(ctx context.Context, e checkpoint.WriteMetadata) (string, error) {
	c := e.Completed
	if c.Location == "" {
		return NotExternal, nil
	}
	dir, err := s.o.Files.Resolve(c.Location)
	if err == nil {
		err = s.selfContained(c, dir)
	}
	if err == nil {
		err = s.write(ctx, c, dir)
	}
	if err != nil {
		return "", failure.Wrap(err, failure.Retryable, failure.External,
			"write the metadata of checkpoint %d", c.Checkpoint)
	}
	return c.Location, nil
}

// selfContained verifies that all of a savepoint lies in its directory.
func (s *Storage) selfContained(c *checkpoint.Completed, dir filesystem.URI) (err error) {
	if c.Kind == stream.NoSavepoint {
		return nil
	}
	c.Blobs(func(v *checkpoint.VertexState, op int, b *statebackend.Blob) {
		if err == nil && b.File != "" && !checkpoint.Inside(b.File, dir.String()) {
			err = fmt.Errorf("operator %q names the file %s, which lies outside of the savepoint",
				v.Operators[op].Name, b.File)
		}
	})
	return err
}

// write writes and commits the metadata file.
func (s *Storage) write(ctx context.Context, c *checkpoint.Completed, dir filesystem.URI) error {
	fs, err := s.find(ctx, dir)
	if err != nil {
		return err
	}
	tmp := dir.Join(fmt.Sprintf("%s%d.%016x", inProgress, s.o.Epoch, s.o.Random())).Path
	final := dir.Join(MetadataFile).Path
	w, err := fs.Create(ctx, tmp)
	if err != nil {
		return err
	}
	err = checkpoint.Encode(w, &c.Metadata, s.relative(dir))
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = fs.Rename(ctx, tmp, final)
		if errors.Is(err, filesystem.ErrExist) && s.removeOlder(ctx, fs, final) {
			err = fs.Rename(ctx, tmp, final)
		}
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, s.takeBack(ctx, fs, tmp, final))
}

// takeBack removes what a failed write left. If the temporary file is gone although the rename
// failed, it happened all the same.
func (s *Storage) takeBack(ctx context.Context, fs filesystem.FileSystem, tmp, final string) error {
	ctx = context.WithoutCancel(ctx)
	err := fs.Remove(ctx, tmp)
	if !errors.Is(err, filesystem.ErrNotExist) {
		return err
	}
	if err := fs.Remove(ctx, final); err != nil && !errors.Is(err, filesystem.ErrNotExist) {
		return fmt.Errorf("%s may exist although the checkpoint failed: %w", final, err)
	}
	return nil
}

// removeOlder removes metadata that an earlier leader wrote for the same number: it was not
// recorded, else the numbers would have gone on behind it.
func (s *Storage) removeOlder(ctx context.Context, fs filesystem.FileSystem, final string) bool {
	epoch, own := s.epochOf(ctx, fs, final)
	return own && epoch < s.o.Epoch && fs.Remove(ctx, final) == nil
}

// epochOf is the epoch of a metadata file of this job.
func (s *Storage) epochOf(ctx context.Context, fs filesystem.FileSystem, file string) (epoch uint64,
	own bool,
) {
	f, err := fs.Open(ctx, file)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	b := make([]byte, checkpoint.PeekBytes)
	n, _ := f.ReadAt(b, 0)
	_, epoch, job, err := checkpoint.Peek(b[:n])
	return epoch, err == nil && job == s.o.Job
}

// relative shortens the paths of files in and below the directory above dir.
func (s *Storage) relative(dir filesystem.URI) func(string) string {
	inside, beside := dir.String()+"/", dir.Dir().String()+"/"
	return func(file string) string {
		if rest, ok := strings.CutPrefix(file, inside); ok {
			return rest
		}
		if rest, ok := strings.CutPrefix(file, beside); ok && s.base.Scheme != "" &&
			dir.Dir() == s.base {
			return "../" + rest
		}
		return file
	}
}

// absolute is the inverse of relative.
func absolute(dir filesystem.URI) func(string) (string, error) {
	return func(file string) (string, error) {
		u, err := filesystem.ParseURI(file)
		if err != nil {
			return "", err
		}
		if u.Scheme == "" {
			if strings.HasPrefix(u.Path, "/") {
				return "", fmt.Errorf("path %q has no scheme and is not relative", file)
			}
			u = dir.Join(u.Path)
		}
		return u.String(), nil
	}
}
