package config

import "time"

// CheckpointingMode is the guarantee that checkpoints give.
type CheckpointingMode string

// The checkpointing modes.
const (
	ExactlyOnce CheckpointingMode = "EXACTLY_ONCE"
	AtLeastOnce CheckpointingMode = "AT_LEAST_ONCE"
)

// Retention says what becomes of the last checkpoints when a job ends.
type Retention string

// The retentions.
const (
	NoExternalizedCheckpoints Retention = "NO_EXTERNALIZED_CHECKPOINTS"
	RetainOnCancellation      Retention = "RETAIN_ON_CANCELLATION"
	DeleteOnCancellation      Retention = "DELETE_ON_CANCELLATION"
)

// Options of checkpoints.
var (
	CheckpointingInterval = Duration("execution.checkpointing.interval", 0,
		"Time between the starts of two periodic checkpoints. Unset: none are taken.",
		NoDefault(), Min(int64(10*time.Millisecond)))

	CheckpointingIntervalDuringBacklog = Duration(
		"execution.checkpointing.interval-during-backlog", 0,
		"Time between checkpoints while a source works through a backlog; 0: none meanwhile. "+
			"Unset: as execution.checkpointing.interval.", NoDefault())

	CheckpointingGuarantee = Enum("execution.checkpointing.mode", ExactlyOnce,
		[]CheckpointingMode{ExactlyOnce, AtLeastOnce},
		"Guarantee of checkpoints. AT_LEAST_ONCE does not hold back records behind early "+
			"barriers: after a recovery some are processed again.")

	CheckpointingTimeout = Duration("execution.checkpointing.timeout", 10*time.Minute,
		"Time after which a checkpoint that is not complete is given up.",
		Min(int64(10*time.Millisecond)))

	CheckpointingMinPause = Duration("execution.checkpointing.min-pause", 0,
		"Shortest time between the end of a checkpoint and the start of the next one.")

	CheckpointingMaxConcurrent = Int("execution.checkpointing.max-concurrent-checkpoints", 1,
		"Most checkpoints under way at a time.", Min(1), Max(1000))

	CheckpointingTolerableFailures = Int("execution.checkpointing.tolerable-failed-checkpoints",
		0, "Number of checkpoints that may fail in a row before the job does.", Min(0))

	CheckpointingUnaligned = Bool("execution.checkpointing.unaligned.enabled", false,
		"Whether barriers overtake queued records, which then become part of the checkpoint, "+
			"so that backpressure does not delay it. Needs EXACTLY_ONCE.",
		Deprecated("execution.checkpointing.unaligned"))

	CheckpointingAlignedTimeout = Duration("execution.checkpointing.aligned-checkpoint-timeout",
		0, "With unaligned checkpoints on: how long a checkpoint is tried aligned before its "+
			"barriers overtake. 0: they overtake at once.",
		Deprecated("execution.checkpointing.alignment-timeout"))

	CheckpointingUnalignedForced = Bool("execution.checkpointing.unaligned.forced", false,
		"Whether unaligned checkpoints are taken even with custom partitioners or iterations.")

	CheckpointingRetention = Enum("execution.checkpointing.externalized-checkpoint-retention",
		NoExternalizedCheckpoints,
		[]Retention{NoExternalizedCheckpoints, RetainOnCancellation, DeleteOnCancellation},
		"What becomes of the last checkpoints when the job ends other than by FINISHED: kept "+
			"after failure and cancellation, kept after failure only, or never kept.")

	CheckpointsAfterTasksFinish = Bool(
		"execution.checkpointing.checkpoints-after-tasks-finish.enabled", true,
		"Whether checkpoints go on after some tasks have finished.",
		Deprecated("execution.checkpointing.checkpoints-after-tasks-finish"))

	CheckpointingStorage = Enum("execution.checkpointing.storage", JobManagerStorage,
		[]CheckpointStorageKind{JobManagerStorage, FileSystemStorage},
		"Where checkpoints are kept: in the memory of the JobManager or in the file system of "+
			"execution.checkpointing.dir. Unset: the file system where that directory is set.",
		NoDefault(), Deprecated("state.checkpoint-storage"))

	CheckpointsDirectory = String("execution.checkpointing.dir", "",
		"Directory under which checkpoints are kept, as a URL: hdfs://... or file:///....",
		NoDefault(), Deprecated("state.checkpoints.dir", "state.backend.fs.checkpointdir"))

	SavepointsDirectory = String("execution.checkpointing.savepoint-dir", "",
		"Directory for savepoints whose request names none.", NoDefault(),
		Deprecated("state.savepoints.dir", "savepoints.state.backend.fs.dir"))

	CheckpointsNumRetained = Int("execution.checkpointing.num-retained", 1,
		"Number of completed checkpoints that are kept.", Min(1), Max(10000),
		Deprecated("state.checkpoints.num-retained"))

	CheckpointingIncremental = Bool("execution.checkpointing.incremental", false,
		"Whether a checkpoint writes only what the one before does not have, where the state "+
			"backend can.", Deprecated("state.backend.incremental"))

	CheckpointsCreateSubdirectory = Bool("execution.checkpointing.create-subdir", true,
		"Whether checkpoints lie in a directory of their job's id below "+
			"execution.checkpointing.dir.", Deprecated("state.checkpoints.create-subdir"))

	CheckpointMemoryThreshold = MemorySize("execution.checkpointing.data-inline-threshold",
		20*Kibibyte, "State smaller than this is kept in the checkpoint's metadata instead of a "+
			"file of its own.", Min(0), Max(int64(Mebibyte)),
		Deprecated("state.storage.fs.memory-threshold", "state.backend.fs.memory-threshold"))

	CheckpointWriteBufferSize = MemorySize("execution.checkpointing.write-buffer-size",
		4*Kibibyte, "Buffer of each stream that writes a checkpoint to a file system.",
		Min(1), Max(int64(Gibibyte)), Deprecated("state.storage.fs.write-buffer-size",
			"state.backend.fs.write-buffer-size"))

	CheckpointJobManagerMaxStateSize = MemorySize("state.storage.jobmanager.max-state-size",
		5*Mebibyte, "Largest single state of a checkpoint that is kept in the JobManager's "+
			"memory; a larger one declines the checkpoint.", Min(1))

	CheckpointingLocalBackup = Bool("execution.checkpointing.local-backup.enabled", false,
		"Whether TaskManagers keep a copy of their part of the last checkpoint on local disk.",
		Deprecated("state.backend.local-recovery"))

	CheckpointingCompression = Bool("execution.checkpointing.snapshot-compression", false,
		"Whether the state in full checkpoints and savepoints is compressed.")

	CheckpointingUnalignedMaxSubtasks = Int(
		"execution.checkpointing.unaligned.max-subtasks-per-channel-state-file", 5,
		"Number of subtasks of one TaskManager whose queued records share a file.",
		Min(1), Max(100000),
		Deprecated("execution.checkpointing.max-subtasks-per-channel-state-file"))

	CheckpointingFileMerging = Bool("execution.checkpointing.file-merging.enabled", true,
		"Whether the subtasks of one TaskManager write their parts of a checkpoint into few "+
			"files. On, unlike in Flink: small files are what a NameNode has least room for.")

	CheckpointingFileMergingMaxSize = MemorySize(
		"execution.checkpointing.file-merging.max-file-size", 32*Mebibyte,
		"Size from which a merged file of a checkpoint is closed and the next one begun.",
		Min(int64(Mebibyte)))
)

// CheckpointSettings is what the options of a job's checkpoints amount to.
type CheckpointSettings struct {
	Enabled               bool
	Interval              time.Duration // where Enabled
	IntervalDuringBacklog time.Duration // as Interval where it is not set; 0: none meanwhile
	Mode                  CheckpointingMode
	Timeout, MinPause     time.Duration
	MaxConcurrent         int
	TolerableFailures     int
	Unaligned             bool
	AlignedTimeout        time.Duration // where Unaligned; 0: unaligned from the start
	Retention             Retention
	NumRetained           int
	AfterTasksFinish      bool
	Incremental           bool
}

// ResolveCheckpointing reads the options of a job's checkpoints and checks that they go together.
func ResolveCheckpointing(c *Configuration) (CheckpointSettings, error) {
	r := reader{c: c}
	s := CheckpointSettings{
		Enabled:               IsSet(c, CheckpointingInterval),
		Interval:              read(&r, CheckpointingInterval),
		IntervalDuringBacklog: read(&r, CheckpointingIntervalDuringBacklog),
		Mode:                  read(&r, CheckpointingGuarantee),
		Timeout:               read(&r, CheckpointingTimeout),
		MinPause:              read(&r, CheckpointingMinPause),
		MaxConcurrent:         read(&r, CheckpointingMaxConcurrent),
		TolerableFailures:     read(&r, CheckpointingTolerableFailures),
		Unaligned:             read(&r, CheckpointingUnaligned),
		AlignedTimeout:        read(&r, CheckpointingAlignedTimeout),
		Retention:             read(&r, CheckpointingRetention),
		NumRetained:           read(&r, CheckpointsNumRetained),
		AfterTasksFinish:      read(&r, CheckpointsAfterTasksFinish),
		Incremental:           read(&r, CheckpointingIncremental),
	}
	if !IsSet(c, CheckpointingIntervalDuringBacklog) {
		s.IntervalDuringBacklog = s.Interval
	}
	if r.err == nil && s.Unaligned && s.Mode != ExactlyOnce {
		r.err = conflict(c, CheckpointingUnaligned, "false where "+CheckpointingGuarantee.Key+
			" is "+string(s.Mode)+" ("+OriginOf(c, CheckpointingGuarantee)+")")
	}
	backlog := s.IntervalDuringBacklog
	if r.err == nil && backlog != 0 && backlog < s.Interval {
		r.err = conflict(c, CheckpointingIntervalDuringBacklog, "0, or at least "+
			CheckpointingInterval.Key+" ("+FormatDuration(s.Interval)+")")
	}
	return s, r.err
}
