package config

import "time"

// Options of the processes of a cluster and of how they find each other.
var (
	HeartbeatInterval = Duration("heartbeat.interval", 10*time.Second,
		"Time between heartbeats.", Min(int64(time.Millisecond)))

	HeartbeatTimeout = Duration("heartbeat.timeout", 50*time.Second,
		"Time without a heartbeat after which the other side counts as lost.",
		Min(int64(time.Millisecond)))

	HeartbeatRPCFailureThreshold = Int("heartbeat.rpc-failure-threshold", 2,
		"Number of heartbeats in a row that could not be delivered after which the other side "+
			"counts as lost. -1: only the timeout counts.", Min(-1), Max(1000))

	JobManagerRPCAddress = String("jobmanager.rpc.address", "",
		"Host of the JobManager, where it is fixed.", NoDefault())

	JobManagerRPCPort = Int("jobmanager.rpc.port", 6123,
		"Port of the JobManager for TaskManagers and clients inside the cluster; 0: any.",
		Min(0), Max(65535))

	JobManagerRPCBindPort = Int("jobmanager.rpc.bind-port", 0,
		"Port that is opened where it differs from jobmanager.rpc.port.", NoDefault(), Min(0),
		Max(65535))

	JobManagerBindHost = String("jobmanager.bind-host", "",
		"Address at which the JobManager listens. Unset: all.", NoDefault())

	TaskManagerHost = String("taskmanager.host", "",
		"Host under which a TaskManager is reached. Unset: found out.", NoDefault())

	TaskManagerBindHost = String("taskmanager.bind-host", "",
		"Address at which a TaskManager listens. Unset: all.", NoDefault())

	TaskManagerRPCPort = String("taskmanager.rpc.port", "0",
		"Port, range or list of them of a TaskManager for the JobManager. 0: any.")

	TaskManagerResourceID = String("taskmanager.resource-id", "",
		"Id of a TaskManager. Unset: made up, or that of its container.", NoDefault())

	TaskManagerRegistrationTimeout = Duration("taskmanager.registration.timeout", 5*time.Minute,
		"Time without a registered JobManager after which a TaskManager ends.",
		Min(int64(time.Millisecond)))

	TaskManagerSlotTimeout = Duration("taskmanager.slot.timeout", 10*time.Second,
		"Time after which a slot is free again that was allotted but not taken up.",
		Min(int64(time.Millisecond)))

	TaskCancellationInterval = Duration("task.cancellation.interval", 30*time.Second,
		"Time between two attempts to interrupt a task that is being cancelled.",
		Min(int64(time.Millisecond)))

	TaskCancellationTimeout = Duration("task.cancellation.timeout", 3*time.Minute,
		"Time after which a TaskManager ends whose task does not react to its cancellation. "+
			"0: never.", Min(0))

	TaskCancellationTimersTimeout = Duration("task.cancellation.timers.timeout",
		7500*time.Millisecond, "Time to wait at cancellation for timers that are just firing.",
		Min(0))

	RPCAskTimeout = Duration("pekko.ask.timeout", 10*time.Second,
		"Time after which a call between processes of the cluster fails.",
		Min(int64(time.Millisecond)), Deprecated("akka.ask.timeout"))

	RPCFrameSize = MemorySize("pekko.framesize", 10485760,
		"Largest message between processes of the cluster.",
		Min(int64(32*Kibibyte)), Max(int64(Gibibyte)), Deprecated("akka.framesize"))

	ClientTimeout = Duration("client.timeout", time.Minute,
		"Time after which a call of the client fails.", Min(int64(time.Millisecond)))

	ClientHeartbeatInterval = Duration("client.heartbeat.interval", 30*time.Second,
		"Time between heartbeats of an attached client.", Min(int64(time.Millisecond)))

	ClientHeartbeatTimeout = Duration("client.heartbeat.timeout", 3*time.Minute,
		"Time without a heartbeat of its attached client after which a job is cancelled.",
		Min(int64(time.Millisecond)))

	TemporaryDirectories = String("io.tmp.dirs", "",
		"Directories for temporary files, separated by \",\", \"|\" or the system's list "+
			"separator. Unset: the system's, or those of the container.", NoDefault(),
		Deprecated("taskmanager.tmp.dirs"))

	ProcessWorkingDirectory = String("process.working-dir", "",
		"Directory for files that a process keeps over a restart.", NoDefault())

	FilesystemDefaultScheme = String("fs.default-scheme", "",
		"File system of paths that name none, for instance hdfs://namenode:8020.", NoDefault())

	FilesystemOverwriteFiles = Bool("fs.overwrite-files", false,
		"Whether file sinks replace existing files.")

	FilesystemOutputAlwaysDirectory = Bool("fs.output.always-create-directory", false,
		"Whether file sinks of parallelism 1 make a directory, too.")

	BlobServerPort = String("blob.server.port", "0",
		"Port, range or list of them of the server for large values. 0: any.")

	BlobOffloadMinSize = MemorySize("blob.offload.minsize", Mebibyte,
		"Size from which values travel by the server for large values instead of in a message.",
		Min(0))

	BlobStorageDirectory = String("blob.storage.directory", "",
		"Local directory for large values. Unset: below the temporary directories.", NoDefault())
)

// Options of log files.
var (
	LogDirectory = String("env.log.dir", "",
		"Directory of log files. Unset: that of the container, or none.", NoDefault())

	LogLevel = Enum("env.log.level", "INFO",
		[]string{"DEBUG", "INFO", "WARN", "ERROR"}, "Least important lines that are "+
			"logged; TRACE is read as DEBUG.", Synonym("TRACE", "DEBUG"),
		Synonym("WARNING", "WARN"))
)

// Options of high availability.
var (
	HighAvailabilityType = Enum("high-availability.type", "NONE",
		[]string{"NONE", "FILESYSTEM", "ZOOKEEPER", "KUBERNETES"},
		"How leadership and job records survive the loss of a JobManager. FILESYSTEM needs "+
			"high-availability.storageDir only; ZOOKEEPER, from files written for Flink, is read "+
			"as FILESYSTEM, and KUBERNETES is refused.", Deprecated("high-availability"))

	HighAvailabilityClusterID = String("high-availability.cluster-id", "/default",
		"Name of the cluster within the high-availability storage.",
		Deprecated("high-availability.zookeeper.path.namespace"))

	HighAvailabilityStorageDirectory = String("high-availability.storageDir", "",
		"Directory for leadership, job records and checkpoint pointers, as a URL.", NoDefault(),
		Deprecated("high-availability.zookeeper.storageDir"))

	HighAvailabilityLease = Duration("high-availability.filesystem.lease", 10*time.Second,
		"How long a leading JobManager may show no sign of life before a standby takes over.",
		Min(int64(time.Second)))

	HighAvailabilityJobManagerPort = String("high-availability.jobmanager.port", "0",
		"Port, range or list of them of the JobManager with high availability on. 0: any.")

	JobResultStorePath = String("job-result-store.storage-path", "",
		"Directory for results of ended jobs. Unset: below high-availability.storageDir.",
		NoDefault())

	JobResultStoreDeleteOnCommit = Bool("job-result-store.delete-on-commit", true,
		"Whether the record of an ended job is deleted once everything about it is cleaned up.")
)
