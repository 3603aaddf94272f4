package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/statebackend"
	"goflink/runtime/checkpoint"
)

// Discard deletes what a checkpoint left behind. What is not there is no error, so it can be
// repeated.
func (s *Storage) Discard(ctx context.Context, d checkpoint.Discard) error {
	var errs []error
	if d.Location != "" {
		errs = append(errs, s.discardLocation(ctx, d))
	}
	for _, file := range d.Files {
		errs = append(errs, s.discardFile(ctx, file))
	}
	if d.Last {
		errs = append(errs, s.discardJob(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return external(err, fmt.Sprintf("delete checkpoint %d of job %s", d.Checkpoint, s.o.Job))
	}
	return nil
}

// discardLocation empties and removes the directory of a checkpoint.
func (s *Storage) discardLocation(ctx context.Context, d checkpoint.Discard) error {
	dir, err := s.o.Files.Resolve(d.Location)
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, file := range d.Keep {
		keep[path.Base(file)] = true
	}
	return s.empty(ctx, dir, s.o.Epoch, keep)
}

// empty removes what this job wrote into a directory in epochs up to the given one, but for the
// names in keep, and then the directory, unless something is left. The metadata goes first: what is
// half deleted must not look like a checkpoint.
func (s *Storage) empty(ctx context.Context, dir filesystem.URI, epoch uint64,
	keep map[string]bool,
) error {
	fs, err := s.find(ctx, dir)
	if err != nil {
		return err
	}
	metadata := dir.Join(MetadataFile).Path
	if e, own := s.epochOf(ctx, fs, metadata); own {
		if e > epoch {
			return nil // a later leader has used the number again
		}
		if err := remove(ctx, fs, metadata); err != nil {
			return err
		}
	}
	var names []string
	for info, err := range fs.List(ctx, dir.Path) {
		if errors.Is(err, filesystem.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.Dir && !keep[info.Name] && s.deletable(info.Name, epoch) {
			names = append(names, info.Name)
		}
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, remove(ctx, fs, dir.Join(name).Path))
	}
	errs = append(errs, removeEmpty(ctx, fs, dir.Path))
	return errors.Join(errs...)
}

// deletable reports whether a file was written by this job in an epoch up to the given one.
func (s *Storage) deletable(name string, epoch uint64) bool {
	if rest, ok := strings.CutPrefix(name, inProgress); ok {
		text, _, _ := strings.Cut(rest, ".")
		e, err := strconv.ParseUint(text, 10, 64)
		return err == nil && e <= epoch
	}
	n, ok := checkpoint.ParseFileName(name)
	return ok && n.Attempt.Job == s.o.Job && n.Epoch <= epoch
}

// discardFile removes one state file, and its directory if that was a checkpoint's and is empty
// now.
func (s *Storage) discardFile(ctx context.Context, file string) error {
	u, err := s.o.Files.Resolve(file)
	if err != nil {
		return err
	}
	if !s.deletable(u.Base(), s.o.Epoch) {
		return fmt.Errorf("file %s was not written by this job", file)
	}
	fs, err := s.find(ctx, u)
	if err != nil {
		return err
	}
	if err := remove(ctx, fs, u.Path); err != nil {
		return err
	}
	if dir := u.Dir(); strings.HasPrefix(dir.Base(), checkpointDir) {
		return removeEmpty(ctx, fs, dir.Path)
	}
	return nil
}

// discardJob removes the directories of the job, as far as they are empty.
func (s *Storage) discardJob(ctx context.Context) error {
	if s.base.Scheme == "" || s.o.FlatDirectory {
		return nil
	}
	fs, err := s.find(ctx, s.base)
	if err != nil {
		return external(err, config.CheckpointsDirectory.Key)
	}
	var errs []error
	for _, dir := range []string{sharedDir, taskOwnedDir, ""} {
		errs = append(errs, removeEmpty(ctx, fs, s.base.Join(dir).Path))
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

// Sweep deletes what earlier leaders of the job left behind: checkpoints that they did not complete
// or had dropped, and files in them that nothing retained names. A new leader calls it once it
// knows which checkpoints are retained.
func (s *Storage) Sweep(ctx context.Context, retained []*checkpoint.Completed) error {
	if s.base.Scheme == "" || s.o.Epoch == 0 {
		return nil
	}
	named, locations := map[string]bool{}, map[string]bool{}
	for _, c := range retained {
		locations[c.Location] = true
		c.Blobs(func(_ *checkpoint.VertexState, _ int, b *statebackend.Blob) {
			named[b.File] = true
		})
	}
	fs, err := s.find(ctx, s.base)
	if err != nil {
		return external(err, config.CheckpointsDirectory.Key)
	}
	var errs []error
	for info, err := range fs.List(ctx, s.base.Path) {
		if errors.Is(err, filesystem.ErrNotExist) {
			return nil
		}
		if err != nil {
			return external(err, config.CheckpointsDirectory.Key)
		}
		dir := s.base.Join(info.Name)
		if info.Dir && strings.HasPrefix(info.Name, checkpointDir) && !locations[dir.String()] {
			errs = append(errs, s.sweepCheckpoint(ctx, dir, named))
		}
	}
	errs = append(errs, s.sweepFiles(ctx, fs, s.base.Join(sharedDir), named))
	return errors.Join(errs...)
}

// sweepCheckpoint empties the directory of a checkpoint that nothing retains.
func (s *Storage) sweepCheckpoint(ctx context.Context, dir filesystem.URI,
	named map[string]bool,
) error {
	keep := map[string]bool{}
	for file := range named {
		if checkpoint.Inside(file, dir.String()) {
			keep[path.Base(file)] = true
		}
	}
	return s.empty(ctx, dir, s.o.Epoch-1, keep)
}

// sweepFiles removes files of earlier epochs that nothing names.
func (s *Storage) sweepFiles(ctx context.Context, fs filesystem.FileSystem, dir filesystem.URI,
	named map[string]bool,
) error {
	var names []string
	for info, err := range fs.List(ctx, dir.Path) {
		if errors.Is(err, filesystem.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.Dir && !named[dir.Join(info.Name).String()] &&
			s.deletable(info.Name, s.o.Epoch-1) {
			names = append(names, info.Name)
		}
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, remove(ctx, fs, dir.Join(name).Path))
	}
	return errors.Join(errs...)
}
