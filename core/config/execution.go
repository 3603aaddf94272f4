package config

import "time"

// RuntimeMode says whether a program is run as an unbounded stream or as a bounded batch.
type RuntimeMode string

// The runtime modes.
const (
	Streaming RuntimeMode = "STREAMING"
	Batch     RuntimeMode = "BATCH"
	Automatic RuntimeMode = "AUTOMATIC"
)

// Options of how and where a program is executed.
var (
	ExecutionTarget = String("execution.target", "",
		"Where the program runs: local, remote, yarn-session, yarn-per-job, yarn-application, "+
			"nomad-session, nomad-per-job or nomad-application.", NoDefault())

	ParallelismDefault = Int("parallelism.default", 1,
		"Parallelism of operators for which neither the operator, nor the environment, nor the "+
			"client sets one.", Min(1), Max(32768))

	ExecutionRuntimeMode = Enum("execution.runtime-mode", Streaming,
		[]RuntimeMode{Streaming, Batch, Automatic},
		"How the program is run: as a stream, as a batch of bounded inputs, or chosen by whether "+
			"all sources are bounded.")

	ExecutionBufferTimeout = Duration("execution.buffer-timeout.interval", 100*time.Millisecond,
		"Longest time that records wait in a partly filled network buffer. 0 sends after each "+
			"batch.", Deprecated("execution.buffer-timeout"))

	ExecutionBufferTimeoutEnabled = Bool("execution.buffer-timeout.enabled", true,
		"Whether partly filled network buffers are sent after execution.buffer-timeout.interval; "+
			"if false, only full ones are, and those before a barrier or the end of input.")

	ExecutionAttached = Bool("execution.attached", false,
		"Whether the client waits for the end of the job.")

	ExecutionShutdownOnAttachedExit = Bool("execution.shutdown-on-attached-exit", false,
		"Whether the cluster of an attached client ends when the client does, for instance on "+
			"Ctrl-C.")

	ExecutionShutdownOnApplicationFinish = Bool("execution.shutdown-on-application-finish", true,
		"Whether an application cluster ends when its program does.")

	ExecutionSubmitFailedJobOnApplicationError = Bool(
		"execution.submit-failed-job-on-application-error", false,
		"Whether an application whose program fails before its first job shows a failed job "+
			"instead of ending the cluster at once.")

	ExecutionSavepointPath = String("execution.state-recovery.path",
		"", "Savepoint or retained checkpoint from which the job starts: a directory or its "+
			"_metadata file.", NoDefault(), Deprecated("execution.savepoint.path"))

	ExecutionSavepointIgnoreUnclaimedState = Bool("execution.state-recovery.ignore-unclaimed-state",
		false, "Whether state of the savepoint that no operator of the job claims is skipped; "+
			"if false, it is an error.",
		Deprecated("execution.savepoint.ignore-unclaimed-state"))

	ExecutionSavepointClaimMode = Enum("execution.state-recovery.claim-mode", NoClaim,
		[]ClaimMode{Claim, NoClaim, LegacyClaim},
		"Who owns the files of the savepoint from which the job starts: the job (CLAIM) or the "+
			"user (NO_CLAIM).", Deprecated("execution.savepoint-restore-mode"))

	ExecutionBatchShuffleMode = Enum("execution.batch-shuffle-mode", "ALL_EXCHANGES_BLOCKING",
		[]string{"ALL_EXCHANGES_BLOCKING", "ALL_EXCHANGES_PIPELINED"},
		"Whether the stages of a batch job run one after the other or together. The hybrid "+
			"exchanges of Flink are read as ALL_EXCHANGES_BLOCKING.",
		Synonym("ALL_EXCHANGES_HYBRID_FULL", "ALL_EXCHANGES_BLOCKING"),
		Synonym("ALL_EXCHANGES_HYBRID_SELECTIVE", "ALL_EXCHANGES_BLOCKING"))

	ExecutionSortedInputs = Bool("execution.sorted-inputs.enabled", true,
		"Whether bounded inputs of keyed operators are sorted by key in batch mode.")
)

// ClaimMode says who owns the files of a savepoint from which a job is restored.
type ClaimMode string

// The claim modes.
const (
	Claim       ClaimMode = "CLAIM"
	NoClaim     ClaimMode = "NO_CLAIM"
	LegacyClaim ClaimMode = "LEGACY"
)
