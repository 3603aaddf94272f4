package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/runtime/checkpoint"
)

// maxSuggested bounds how many checkpoints a message names.
const maxSuggested = 5

// Load reads the metadata of a checkpoint or savepoint that the user names (R85): its directory,
// the _metadata file in it, as a URI or a path of the default file system. The result is marked
// Foreign: who knows that it is the job's own takes the mark away.
func Load(ctx context.Context, files *filesystem.Registry, name string) (*checkpoint.Completed,
	error,
) {
	c, err := load(ctx, files, name)
	if err == nil {
		return c, nil
	}
	class, domain := failure.FailJob, failure.User
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		class, domain = failure.Retryable, failure.External
	}
	return nil, failure.Wrap(err, class, domain, "checkpoint %q", name)
}

// Load is the function Load with the file systems of the storage.
func (s *Storage) Load(ctx context.Context, name string) (*checkpoint.Completed, error) {
	return Load(ctx, s.o.Files, name)
}

func load(ctx context.Context, files *filesystem.Registry, name string) (*checkpoint.Completed,
	error,
) {
	u, err := files.Resolve(name)
	if err != nil {
		return nil, err
	}
	fs, p, err := files.Find(ctx, u.String())
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(ctx, p)
	if errors.Is(err, filesystem.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: name the directory of a checkpoint (…/chk-N) or savepoint "+
			"(…/savepoint-…), or the %s file in it", u, err, MetadataFile)
	}
	if err != nil {
		return nil, err
	}
	file, dir := u, u.Dir()
	if info.Dir {
		file, dir = u.Join(MetadataFile), u
	}
	b, err := readMetadata(ctx, fs, file)
	if errors.Is(err, filesystem.ErrNotExist) && info.Dir {
		return nil, fmt.Errorf("%s has no %s file%s", u, MetadataFile, explain(ctx, fs, dir))
	}
	if err != nil {
		return nil, err
	}
	m, err := checkpoint.Decode(b, absolute(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w%s", file, err, advice(err))
	}
	return &checkpoint.Completed{Metadata: *m, Location: dir.String(), Path: dir.String(),
		Foreign: true}, nil
}

// readMetadata reads a whole metadata file.
func readMetadata(ctx context.Context, fs filesystem.FileSystem, file filesystem.URI) ([]byte,
	error,
) {
	f, err := fs.Open(ctx, file.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > checkpoint.MaxMetadataBytes {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are possible for metadata", file,
			f.Size(), int64(checkpoint.MaxMetadataBytes))
	}
	b := make([]byte, f.Size())
	if n, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("%s: read %d of %d bytes: %w", file, n, len(b), err)
	}
	return b, nil
}

// explain says what a directory is that is no checkpoint.
func explain(ctx context.Context, fs filesystem.FileSystem, dir filesystem.URI) string {
	var inside []string
	begun := false
	for info, err := range fs.List(ctx, dir.Path) {
		if err != nil {
			return ""
		}
		begun = begun || strings.HasPrefix(info.Name, inProgress)
		if info.Dir && (strings.HasPrefix(info.Name, checkpointDir) ||
			strings.HasPrefix(info.Name, savepointPrefix)) {
			inside = append(inside, info.Name)
		}
	}
	if len(inside) > 0 {
		slices.Sort(inside)
		return fmt.Sprintf(", but there are checkpoints in it: name one of them, such as %s",
			strings.Join(inside[max(0, len(inside)-maxSuggested):], ", "))
	}
	if begun || strings.HasPrefix(dir.Base(), checkpointDir) ||
		strings.HasPrefix(dir.Base(), savepointPrefix) {
		return ": the checkpoint was not completed, or is being deleted; use another one"
	}
	return ": it is no checkpoint"
}

// advice says what can be done about metadata that cannot be read.
func advice(err error) string {
	switch {
	case errors.Is(err, checkpoint.ErrVersion):
		return ": use a program of the version that wrote it"
	case errors.Is(err, checkpoint.ErrNotMetadata):
		return ": name the directory of a checkpoint, or its " + MetadataFile + " file"
	}
	return ": the file is damaged; restore from another checkpoint or savepoint"
}
