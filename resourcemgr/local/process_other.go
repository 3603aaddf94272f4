//go:build !linux

package local

import (
	"errors"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

// watchProcess is there for Linux only.
func watchProcess(record) (watcher, bool, error) {
	return nil, false, errors.New("workers as processes of their own need Linux: " +
		"run the program without a target, in one process")
}
