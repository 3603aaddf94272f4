package rest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// listening is the state of a socket that listens, in the kernel's table of sockets.
const listening = "0A"

// portOwner names the process that listens at a port: "process 17 (nginx)". It is "" where that
// cannot be found out: on systems without /proc, and for processes of other users.
func portOwner(port int) string {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listeners(table, port, sockets)
	}
	if len(sockets) == 0 {
		return ""
	}
	files, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, f := range files {
		target, err := os.Readlink(f)
		if err != nil || !sockets[target] {
			continue
		}
		process := filepath.Dir(filepath.Dir(f))
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		if err != nil {
			continue
		}
		return fmt.Sprintf("process %s (%s)", filepath.Base(process), bytes.TrimSpace(name))
	}
	return ""
}

// listeners adds the sockets of a table that listen at a port, by the names that links to them
// have.
func listeners(table string, port int, sockets map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == listening {
			sockets["socket:["+fields[9]+"]"] = true
		}
	}
}
