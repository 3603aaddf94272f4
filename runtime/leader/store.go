package leader

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"goflink/core/filesystem"
	"goflink/core/id"
)

// Job is what is recorded of a job.
type Job struct {
	ID id.Job
	// Graph is what PutJob was given; nil if there is none.
	Graph []byte
	// Checkpoints are the completed ones that are retained, oldest first.
	Checkpoints []Checkpoint
	// Ended says that the job must not run again, and Result how it ended.
	Ended  bool
	Result []byte
}

// Checkpoint points to a completed checkpoint.
type Checkpoint struct {
	Number uint64
	// Pointer says where it is: a path, or more.
	Pointer []byte
	// Retained is execution.checkpointing.num-retained of the job: how many of the newest count.
	Retained int
}

// Store keeps the records of one leader. All methods may be called concurrently; those about one
// job wait for each other.
//
// What a method has returned without an error survives the loss of the leader. After ErrDeposed and
// ErrUnsure it may or may not be recorded, the caller has to stop being the leader, and must delete
// nothing that the record might point to. After any other error it is not recorded.
type Store struct {
	t *term
	// lost is told when the leader has to step down.
	lost func(error)

	mu struct {
		sync.Mutex
		jobs map[id.Job]*entry
		// ended says that the cluster has.
		ended bool
		// broken is why nothing can be recorded any more.
		broken error
	}
}

// entry is what the store knows of a job without reading.
type entry struct {
	// users counts those who have it from lock; it belongs to Store.mu.
	users int

	mu          sync.Mutex
	graph       bool
	ended       bool
	checkpoints []uint64 // sorted
}

// openStore looks at the records in the folder of a term.
func openStore(ctx context.Context, t *term, lost func(error)) (*Store, error) {
	s := &Store{t: t, lost: lost}
	s.mu.jobs = map[id.Job]*entry{}
	infos, err := listFolder(ctx, t.e.fs, t.path)
	if err != nil {
		return nil, t.check(ctx, err)
	}
	for _, i := range infos {
		s.note(i.Name)
	}
	for _, e := range s.mu.jobs {
		slices.Sort(e.checkpoints)
	}
	return s, nil
}

// note takes a record into the index.
func (s *Store) note(name string) {
	if name == endedFile {
		s.mu.ended = true
	}
	if j, ok := cutJob(name, jobPrefix); ok {
		s.entry(j).graph = true
	}
	if j, ok := cutJob(name, resultPrefix); ok {
		s.entry(j).ended = true
	}
	if last := strings.LastIndexByte(name, '-'); last >= 0 {
		j, ok := cutJob(name[:last], checkpointPrefix)
		n, valid := parseNumber(name[last+1:])
		if ok && valid {
			e := s.entry(j)
			e.checkpoints = append(e.checkpoints, n)
		}
	}
}

func cutJob(name, prefix string) (id.Job, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return id.Job{}, false
	}
	j, err := id.ParseJob(rest)
	return j, err == nil && j.String() == rest
}

// entry returns that of a job, made if there is none. The caller holds mu, or owns the store.
func (s *Store) entry(j id.Job) *entry {
	e := s.mu.jobs[j]
	if e == nil {
		e = &entry{}
		s.mu.jobs[j] = e
	}
	return e
}

// Epoch is that of the leader.
func (s *Store) Epoch() uint64 { return s.t.epoch }

// lock returns the entry of a job for the caller alone, until it calls unlock.
func (s *Store) lock(j id.Job) (*entry, error) {
	s.mu.Lock()
	if err := cmp.Or(s.mu.broken, s.endedErr()); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	e := s.entry(j)
	e.users++
	s.mu.Unlock()
	e.mu.Lock()
	return e, nil
}

// endedErr is ErrEnded if the cluster has ended. The caller holds mu.
func (s *Store) endedErr() error {
	if s.mu.ended {
		return ErrEnded
	}
	return nil
}

// unlock gives an entry back, and forgets one that nothing is recorded of.
func (s *Store) unlock(j id.Job, e *entry) {
	empty := !e.graph && !e.ended && len(e.checkpoints) == 0
	e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.users--; e.users == 0 && empty {
		delete(s.mu.jobs, j)
	}
}

// failed notes an error after which the leader has to step down.
func (s *Store) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrDeposed) || errors.Is(err, ErrUnsure) {
		s.mu.Lock()
		s.mu.broken = cmp.Or(s.mu.broken, err)
		s.mu.Unlock()
		s.lost(err)
	}
	return s.t.e.failed(what, err)
}

// PutJob records a job, so that the next leader runs it.
func (s *Store) PutJob(ctx context.Context, j id.Job, graph []byte) error {
	e, err := s.lock(j)
	if err != nil {
		return s.failed("record the graph of job "+j.String(), err)
	}
	defer s.unlock(j, e)
	if e.graph || e.ended {
		return fmt.Errorf("job %s is recorded already: %w", j, filesystem.ErrExist)
	}
	err = s.t.record(ctx, jobName(j), graph)
	e.graph = err == nil
	return s.failed("record the graph of job "+j.String(), err)
}

// PutCheckpoint records a completed checkpoint of a job that is recorded and has not ended. Its
// number is higher than those before. Pointers beyond the retained ones are dropped.
func (s *Store) PutCheckpoint(ctx context.Context, j id.Job, c Checkpoint) error {
	what := fmt.Sprintf("record checkpoint %d of job %s", c.Number, j)
	e, err := s.lock(j)
	if err != nil {
		return s.failed(what, err)
	}
	defer s.unlock(j, e)
	switch last := len(e.checkpoints) - 1; {
	case !e.graph || e.ended:
		return s.failed(what, errors.New("the job is not recorded, or has ended"))
	case c.Retained < 1 || c.Retained > math.MaxInt32:
		return s.failed(what, fmt.Errorf("%d checkpoints are retained, want 1 or more",
			c.Retained))
	case last >= 0 && c.Number <= e.checkpoints[last]:
		return s.failed(what, fmt.Errorf("checkpoint %d is recorded already: %w",
			e.checkpoints[last], filesystem.ErrExist))
	}
	b := binary.AppendUvarint(nil, uint64(c.Retained))
	err = s.t.record(ctx, checkpointName(j, c.Number), append(b, c.Pointer...))
	if err != nil {
		return s.failed(what, err)
	}
	e.checkpoints = append(e.checkpoints, c.Number)
	for len(e.checkpoints) > c.Retained {
		if err := s.t.remove(ctx, checkpointName(j, e.checkpoints[0])); err != nil {
			// It does not count any more and is dropped with the next one.
			s.t.e.logger.Warn("the record of an old checkpoint cannot be removed", "job", j,
				"checkpoint", e.checkpoints[0], "error", err)
			break
		}
		e.checkpoints = e.checkpoints[1:]
	}
	return nil
}

// PutResult records that a job has ended, so that it never runs again, and how.
func (s *Store) PutResult(ctx context.Context, j id.Job, result []byte) error {
	e, err := s.lock(j)
	if err != nil {
		return s.failed("record the result of job "+j.String(), err)
	}
	defer s.unlock(j, e)
	if e.ended {
		return fmt.Errorf("job %s has ended already: %w", j, filesystem.ErrExist)
	}
	err = s.t.record(ctx, resultName(j), result)
	e.ended = err == nil
	return s.failed("record the result of job "+j.String(), err)
}

// TrimJob deletes all records of a job that has ended but its result.
func (s *Store) TrimJob(ctx context.Context, j id.Job) error {
	e, err := s.lock(j)
	if err != nil {
		return s.failed("delete the records of job "+j.String(), err)
	}
	defer s.unlock(j, e)
	if err = errors.New("the job has not ended"); e.ended {
		err = s.trim(ctx, j, e)
	}
	return s.failed("delete the records of job "+j.String(), err)
}

// trim removes graph and checkpoints. The caller holds e.mu.
func (s *Store) trim(ctx context.Context, j id.Job, e *entry) error {
	if err := s.t.remove(ctx, jobName(j)); err != nil {
		return err
	}
	e.graph = false
	for len(e.checkpoints) > 0 {
		if err := s.t.remove(ctx, checkpointName(j, e.checkpoints[0])); err != nil {
			return err
		}
		e.checkpoints = e.checkpoints[1:]
	}
	return nil
}

// RemoveJob deletes all records of a job. One that has not ended is recorded as ended first, so
// that it does not come back half. It can be repeated.
func (s *Store) RemoveJob(ctx context.Context, j id.Job) error {
	e, err := s.lock(j)
	if err != nil {
		return s.failed("delete the records of job "+j.String(), err)
	}
	defer s.unlock(j, e)
	if !e.ended && !e.graph && len(e.checkpoints) == 0 {
		return nil
	}
	if !e.ended {
		err = s.t.record(ctx, resultName(j), nil)
		e.ended = err == nil
	}
	if err == nil {
		err = s.trim(ctx, j, e)
	}
	if err == nil { // last, since it keeps the job from running again
		err = s.t.remove(ctx, resultName(j))
		e.ended = err != nil
	}
	return s.failed("delete the records of job "+j.String(), err)
}

// Jobs reads what is recorded, in order of ids. A new leader calls it first.
func (s *Store) Jobs(ctx context.Context) ([]Job, error) {
	s.mu.Lock()
	ids := slices.SortedFunc(maps.Keys(s.mu.jobs), func(a, b id.Job) int {
		return slices.Compare(a[:], b[:])
	})
	s.mu.Unlock()
	var jobs []Job
	for _, j := range ids {
		job, err := s.job(ctx, j)
		if err != nil {
			return nil, s.failed("read the records of job "+j.String(), err)
		}
		if job.Graph != nil || job.Ended {
			jobs = append(jobs, job)
		}
	}
	return jobs, nil
}

func (s *Store) job(ctx context.Context, j id.Job) (Job, error) {
	job := Job{ID: j}
	e, err := s.lock(j)
	if err != nil {
		return job, err
	}
	defer s.unlock(j, e)
	if job.Ended = e.ended; e.ended {
		if job.Result, err = s.t.read(ctx, resultName(j)); err != nil {
			return job, err
		}
	}
	if e.graph {
		if job.Graph, err = s.t.read(ctx, jobName(j)); err != nil {
			return job, err
		}
	}
	retained := 1
	for i := len(e.checkpoints) - 1; i >= 0 && len(job.Checkpoints) < retained; i-- {
		c, err := s.checkpoint(ctx, j, e.checkpoints[i])
		if err != nil {
			return job, err
		}
		if len(job.Checkpoints) == 0 {
			retained = c.Retained
		}
		job.Checkpoints = append(job.Checkpoints, c)
	}
	slices.Reverse(job.Checkpoints)
	return job, nil
}

func (s *Store) checkpoint(ctx context.Context, j id.Job, n uint64) (Checkpoint, error) {
	name := checkpointName(j, n)
	b, err := s.t.read(ctx, name)
	if err != nil {
		return Checkpoint{}, err
	}
	retained, size := binary.Uvarint(b)
	if size <= 0 || retained < 1 || retained > math.MaxInt32 {
		return Checkpoint{}, damaged(s.t.file(name), "it does not say how many are retained")
	}
	return Checkpoint{Number: n, Pointer: b[size:], Retained: int(retained)}, nil
}

// end records that the cluster has come to its end, unless a job has not. Nothing can be recorded
// afterwards.
func (s *Store) end(ctx context.Context) error {
	s.mu.Lock()
	recorded, jobs := s.mu.ended, maps.Clone(s.mu.jobs)
	s.mu.ended = true // from now on no job comes in
	s.mu.Unlock()
	if recorded {
		return nil
	}
	var err error
	for j, e := range jobs {
		e.mu.Lock()
		if e.graph && !e.ended {
			err = fmt.Errorf("job %s has not ended", j)
		}
		e.mu.Unlock()
	}
	if err == nil {
		err = s.t.record(ctx, endedFile, nil)
	}
	if err != nil {
		s.mu.Lock()
		s.mu.ended = false
		s.mu.Unlock()
	}
	return s.failed("end the cluster", err)
}
