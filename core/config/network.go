package config

import "time"

// Options of the exchange of records between tasks.
var (
	NetworkBuffersPerChannel = Int("taskmanager.network.memory.buffers-per-channel", 2,
		"Network buffers that belong to each channel alone.", Min(0), Max(1024))

	NetworkFloatingBuffersPerGate = Int("taskmanager.network.memory.floating-buffers-per-gate",
		8, "Network buffers that the channels of one gate share.", Min(0), Max(65536))

	NetworkMaxBuffersPerChannel = Int("taskmanager.network.memory.max-buffers-per-channel", 10,
		"Most filled buffers that wait in one outgoing channel before its task is held back.",
		Min(1), Max(65536))

	NetworkMaxOverdraftBuffers = Int(
		"taskmanager.network.memory.max-overdraft-buffers-per-gate", 5,
		"Buffers beyond its share that a task may take to end what it cannot interrupt, such as "+
			"a large record.", Min(0), Max(65536))

	NetworkForceRemoteExchange = Bool("taskmanager.network.force-remote-exchange", false,
		"Whether tasks of one process exchange records through serialisation and the network, "+
			"as if they were apart. For tests and measurements.")

	NetworkRequestBackoffInitial = Duration("taskmanager.network.request-backoff.initial",
		100*time.Millisecond, "First wait before a partition that was not found is asked for "+
			"again.", Min(0))

	NetworkRequestBackoffMax = Duration("taskmanager.network.request-backoff.max",
		10*time.Second, "Longest wait before a partition that was not found is asked for again; "+
			"beyond it the task fails.", Min(0))

	NetworkMaxConnections = Int("taskmanager.network.max-num-tcp-connections", 1,
		"Connections between two TaskManagers.", Min(1), Max(64))

	NetworkRetries = Int("taskmanager.network.retries", 0,
		"Further attempts to connect to another TaskManager.", Min(0), Max(1000))

	NetworkBatchCompression = Bool("taskmanager.network.batch-shuffle.compression.enabled", true,
		"Whether records that wait in files between the stages of a batch job are compressed.",
		Deprecated("taskmanager.network.blocking-shuffle.compression.enabled"))

	NetworkDetailedMetrics = Bool("taskmanager.network.detailed-metrics", false,
		"Whether queue lengths are measured per channel.")

	NetworkDebloatEnabled = Bool("taskmanager.network.memory.buffer-debloat.enabled", false,
		"Whether the bytes that wait in front of a task are limited to what it processes in "+
			"taskmanager.network.memory.buffer-debloat.target.")

	NetworkDebloatTarget = Duration("taskmanager.network.memory.buffer-debloat.target",
		time.Second, "Time within which waiting bytes shall be processed.", Min(1))

	NetworkDebloatPeriod = Duration("taskmanager.network.memory.buffer-debloat.period",
		200*time.Millisecond, "Time between two adjustments.", Min(int64(time.Millisecond)))

	NetworkDebloatSamples = Int("taskmanager.network.memory.buffer-debloat.samples", 20,
		"Number of latest throughput values that an adjustment looks at.", Min(1), Max(10000))

	NetworkDebloatThreshold = Int(
		"taskmanager.network.memory.buffer-debloat.threshold-percentages", 25,
		"Change in percent below which no adjustment is made.", Min(0), Max(100))

	TaskManagerDataPort = String("taskmanager.data.port", "0",
		"Port, range or list of them at which a TaskManager serves records to others. 0: any.")

	TaskManagerDataBindPort = String("taskmanager.data.bind-port", "",
		"Port that is opened where it differs from taskmanager.data.port.", NoDefault())
)
