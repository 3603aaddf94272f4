// Package storage is where checkpoints lie: in a file system, or in the JobManager's memory
// (R68, R69).
//
//	<directory>/<job id>/chk-N/_metadata      a checkpoint: the file says what it consists of
//	                    /chk-N/<state file>   what belongs to this checkpoint alone
//	                    /shared/<state file>  what several checkpoints name (incremental ones)
//	                    /taskowned/
//	<target>/savepoint-<job>-<random>/…       a savepoint: everything in one directory, with paths
//	                                          relative to it, so that it can be moved
//
// State files are made by tasks, directories and metadata by the JobManager. A checkpoint is what
// has a _metadata file: that is written under another name, synced and then renamed, without
// overwriting.
//
// Deletion goes by file names, which carry job and epoch: a leader deletes files of its own and of
// earlier epochs of its own job. Directories are removed when they are empty, never with what is in
// them: a leader that was paused and does not know that it was replaced can so delete nothing of
// its successor.
package storage

import (
	"context"
	"fmt"
	"sync/atomic"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/internal/host"
)

// Names of files and directories, as in Flink.
const (
	MetadataFile    = "_metadata"
	sharedDir       = "shared"
	taskOwnedDir    = "taskowned"
	checkpointDir   = "chk-"
	savepointPrefix = "savepoint-"
	// inProgress begins the name of metadata that is being written; the epoch follows.
	inProgress = "_metadata.inprogress."
)

// NotExternal is the path of a checkpoint in the JobManager's memory, as Flink calls it.
const NotExternal = "<checkpoint-not-externally-addressable>"

// Options are what a Storage needs. TaskManagers and the JobManager of a job make equal ones.
type Options struct {
	Files *filesystem.Registry
	// Kind says where state goes. Savepoints go to files with either.
	Kind config.CheckpointStorageKind
	// Directory is the URI below which checkpoints go. With JobManagerStorage it may be empty; if
	// it is set, the metadata goes there, with the state in it.
	Directory string
	// FlatDirectory leaves out the directory of the job's id below Directory.
	FlatDirectory bool
	Job           id.Job
	// Epoch is that of the leader.
	Epoch uint64
	// InlineBytes is the largest state that is kept in the metadata instead of a file.
	InlineBytes int64
	// BufferBytes is the size of the buffer of each file that is written.
	BufferBytes int
	// MaxStateBytes is the largest single state with JobManagerStorage.
	MaxStateBytes int64
	// Random names savepoints and temporary files; nil stands for that of the real host.
	Random func() uint64
}

// FromConfig reads the options from a job's configuration.
func FromConfig(c *config.Configuration, files *filesystem.Registry, job id.Job, epoch uint64) (
	Options, error,
) {
	o := Options{Files: files, Job: job, Epoch: epoch}
	s, err := config.ResolveState(c)
	if err != nil {
		return o, err
	}
	o.Kind, o.Directory, o.MaxStateBytes = s.Storage, s.CheckpointsDirectory, s.MaxStateSize.Bytes()
	sub, err := config.Get(c, config.CheckpointsCreateSubdirectory)
	if err != nil {
		return o, err
	}
	inline, err := config.Get(c, config.CheckpointMemoryThreshold)
	if err != nil {
		return o, err
	}
	buffer, err := config.Get(c, config.CheckpointWriteBufferSize)
	if err != nil {
		return o, err
	}
	o.FlatDirectory, o.InlineBytes, o.BufferBytes = !sub, inline.Bytes(), int(buffer.Bytes())
	return o, nil
}

// Storage is the storage of one job's checkpoints under one leader. Its methods may be called
// concurrently. Location and Reader are for tasks (it is runtime/task's Storage), the others for
// the JobManager, for whom they carry the effects of checkpoint.Coordinator out.
type Storage struct {
	o    Options
	base filesystem.URI // of the job; without a scheme if there is none
	// files numbers the state files.
	files atomic.Uint64
	// made says that the directories of the job exist.
	made atomic.Bool
}

// New returns a storage. It touches no file.
func New(o Options) (*Storage, error) {
	if o.Random == nil {
		o.Random = host.Real{}.Random
	}
	s := &Storage{o: o}
	if o.Directory == "" {
		if o.Kind == config.FileSystemStorage {
			return nil, failure.New(failure.FailJob, failure.User,
				"checkpoints shall go to files, but %s is not set", config.CheckpointsDirectory.Key)
		}
		return s, nil
	}
	u, err := o.Files.Resolve(o.Directory)
	if err != nil {
		return nil, failure.Wrap(err, failure.FailJob, failure.User, "%s",
			config.CheckpointsDirectory.Key)
	}
	s.base = u
	if !o.FlatDirectory {
		s.base = u.Join(o.Job.String())
	}
	return s, nil
}

// chk is the directory of a checkpoint.
func (s *Storage) chk(checkpoint uint64) filesystem.URI {
	return s.base.Join(fmt.Sprintf("%s%d", checkpointDir, checkpoint))
}

// Location returns where a task writes its part of a checkpoint; target is stream.Barrier's Target:
// empty for a checkpoint, for a savepoint what Prepare returned.
func (s *Storage) Location(checkpoint uint64, target string, attempt id.Attempt) (
	statebackend.Location, error,
) {
	if attempt.Job != s.o.Job {
		return nil, fmt.Errorf("attempt %s writes to the checkpoints of job %s", attempt, s.o.Job)
	}
	if s.o.Kind == config.JobManagerStorage {
		return &memoryLocation{max: s.o.MaxStateBytes, checkpoint: checkpoint}, nil
	}
	l := &fileLocation{s: s, checkpoint: checkpoint, attempt: attempt}
	if target == "" {
		l.dir, l.shared = s.chk(checkpoint), s.base.Join(sharedDir)
		return checkpointLocation{l}, nil
	}
	u, err := s.o.Files.Resolve(target)
	if err != nil {
		return nil, fmt.Errorf("savepoint %d: %w", checkpoint, err)
	}
	l.dir = u
	return l, nil
}

// Reader opens blobs of any checkpoint.
func (s *Storage) Reader() statebackend.BlobReader { return reader{s.o.Files} }

// find is the file system of a URI.
func (s *Storage) find(ctx context.Context, u filesystem.URI) (filesystem.FileSystem, error) {
	fs, _, err := s.o.Files.Find(ctx, u.String())
	return fs, err
}
