package localfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// renameExclusive renames atomically and fails with EEXIST if the new name is taken.
func renameExclusive(from, to string) error {
	for {
		err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		switch {
		case err == unix.EINTR:
		case err == unix.ENOSYS, err == unix.EINVAL && !inside(from, to):
			// The kernel or the file system does not know the flag.
			return renameByLink(from, to)
		case errors.Is(err, unix.ENOTEMPTY):
			return unix.EEXIST
		default:
			return err
		}
	}
}

// inside reports whether to lies below from: EINVAL then means just that.
func inside(from, to string) bool {
	return len(to) > len(from) && to[:len(from)] == from && to[len(from)] == '/'
}
