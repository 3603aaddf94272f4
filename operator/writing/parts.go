package writing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/sink"
	"goflink/core/stream"
)

const (
	// partBufferBytes is how much is collected before it is written.
	partBufferBytes = 64 << 10
	// stagingPrefix begins the name of the directory of parts that are not finished.
	stagingPrefix = ".goflink-"
	// rollCheckMillis is how often the age of parts is looked at.
	rollCheckMillis = 1000
	// jobDigits is how much of the job's id the names of files have.
	jobDigits = 12
)

// fileSink writes the part files of one subtask and attempt.
type fileSink[T any] struct {
	f   File[T]
	ctx sink.Context
	fs  filesystem.FileSystem
	// base is where the buckets are, staging where unfinished parts are, as URIs.
	base, staging filesystem.URI
	// token is in the names of this attempt's unfinished parts and no other's.
	token  string
	assign func(v T, timestamp, now int64) string
	open   map[string]*part
	// last is the part that was written to last.
	last *part
	turn int64
	// looked is when the age of the open parts was looked at last.
	looked int64
	made   bool   // the staging directory
	ready  string // the directory that was made last for finished parts
}

// part is a part file in progress.
type part struct {
	Part
	bucket string
	w      filesystem.Writer
	// buf is not written yet; Bytes counts it.
	buf    []byte
	opened int64
	used   int64
}

func _[T any](v *fileSink[T]) { var _ sink.TwoPhase[T, *Parts] = v }

// wrap names the sink, and what can be done about a full disk.
func (s *fileSink[T]) wrap(err error) error {
	if err == nil {
		return nil
	}
	what := "file sink " + s.f.Path
	if errors.Is(err, filesystem.ErrNoSpace) {
		what += ": free some space or raise the quota; the job goes on from its last checkpoint"
	}
	return failure.Wrap(err, failure.Retryable, failure.External, "%s", what)
}

// Open finds the file system.
func (s *fileSink[T]) Open(ctx sink.Context) (err error) {
	s.ctx, s.open = ctx, map[string]*part{}
	if s.base, err = s.f.Files.Resolve(s.f.Path); err != nil {
		return s.wrap(err)
	}
	if s.fs, _, err = s.f.Files.Find(context.Background(), s.f.Path); err != nil {
		return s.wrap(err)
	}
	s.staging = s.base.Join(stagingPrefix + ctx.Job())
	s.token = strconv.FormatInt(ctx.Now(), 36) + "-" + strconv.Itoa(ctx.Attempt())
	if s.f.Buckets.New != nil {
		s.assign = s.f.Buckets.New()
	}
	return nil
}

// Begin returns a transaction without files.
func (s *fileSink[T]) Begin() (*Parts, error) { return &Parts{}, nil }

// Write adds records to the parts of their buckets.
func (s *fileSink[T]) Write(txn *Parts, b *stream.Batch[T]) error {
	now := s.ctx.Now()
	for i := range b.Values {
		v := &b.Values[i]
		bucket := ""
		if s.assign != nil {
			bucket = s.assign(*v, b.Time(i), now)
		}
		p := s.last
		if p == nil || p.bucket != bucket {
			var err error
			if p, err = s.part(txn, bucket, now); err != nil {
				return s.wrap(err)
			}
		}
		had := len(p.buf)
		var err error
		if p.buf, err = s.f.Format.Append(p.buf, v); err != nil {
			return s.wrap(fmt.Errorf("encode a record of bucket %q: %w", bucket, err))
		}
		size := len(p.buf) - had
		p.Bytes += int64(size)
		switch {
		case size > MaxRecordBytes:
			err = fmt.Errorf("a record takes %d bytes; at most %d are possible", size,
				MaxRecordBytes)
		case p.Bytes >= s.f.RollBytes:
			err = s.roll(txn, p)
		case len(p.buf) >= partBufferBytes:
			err = p.flush()
		}
		if err != nil {
			return s.wrap(err)
		}
	}
	return s.wrap(s.rollOld(txn, now))
}

func (p *part) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := p.w.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

// part returns the part of a bucket, and begins it if there is none.
func (s *fileSink[T]) part(txn *Parts, bucket string, now int64) (*part, error) {
	s.turn++
	p := s.open[bucket]
	if p == nil {
		if len(s.open) >= MaxOpenParts {
			if err := s.roll(txn, s.oldest()); err != nil {
				return nil, err
			}
		}
		var err error
		if p, err = s.create(bucket, now); err != nil {
			return nil, err
		}
		s.open[bucket] = p
	}
	p.used = s.turn
	s.last = p
	return p, nil
}

// oldest is the open part that was not written to for the longest time.
func (s *fileSink[T]) oldest() (old *part) {
	for _, p := range s.open {
		if old == nil || p.used < old.used {
			old = p
		}
	}
	return old
}

// sorted returns the open parts in the order in which they were used, the same in each run.
func (s *fileSink[T]) sorted() []*part {
	var ps []*part
	for _, p := range s.open {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *part) int { return int(a.used - b.used) })
	return ps
}

// rollOld closes parts that are open for long.
func (s *fileSink[T]) rollOld(txn *Parts, now int64) error {
	limit := s.f.RollInterval.Milliseconds()
	if now < s.looked+min(limit, rollCheckMillis) {
		return nil
	}
	s.looked = now
	for _, p := range s.sorted() {
		if now-p.opened >= limit {
			if err := s.roll(txn, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// roll makes a part pending.
func (s *fileSink[T]) roll(txn *Parts, p *part) error {
	err := p.flush()
	if err == nil {
		err = p.w.Sync()
	}
	if err == nil {
		err = p.w.Close()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.Pending, err)
	}
	s.forget(p)
	txn.Files = append(txn.Files, p.Part)
	return nil
}

func (s *fileSink[T]) forget(p *part) {
	delete(s.open, p.bucket)
	if s.last == p {
		s.last = nil
	}
}

// create begins a part under a name that no finished part has: one may be left from an attempt of
// which there is no checkpoint.
func (s *fileSink[T]) create(bucket string, now int64) (*part, error) {
	if err := checkBucket(bucket); err != nil {
		return nil, err
	}
	job := s.ctx.Job()
	for {
		id := fmt.Sprintf("%d-%d", s.ctx.Subtask(), s.ctx.Sequence())
		finished := s.base.Join(bucket, fmt.Sprintf("%s-%s-%s%s", s.f.Prefix,
			job[:min(jobDigits, len(job))], id, s.f.Format.Suffix))
		_, err := s.fs.Stat(context.Background(), finished.Path)
		if err == nil {
			continue
		}
		if !errors.Is(err, filesystem.ErrNotExist) {
			return nil, err
		}
		p := &part{bucket: bucket, opened: now}
		p.Pending, p.Finished = s.staging.Join(id+"."+s.token).String(), finished.String()
		if p.w, err = s.createPending(s.staging.Join(id + "." + s.token).Path); err != nil {
			return nil, err
		}
		p.buf = append(make([]byte, 0, partBufferBytes), s.f.Format.Header...)
		p.Bytes = int64(len(p.buf))
		return p, nil
	}
}

// createPending makes a file in the staging directory, which the last subtask to end removes.
func (s *fileSink[T]) createPending(p string) (w filesystem.Writer, err error) {
	ctx := context.Background()
	for range 2 {
		if !s.made {
			if err := s.fs.MkdirAll(ctx, s.staging.Path); err != nil {
				return nil, err
			}
			s.made = true
		}
		if w, err = s.fs.Create(ctx, p); !errors.Is(err, filesystem.ErrNotExist) {
			return w, err
		}
		s.made = false
	}
	return nil, err
}

// PreCommit closes all parts.
func (s *fileSink[T]) PreCommit(txn *Parts) (*Parts, bool, error) {
	for _, p := range s.sorted() {
		if err := s.roll(txn, p); err != nil {
			return nil, false, s.wrap(err)
		}
	}
	return txn, len(txn.Files) > 0, nil
}

// Commit gives the parts their names.
func (s *fileSink[T]) Commit(txn *Parts) error {
	for i := range txn.Files {
		if err := s.finish(&txn.Files[i]); err != nil {
			return s.wrap(fmt.Errorf("finish the part %s: %w", txn.Files[i].Finished, err))
		}
	}
	return nil
}

// finish renames a part, unless that was done before.
func (s *fileSink[T]) finish(p *Part) error {
	ctx := context.Background()
	fs, from, err := s.f.Files.Find(ctx, p.Pending)
	if err != nil {
		return err
	}
	to, err := s.f.Files.Resolve(p.Finished)
	if err != nil {
		return err
	}
	if dir := path.Dir(to.Path); dir != s.ready {
		if err := fs.MkdirAll(ctx, dir); err != nil {
			return err
		}
		s.ready = dir
	}
	err = fs.Rename(ctx, from, to.Path)
	if err == nil {
		if staging := path.Dir(from); staging != s.staging.Path {
			// That of a job which this one goes on from. It may not be empty, or be gone.
			_ = fs.Remove(ctx, staging)
		}
		return nil
	}
	if !errors.Is(err, filesystem.ErrExist) && !errors.Is(err, filesystem.ErrNotExist) {
		return err
	}
	// An earlier commit has done it if the pending file is gone and the finished one is there.
	s.ready = ""
	_, perr := fs.Stat(ctx, from)
	if !errors.Is(perr, filesystem.ErrNotExist) {
		return errors.Join(err, perr)
	}
	info, ferr := fs.Stat(ctx, to.Path)
	switch {
	case errors.Is(ferr, filesystem.ErrNotExist):
		return fmt.Errorf("neither it nor the pending file %s exists; somebody has removed or "+
			"moved it: %w", p.Pending, err)
	case ferr == nil && info.Size != p.Bytes:
		return fmt.Errorf("it has %d bytes, but %d were written: somebody has changed it",
			info.Size, p.Bytes)
	}
	return ferr
}

// ignore returns err unless it is target.
func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

// Abort removes the parts.
func (s *fileSink[T]) Abort(txn *Parts) error {
	var errs []error
	for _, p := range s.sorted() {
		// What the file holds does not matter any more.
		_ = p.w.Close()
		errs = append(errs, s.remove(p.Pending))
		s.forget(p)
	}
	for i := range txn.Files {
		errs = append(errs, s.remove(txn.Files[i].Pending))
	}
	return s.wrap(errors.Join(errs...))
}

func (s *fileSink[T]) remove(uri string) error {
	fs, p, err := s.f.Files.Find(context.Background(), uri)
	if err != nil {
		return err
	}
	return ignore(fs.Remove(context.Background(), p), filesystem.ErrNotExist)
}

// Abandon removes the parts that earlier attempts of the subtasks that fall to this one have left
// and that the checkpoint does not know.
func (s *fileSink[T]) Abandon(restored []*Parts) error {
	known := map[string]bool{}
	for _, txn := range restored {
		for i := range txn.Files {
			known[txn.Files[i].Pending] = true
		}
	}
	var left []filesystem.URI
	for info, err := range s.fs.List(context.Background(), s.staging.Path) {
		if err != nil {
			return s.wrap(ignore(err, filesystem.ErrNotExist))
		}
		u := s.staging.Join(info.Name)
		if !info.Dir && !known[u.String()] && s.owns(info.Name) {
			left = append(left, u)
		}
	}
	s.made = true
	for _, u := range left {
		err := s.fs.Remove(context.Background(), u.Path)
		if err = ignore(err, filesystem.ErrNotExist); err != nil {
			return s.wrap(err)
		}
	}
	return nil
}

// owns reports whether a file of the staging directory is one of an earlier attempt whose removal
// falls to this subtask: SUBTASK-NUMBER.TOKEN.
func (s *fileSink[T]) owns(name string) bool {
	id, token, ok := strings.Cut(name, ".")
	subtask, number, ok2 := strings.Cut(id, "-")
	n, err := strconv.Atoi(subtask)
	_, err2 := strconv.ParseUint(number, 10, 64)
	return ok && ok2 && err == nil && err2 == nil && n >= 0 && token != s.token &&
		n%s.ctx.Parallelism() == s.ctx.Subtask()
}

// EncodeTxn encodes a transaction.
func (s *fileSink[T]) EncodeTxn(txn *Parts) ([]byte, error) { return json.Marshal(txn) }

// DecodeTxn decodes a transaction.
func (s *fileSink[T]) DecodeTxn(b []byte) (*Parts, error) {
	var txn Parts
	if err := json.Unmarshal(b, &txn); err != nil {
		return nil, s.wrap(fmt.Errorf("transaction in the state: %w", err))
	}
	return &txn, nil
}

// Close closes what is open, and removes the staging directory if it is empty.
func (s *fileSink[T]) Close() error {
	var errs []error
	for _, p := range s.sorted() {
		errs = append(errs, p.w.Close())
		s.forget(p)
	}
	if s.made {
		// Another subtask may still have parts in it, or have removed it.
		_ = s.fs.Remove(context.Background(), s.staging.Path)
	}
	return s.wrap(errors.Join(errs...))
}
