package localfs

import (
	"errors"
	"os"
)

// renameByLink is rename without overwriting where there is no system call for it. Only files can
// be linked, so directories are refused. A crash in between leaves the file under both names.
func renameByLink(from, to string) error {
	if info, err := os.Lstat(from); err != nil {
		return err
	} else if info.IsDir() {
		return errors.New("this file system cannot rename a directory without the danger of " +
			"overwriting another one; use one such as ext4 or xfs on Linux")
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}
