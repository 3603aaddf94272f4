package windowing

import (
	"fmt"

	"goflink/core/keygroup"
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// Progress is how far a subtask's windows had come at a checkpoint: those that ended at or before
// Time have fired. Time is a watermark or, for windows of processing time, a time of the clock.
type Progress struct {
	// First and Last are the key groups that this holds for.
	First, Last int32
	Time        int64
}

// progressName names the operator state that holds Progress.
const progressName = "window-progress"

// progress is the time up to which windows have fired. It is kept in operator state, so that what
// was fired or late before a failure is so after it, although watermarks begin anew. After a
// rescale, key groups that came from different subtasks may have come differently far; each keeps
// its own time until all are past it.
type progress struct {
	// now is the time of the subtask: that of all key groups, or the least of theirs.
	now int64
	// ahead holds, while some key groups are ahead of now, the time of each, else it is nil.
	ahead  []int64
	most   int64 // the greatest of ahead
	first  int   // the key group of ahead[0]
	groups int   // the number of all key groups
	last   int
	list   state.OperatorList[Progress]
}

func (p *progress) open(rt operator.Runtime, k statebackend.Keyed) error {
	list, err := state.OpenUnionList(rt.OperatorState(), state.ListOf[Progress](progressName))
	if err != nil {
		return fmt.Errorf("window progress: %w", err)
	}
	owned := k.Groups()
	p.list, p.groups, p.first, p.last = list, k.MaxParallelism(), owned.First, owned.Last
	times := make([]int64, owned.Len())
	for i := range times {
		times[i] = stream.MinWatermark
	}
	for _, r := range list.Get() {
		both := owned.Intersect(keygroup.Range{First: int(r.First), Last: int(r.Last)})
		for g := both.First; g <= both.Last; g++ {
			times[g-owned.First] = r.Time
		}
	}
	if len(times) == 0 {
		return nil
	}
	p.now, p.most = times[0], times[0]
	for _, t := range times {
		p.now, p.most = min(p.now, t), max(p.most, t)
	}
	if p.now < p.most {
		p.ahead = times
	}
	return nil
}

// advance moves the time forward; it reports whether it did.
func (p *progress) advance(now int64) bool {
	if now <= p.now {
		return false
	}
	p.now = now
	if now >= p.most {
		p.ahead = nil
	}
	return true
}

// watermarkOf is the time of the key group of a key.
func (p *progress) watermarkOf(hash uint64) int64 {
	if p.ahead == nil {
		return p.now
	}
	return max(p.now, p.ahead[keygroup.Of(hash, p.groups)-p.first])
}

// save writes the times into operator state.
func (p *progress) save() {
	if p.ahead == nil {
		p.list.Put([]Progress{{First: int32(p.first), Last: int32(p.last), Time: p.now}})
		return
	}
	all := make([]Progress, len(p.ahead))
	for i, t := range p.ahead {
		g := int32(p.first + i)
		all[i] = Progress{First: g, Last: g, Time: max(p.now, t)}
	}
	p.list.Put(all)
}
