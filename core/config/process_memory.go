package config

// jvmPart explains options about parts of a process that only a JVM has.
const jvmPart = " Go has no such area: the size is accounted as Flink does, so that managed and " +
	"network memory come out equal, and then used by the Go heap."

// Options of a TaskManager's memory. Package memory computes the parts from them.
var (
	TaskManagerMemoryProcess = MemorySize("taskmanager.memory.process.size", 1728*Mebibyte,
		"All memory of a TaskManager's process, which is the size of its container. The default "+
			"applies where neither this, nor taskmanager.memory.flink.size, nor task heap and "+
			"managed memory are set.", Min(1),
		Deprecated("taskmanager.heap.size"), DeprecatedMebibytes("taskmanager.heap.mb"))

	TaskManagerMemoryFlink = MemorySize("taskmanager.memory.flink.size", 0,
		"Memory of a TaskManager without metaspace and overhead.", NoDefault(), Min(1))

	TaskManagerMemoryFrameworkHeap = MemorySize("taskmanager.memory.framework.heap.size",
		128*Mebibyte, "Heap of the engine itself; not counted to slots.", Min(0))

	TaskManagerMemoryFrameworkOffHeap = MemorySize("taskmanager.memory.framework.off-heap.size",
		128*Mebibyte, "Memory of the engine itself outside the heap; not counted to slots.",
		Min(0))

	TaskManagerMemoryBatchShuffle = MemorySize(
		"taskmanager.memory.framework.off-heap.batch-shuffle.size", 64*Mebibyte,
		"Largest part of the framework's off-heap memory for reading blocking shuffles.", Min(0))

	TaskManagerMemoryTaskHeap = MemorySize("taskmanager.memory.task.heap.size", 0,
		"Heap for user code and operators. Unset: what the other parts leave.",
		NoDefault(), Min(0))

	TaskManagerMemoryTaskOffHeap = MemorySize("taskmanager.memory.task.off-heap.size", 0,
		"Memory that user code takes from the operating system by itself; it is outside the Go "+
			"memory limit.", Min(0))

	TaskManagerMemoryManaged = MemorySize("taskmanager.memory.managed.size", 0,
		"Memory for state, sorting, hash tables and caches, divided among the slots. Unset: "+
			"taskmanager.memory.managed.fraction.", NoDefault(), Min(0),
		Deprecated("taskmanager.memory.size"))

	TaskManagerMemoryManagedFraction = Float("taskmanager.memory.managed.fraction", 0.4,
		"Managed memory as a share of taskmanager.memory.flink.size.", Between(0, 1))

	TaskManagerMemoryManagedWeights = Map("taskmanager.memory.managed.consumer-weights",
		map[string]string{"OPERATOR": "70", "STATE_BACKEND": "70", "PYTHON": "30"},
		"How a slot's managed memory is divided among kinds of consumers that are present in it. "+
			"PYTHON is accepted and unused.")

	TaskManagerMemoryNetworkMin = MemorySize("taskmanager.memory.network.min", 64*Mebibyte,
		"Least network memory.", Min(0), Deprecated("taskmanager.network.memory.min"))

	TaskManagerMemoryNetworkMax = MemorySize("taskmanager.memory.network.max", Gibibyte,
		"Most network memory.", Min(0), Deprecated("taskmanager.network.memory.max"))

	TaskManagerMemoryNetworkFraction = Float("taskmanager.memory.network.fraction", 0.1,
		"Network memory as a share of taskmanager.memory.flink.size, before min and max.",
		Between(0, 1), Deprecated("taskmanager.network.memory.fraction"))

	TaskManagerMemorySegment = MemorySize("taskmanager.memory.segment-size", 32*Kibibyte,
		"Size of one network buffer.", Min(int64(4*Kibibyte)), Max(int64(16*Mebibyte)))

	TaskManagerMemoryMinSegment = MemorySize("taskmanager.memory.min-segment-size", 256,
		"Smallest part of a network buffer that debloating leaves in use.",
		Min(int64(Byte)), Max(int64(16*Mebibyte)))

	TaskManagerMemoryMetaspace = MemorySize("taskmanager.memory.jvm-metaspace.size",
		256*Mebibyte, "Metaspace of a JVM."+jvmPart, Min(0))

	TaskManagerMemoryOverheadMin = MemorySize("taskmanager.memory.jvm-overhead.min",
		192*Mebibyte, "Least overhead: memory of the process outside the Go memory limit, "+
			"such as the program text and the kernel's tables.", Min(0))

	TaskManagerMemoryOverheadMax = MemorySize("taskmanager.memory.jvm-overhead.max", Gibibyte,
		"Most overhead.", Min(0))

	TaskManagerMemoryOverheadFraction = Float("taskmanager.memory.jvm-overhead.fraction", 0.1,
		"Overhead as a share of taskmanager.memory.process.size, before min and max.",
		Between(0, 1))
)

// Options of a JobManager's memory. Package memory computes the parts from them.
var (
	JobManagerMemoryProcess = MemorySize("jobmanager.memory.process.size", 1600*Mebibyte,
		"All memory of the JobManager's process, which is the size of its container. The default "+
			"applies where neither this, nor jobmanager.memory.flink.size, nor "+
			"jobmanager.memory.heap.size is set.", Min(1),
		Deprecated("jobmanager.heap.size"), DeprecatedMebibytes("jobmanager.heap.mb"))

	JobManagerMemoryFlink = MemorySize("jobmanager.memory.flink.size", 0,
		"Memory of the JobManager without metaspace and overhead.", NoDefault(), Min(1))

	JobManagerMemoryHeap = MemorySize("jobmanager.memory.heap.size", 0,
		"Heap of the JobManager. Unset: what the other parts leave.", NoDefault(), Min(0))

	JobManagerMemoryOffHeap = MemorySize("jobmanager.memory.off-heap.size", 128*Mebibyte,
		"Memory of the JobManager outside the heap, which belongs to the Go heap here.", Min(0))

	JobManagerMemoryMetaspace = MemorySize("jobmanager.memory.jvm-metaspace.size", 256*Mebibyte,
		"Metaspace of a JVM."+jvmPart, Min(0))

	JobManagerMemoryOverheadMin = MemorySize("jobmanager.memory.jvm-overhead.min", 192*Mebibyte,
		"Least overhead: memory of the process outside the Go memory limit.", Min(0))

	JobManagerMemoryOverheadMax = MemorySize("jobmanager.memory.jvm-overhead.max", Gibibyte,
		"Most overhead.", Min(0))

	JobManagerMemoryOverheadFraction = Float("jobmanager.memory.jvm-overhead.fraction", 0.1,
		"Overhead as a share of jobmanager.memory.process.size, before min and max.",
		Between(0, 1))
)
