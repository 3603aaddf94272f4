package checkpoint

import (
	"math"
	"slices"
	"time"

	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
)

const (
	// MaxHistory is the number of checkpoints that ended whose statistics are kept (Flink's
	// web.checkpoints.history).
	MaxHistory = 10
	// MaxSamples is the number of completed checkpoints that quantiles are taken over.
	MaxSamples = 1000
)

// Status is how a checkpoint stands.
type Status uint8

// The statuses.
const (
	InProgress Status = iota
	CompletedStatus
	Failed
)

// String is Flink's name of the status.
func (s Status) String() string { return [...]string{"IN_PROGRESS", "COMPLETED", "FAILED"}[s] }

// Stats says what one checkpoint cost. Bytes count what all subtasks together hold.
type Stats struct {
	ID      uint64
	Kind    stream.SavepointKind
	Status  Status
	Full    bool
	Aligned stream.Alignment
	// Triggered is when it began; Ended when it was durable or given up, LatestAck when the last
	// part came; zero if not yet.
	Triggered, LatestAck, Ended time.Time
	// StateBytes is the size of its state, of which NewBytes were written for it (the checkpointed
	// size); ChannelBytes were in flight (persisted data).
	StateBytes, NewBytes, ChannelBytes int64
	// Tasks is the number of parts that it needs, Acknowledged of those that are there.
	Tasks, Acknowledged int
	// Path is how the user names it, if it is complete. Discarded says that it was deleted since.
	Path      string
	Discarded bool
	// Failure is why it was given up.
	Failure  string
	Vertices []VertexStats
}

// Duration is how long it took; now counts while it is under way.
func (s *Stats) Duration(now time.Time) time.Duration {
	if !s.Ended.IsZero() {
		now = s.Ended
	}
	return now.Sub(s.Triggered)
}

// VertexStats are those of one vertex.
type VertexStats struct {
	ID       id.Vertex
	Name     string
	Subtasks []SubtaskStats
}

// SubtaskStats are those of one subtask. Durations are as in statebackend.SnapshotMetrics.
type SubtaskStats struct {
	// Expected says that the checkpoint needs its part; one that had finished has none.
	Expected, Acknowledged bool
	AckTime                time.Time
	NewBytes               int64
	Metrics                statebackend.SnapshotMetrics
}

// Overview are the statistics of a job's checkpoints.
type Overview struct {
	// Restored, Completed and Failed count since this coordinator began; InProgress counts now.
	Restored, InProgress, Completed, Failed int
	Durations, StateSizes, NewSizes         Summary // milliseconds, bytes, bytes
	ChannelSizes                            Summary // bytes
	LatestCompleted, LatestSavepoint        *Stats
	LatestFailed                            *Stats
	LatestRestore                           *RestoreStats
	// History has the checkpoints under way and the latest that ended, newest first.
	History []Stats
}

// RestoreStats says what a job was restored from.
type RestoreStats struct {
	Checkpoint uint64
	Kind       stream.SavepointKind
	Path       string
	// Time is zero if the job began with it.
	Time time.Time
}

// Summary describes numbers.
type Summary struct {
	Count         int64
	Min, Max, Sum int64
	samples       []int64
}

// Average is the mean; 0 without numbers.
func (s *Summary) Average() int64 {
	if s.Count == 0 {
		return 0
	}
	return s.Sum / s.Count
}

// Quantile is the smallest of the latest numbers (MaxSamples) that a share q of them does not
// exceed; 0 without numbers.
func (s *Summary) Quantile(q float64) int64 {
	if len(s.samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.samples))
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

func (s *Summary) add(v int64) {
	if s.Count == 0 || v < s.Min {
		s.Min = v
	}
	if s.Count == 0 || v > s.Max {
		s.Max = v
	}
	s.Sum += v
	if len(s.samples) < MaxSamples {
		s.samples = append(s.samples, v)
	} else {
		s.samples[s.Count%MaxSamples] = v
	}
	s.Count++
}

// statistics collects the statistics of a coordinator.
type statistics struct {
	overview Overview
	ended    []*Stats // oldest first
}

func (s *statistics) begin(c *Coordinator, p *pending) *Stats {
	st := &Stats{ID: p.id, Kind: p.kind, Full: p.full, Triggered: c.now,
		Aligned: c.barrier(p).Alignment}
	st.Vertices = make([]VertexStats, len(c.o.Job.Vertices))
	for i := range st.Vertices {
		v := &c.o.Job.Vertices[i]
		st.Vertices[i] = VertexStats{ID: v.ID, Name: v.Name,
			Subtasks: make([]SubtaskStats, v.Parallelism)}
	}
	return st
}

// triggered notes which parts a checkpoint needs.
func (st *Stats) triggered(c *Coordinator, p *pending) {
	st.Tasks = p.missing
	for i := range p.parts {
		st.subtask(c, i).Expected = p.parts[i].status == partMissing
	}
	for _, state := range p.coordinators {
		st.StateBytes += int64(len(state))
		st.NewBytes += int64(len(state))
	}
}

func (st *Stats) subtask(c *Coordinator, task int) *SubtaskStats {
	t := &c.plan.tasks[task]
	return &st.Vertices[t.vertex].Subtasks[t.attempt.Subtask]
}

// acknowledged notes a task's part.
func (st *Stats) acknowledged(c *Coordinator, task int, s *SubtaskState, e *Acknowledged) {
	st.Acknowledged++
	st.LatestAck = c.now
	sub := st.subtask(c, task)
	sub.Acknowledged, sub.AckTime, sub.Metrics = true, c.now, e.Metrics
	for i := range s.Operators {
		eachBlob(&s.Operators[i], func(b *statebackend.Blob) {
			if b.File == "" || c.writtenFor(st.ID, b.File) {
				sub.NewBytes += b.Length
			}
			st.StateBytes += b.Length
		})
	}
	st.NewBytes += sub.NewBytes
	st.ChannelBytes += e.Metrics.ChannelBytes
	if e.Metrics.Unaligned {
		st.Aligned = stream.Unaligned
	}
}

func (s *statistics) completed(c *Coordinator, p *pending) {
	st, o := p.stats, &s.overview
	st.Status, st.Ended, st.Path = CompletedStatus, c.now, p.completed.Path
	o.Completed++
	o.Durations.add(st.Duration(c.now).Milliseconds())
	o.StateSizes.add(st.StateBytes)
	o.NewSizes.add(st.NewBytes)
	o.ChannelSizes.add(st.ChannelBytes)
	if p.kind == stream.NoSavepoint {
		o.LatestCompleted = st
	} else {
		o.LatestSavepoint = st
	}
	s.end(st)
}

func (s *statistics) failed(c *Coordinator, p *pending, err error) {
	st := p.stats
	st.Status, st.Ended, st.Failure = Failed, c.now, err.Error()
	s.overview.Failed++
	s.overview.LatestFailed = st
	s.end(st)
}

func (s *statistics) end(st *Stats) {
	if len(s.ended) == MaxHistory {
		s.ended = slices.Delete(s.ended, 0, 1)
	}
	s.ended = append(s.ended, st)
}

// discarded notes that a checkpoint was deleted.
func (s *statistics) discarded(checkpoint uint64) {
	for _, st := range append(s.ended, s.overview.LatestCompleted) {
		if st != nil && st.ID == checkpoint {
			st.Discarded = true
		}
	}
}

func (s *statistics) restored(from *Completed, now time.Time) {
	s.overview.Restored++
	s.overview.LatestRestore = &RestoreStats{Checkpoint: from.Checkpoint, Kind: from.Kind,
		Path: from.Path, Time: now}
}

// Numbers are the statistics that metrics show.
type Numbers struct {
	Total, InProgress, Completed, Failed int
	// Latest is the checkpoint or savepoint completed last; its Vertices are not set. nil if there
	// is none.
	Latest *Stats
	// Restored is when the job was restored last; zero if it was not.
	Restored time.Time
}

// Numbers returns the statistics that metrics show; the caller owns them.
func (c *Coordinator) Numbers() Numbers {
	o := &c.stats.overview
	n := Numbers{InProgress: len(c.pending), Completed: o.Completed, Failed: o.Failed}
	n.Total = n.InProgress + n.Completed + n.Failed
	for _, st := range []*Stats{o.LatestCompleted, o.LatestSavepoint} {
		if st != nil && (n.Latest == nil || st.ID > n.Latest.ID) {
			latest := *st
			latest.Vertices = nil
			n.Latest = &latest
		}
	}
	if o.LatestRestore != nil {
		n.Restored = o.LatestRestore.Time
	}
	return n
}

// Overview returns the statistics as of now; the caller owns them.
func (c *Coordinator) Overview() Overview {
	o := c.stats.overview
	o.InProgress = len(c.pending)
	for _, s := range []*Summary{&o.Durations, &o.StateSizes, &o.NewSizes, &o.ChannelSizes} {
		s.samples = slices.Clone(s.samples)
	}
	for _, latest := range []**Stats{&o.LatestCompleted, &o.LatestSavepoint, &o.LatestFailed} {
		if *latest != nil {
			copied := (*latest).clone()
			*latest = &copied
		}
	}
	if o.LatestRestore != nil {
		restore := *o.LatestRestore
		o.LatestRestore = &restore
	}
	for i := len(c.pending) - 1; i >= 0; i-- {
		o.History = append(o.History, c.pending[i].stats.clone())
	}
	for i := len(c.stats.ended) - 1; i >= 0; i-- {
		o.History = append(o.History, c.stats.ended[i].clone())
	}
	slices.SortStableFunc(o.History, func(a, b Stats) int { return int(b.ID) - int(a.ID) })
	return o
}

func (st *Stats) clone() Stats {
	copied := *st
	copied.Vertices = slices.Clone(st.Vertices)
	for i := range copied.Vertices {
		copied.Vertices[i].Subtasks = slices.Clone(copied.Vertices[i].Subtasks)
	}
	return copied
}
