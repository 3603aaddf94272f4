//go:build !linux

package localfs

// renameExclusive renames without overwriting.
func renameExclusive(from, to string) error { return renameByLink(from, to) }
