package config

// StateBackendKind names where working state lives.
type StateBackendKind string

// The names of state backends that are known. [ResolveState] maps those that are only other
// words for a combination of backend and storage.
const (
	HashMapBackend    StateBackendKind = "hashmap"
	PebbleBackend     StateBackendKind = "pebble"
	RocksDBBackend    StateBackendKind = "rocksdb"    // Flink's name for what is pebble here
	ForStBackend      StateBackendKind = "forst"      // likewise
	JobManagerBackend StateBackendKind = "jobmanager" // hashmap, checkpoints in the JobManager
	FileSystemBackend StateBackendKind = "filesystem" // hashmap, checkpoints in files
	MemoryBackend     StateBackendKind = "memory"     // as jobmanager
)

// CheckpointStorageKind names where checkpoints are kept.
type CheckpointStorageKind string

// The kinds of checkpoint storage.
const (
	JobManagerStorage CheckpointStorageKind = "jobmanager"
	FileSystemStorage CheckpointStorageKind = "filesystem"
)

// Options of state and its backends.
var (
	StateBackendType = Enum("state.backend.type", HashMapBackend,
		[]StateBackendKind{HashMapBackend, PebbleBackend, RocksDBBackend, ForStBackend,
			JobManagerBackend, FileSystemBackend, MemoryBackend},
		"Where working state lives: hashmap (memory) or pebble (local disk; rocksdb and forst are "+
			"other names for it). The former names jobmanager (or memory) and filesystem mean "+
			"hashmap with checkpoints in the JobManager or in files.",
		Deprecated("state.backend"))

	StateBackendAsync = Bool("state.backend.async", true,
		"Whether snapshots of the hashmap backend are written in the background; if false, the "+
			"task waits for them.")

	StateLocalRecovery = Bool("execution.state-recovery.from-local", false,
		"Whether a task restores from local copies of its state where they exist.",
		Deprecated("state.backend.local-recovery"))

	StateLocalDirectories = List("taskmanager.state.local.root-dirs", nil,
		"Directories for local copies of state. Unset: below the temporary directories.",
		NoDefault(), Deprecated("execution.checkpointing.local-backup.dirs"))

	StateLatencyTracking = Bool("state.latency-track.keyed-state-enabled", false,
		"Whether the latency of keyed state operations is measured.",
		Deprecated("state.backend.latency-track.keyed-state-enabled"))

	StateLatencySampleInterval = Int("state.latency-track.sample-interval", 100,
		"With state.latency-track.keyed-state-enabled: one of so many operations is measured.",
		Min(1), Deprecated("state.backend.latency-track.sample-interval"))

	StateLatencyHistorySize = Int("state.latency-track.history-size", 128,
		"Number of measured latencies that are kept per operation.", Min(1), Max(1000000),
		Deprecated("state.backend.latency-track.history-size"))
)

// StateSettings is what the options about state backend and checkpoint storage amount to.
type StateSettings struct {
	Backend              StateBackendKind // HashMapBackend or PebbleBackend
	Storage              CheckpointStorageKind
	CheckpointsDirectory string // set where Storage is FileSystemStorage
	SavepointsDirectory  string // may be empty
	MaxStateSize         Memory // of a single state where Storage is JobManagerStorage
}

// ResolveState derives backend and storage, with the former names of both taken apart. An
// explicit storage wins over the one that a former backend name implies; without either,
// checkpoints go to the checkpoints directory where it is set, else to the JobManager.
func ResolveState(c *Configuration) (StateSettings, error) {
	var s StateSettings
	kind, err := Get(c, StateBackendType)
	if err != nil {
		return s, err
	}
	if s.CheckpointsDirectory, err = Get(c, CheckpointsDirectory); err != nil {
		return s, err
	}
	if s.SavepointsDirectory, err = Get(c, SavepointsDirectory); err != nil {
		return s, err
	}
	if s.MaxStateSize, err = Get(c, CheckpointJobManagerMaxStateSize); err != nil {
		return s, err
	}
	s.Storage = JobManagerStorage
	if s.CheckpointsDirectory != "" {
		s.Storage = FileSystemStorage
	}
	s.Backend = HashMapBackend
	switch kind {
	case PebbleBackend, RocksDBBackend, ForStBackend:
		s.Backend = PebbleBackend
	case FileSystemBackend:
		s.Storage = FileSystemStorage
	case JobManagerBackend, MemoryBackend:
		s.Storage = JobManagerStorage
	}
	storage, set, err := Lookup(c, CheckpointingStorage)
	if err != nil {
		return s, err
	}
	if set {
		s.Storage = storage
	}
	if s.Storage == FileSystemStorage && s.CheckpointsDirectory == "" {
		return s, missingDirectory(c, set)
	}
	return s, nil
}

// missingDirectory says that checkpoints shall go to files but no directory is named.
func missingDirectory(c *Configuration, explicit bool) error {
	e, _ := c.entryOf(CheckpointingStorage.Key, CheckpointingStorage.aliases)
	if !explicit {
		e, _ = c.entryOf(StateBackendType.Key, StateBackendType.aliases)
	}
	return &ValueError{
		Key: e.Key, Value: e.Value, Origin: e.Origin,
		Expected: CheckpointsDirectory.Key + " to be set as well, to a directory that every " +
			"process of the cluster can reach",
		Example: "hdfs:///flink/checkpoints",
	}
}
