package leader

import (
	"fmt"
	"strconv"
	"strings"

	"goflink/core/id"
)

// Names in the folder of a cluster, and below it.
const (
	epochsDir   = "epochs"
	claimPrefix = "claim-"
	epochPrefix = "epoch-"
	sealedMark  = ".sealed"
	// removedPrefix is what a cluster that has ended becomes before it is deleted.
	removedPrefix = "removed-"

	// clusterFile goes from leader to leader as long as the cluster lives.
	clusterFile      = "cluster"
	addressFile      = "address"
	endedFile        = "ended"
	alivePrefix      = "alive-"
	temporaryPrefix  = "tmp-"
	jobPrefix        = "job-"
	resultPrefix     = "result-"
	checkpointPrefix = "checkpoint-"
)

// folder is the folder of one leader.
type folder struct {
	epoch uint64
	// name is that of the open folder, without the mark of a sealed one.
	name   string
	sealed bool
}

// file is the name under which the folder is found.
func (f folder) file() string {
	if f.sealed {
		return f.name + sealedMark
	}
	return f.name
}

// view is what is in the folder of epochs.
type view struct {
	claims  []uint64
	folders []folder
}

// add notes an entry. Foreign names are left alone.
func (v *view) add(name string, dir bool) {
	if rest, ok := strings.CutPrefix(name, claimPrefix); ok && !dir {
		if n, ok := parseNumber(rest); ok {
			v.claims = append(v.claims, n)
		}
		return
	}
	open, sealed := strings.CutSuffix(name, sealedMark)
	rest, ok := strings.CutPrefix(open, epochPrefix)
	number, _, random := strings.Cut(rest, "-")
	n, valid := parseNumber(number)
	if ok && dir && random && valid {
		v.folders = append(v.folders, folder{epoch: n, name: open, sealed: sealed})
	}
}

// highest is the highest epoch that was ever taken; 0 if there is none.
func (v *view) highest() uint64 {
	var n uint64
	for _, c := range v.claims {
		n = max(n, c)
	}
	for _, f := range v.folders {
		n = max(n, f.epoch)
	}
	return n
}

// rival says whether somebody else has the given epoch or a higher one; own is the name of the
// folder of who asks.
func (v *view) rival(epoch uint64, own string) bool {
	for _, c := range v.claims {
		if c > epoch {
			return true
		}
	}
	for _, f := range v.folders {
		if f.epoch > epoch || f.epoch == epoch && (f.name != own || f.sealed) {
			return true
		}
	}
	return false
}

// open returns the folder of the highest epoch that is not sealed.
func (v *view) open() (f folder, ok bool) {
	for _, g := range v.folders {
		if !g.sealed && (!ok || g.epoch > f.epoch) {
			f, ok = g, true
		}
	}
	return f, ok
}

// vacant says that there is certainly no leader: the last one has sealed its folder itself.
func (v *view) vacant() bool {
	_, open := v.open()
	if open {
		return false
	}
	n := v.highest()
	for _, f := range v.folders {
		if f.epoch == n {
			return true
		}
	}
	return n == 0
}

func claimName(epoch uint64) string { return claimPrefix + strconv.FormatUint(epoch, 10) }

func folderName(epoch, random uint64) string {
	return fmt.Sprintf("%s%d-%016x", epochPrefix, epoch, random)
}

func aliveName(n uint64) string { return alivePrefix + strconv.FormatUint(n, 10) }

func jobName(j id.Job) string { return jobPrefix + j.String() }

func resultName(j id.Job) string { return resultPrefix + j.String() }

func checkpointName(j id.Job, n uint64) string {
	return fmt.Sprintf("%s%s-%d", checkpointPrefix, j, n)
}

// parseNumber reads a number as it is written here, so that no two names mean the same.
func parseNumber(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && strconv.FormatUint(n, 10) == s
}

// inherited says whether a file of a sealed folder goes on to the next leader.
func inherited(name string) bool {
	return name != addressFile && !strings.HasPrefix(name, alivePrefix) &&
		!strings.HasPrefix(name, temporaryPrefix)
}
