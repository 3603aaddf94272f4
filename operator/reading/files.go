package reading

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"goflink/core/filesystem"
)

// MaxFiles bounds the files that one source reads.
const MaxFiles = 1_000_000

// findFiles returns the files with their sizes, sorted by path, which is their Name: the file at p,
// those in the directory p, or those that match the pattern p. what names the source in errors.
func findFiles(ctx context.Context, what string, files *filesystem.Registry, p string) (
	[]filesystem.Info, error) {
	if files == nil {
		return nil, fmt.Errorf("%s: the source has no file systems to find files in", what)
	}
	fs, p, err := files.Find(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	info, err := fs.Stat(ctx, p)
	switch {
	case err == nil && !info.Dir:
		return []filesystem.Info{withPath(info, p)}, nil
	case err == nil:
		return listFiles(ctx, what, fs, p, "*")
	case strings.ContainsAny(path.Base(p), "*?["):
		found, err := listFiles(ctx, what, fs, path.Dir(p), path.Base(p))
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("%s: no file matches %s", what, p)
		}
		return found, err
	}
	return nil, fmt.Errorf("%s: %w", what, err)
}

func withPath(i filesystem.Info, p string) filesystem.Info { i.Name = p; return i }

// listFiles returns the files in a directory that match a pattern, hidden ones apart.
func listFiles(ctx context.Context, what string, fs filesystem.FileSystem, dir, pattern string) (
	files []filesystem.Info, err error) {
	for info, err := range fs.List(ctx, dir) {
		if err != nil {
			return nil, fmt.Errorf("%s: the files in %s: %w", what, dir, err)
		}
		match, err := path.Match(pattern, info.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: the files in %s: pattern %q: %w", what, dir, pattern, err)
		}
		if info.Dir || !match || info.Name[0] == '.' || info.Name[0] == '_' {
			continue
		}
		if len(files) == MaxFiles {
			return nil, fmt.Errorf("%s: there are more than %d files in %s", what, MaxFiles, dir)
		}
		files = append(files, withPath(info, path.Join(dir, info.Name)))
	}
	slices.SortFunc(files, func(a, b filesystem.Info) int {
		return strings.Compare(a.Name, b.Name)
	})
	return files, nil
}

// openFile opens a file that findFiles found below root.
func openFile(files *filesystem.Registry, root, p string) (filesystem.File, error) {
	u, err := files.Resolve(root)
	if err != nil {
		return nil, err
	}
	u.Path = p
	fs, p, err := files.Find(context.Background(), u.String())
	if err != nil {
		return nil, err
	}
	return fs.Open(context.Background(), p)
}
