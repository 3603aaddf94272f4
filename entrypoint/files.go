package entrypoint

import (
	"fmt"
	"os"

	"goflink/core/filesystem"
	"goflink/runtime/localfs"
)

// newFiles returns the file systems that programs and checkpoints use. Relative paths are taken in
// the working directory of the process.
func newFiles() (*filesystem.Registry, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	r, err := filesystem.NewRegistry("file://" + dir)
	if err != nil {
		return nil, err
	}
	return r, r.Register("file", localfs.Open)
}
