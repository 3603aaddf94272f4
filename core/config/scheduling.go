package config

import (
	"math"
	"time"
)

// SchedulingStrategyKind names the order in which the tasks of a job are started.
type SchedulingStrategyKind string

// The scheduling strategies.
const (
	ScheduleEager           SchedulingStrategyKind = "eager"
	SchedulePipelinedRegion SchedulingStrategyKind = "pipelined-region"
	ScheduleLazy            SchedulingStrategyKind = "lazy-from-sources"
	ScheduleLazyBatchSlots  SchedulingStrategyKind = "lazy-from-sources-with-batch-slot-request"
)

// maxSlots bounds numbers of slots and workers.
const maxSlots = 1 << 20

// Options of scheduling and slots.
var (
	JobManagerScheduler = Enum("jobmanager.scheduler", "default",
		[]string{"default", "adaptive", "adaptive-batch"},
		"The scheduler. legacy and ng are other names of default.",
		Synonym("legacy", "default"), Synonym("ng", "default"),
		Synonym("adaptivebatch", "adaptive-batch"))

	SchedulingStrategy = Enum("jobmanager.scheduler.scheduling-strategy",
		SchedulePipelinedRegion, []SchedulingStrategyKind{ScheduleEager, SchedulePipelinedRegion,
			ScheduleLazy, ScheduleLazyBatchSlots},
		"What is started at a time: all tasks, each pipelined region when its inputs are "+
			"complete, or stage by stage from the sources.",
		Synonym("region", "pipelined-region"), Synonym("legacy", "eager"))

	MiniClusterNumberOfTaskManagers = Int("minicluster.number-of-taskmanagers", 1,
		"Number of TaskManagers of an embedded cluster.", Min(1), Max(1000),
		Deprecated("local.number-taskmanager"))

	TaskManagerNumberOfTaskSlots = Int("taskmanager.numberOfTaskSlots", 1,
		"Slots of one TaskManager. Each gets an equal share of its managed memory; a good number "+
			"is that of its CPU cores.", Min(1), Max(65536))

	TaskManagerCPUCores = Float("taskmanager.cpu.cores", 0,
		"CPU cores of one TaskManager. Unset: one per slot.", NoDefault(), Between(0, 65536))

	SlotRequestTimeout = Duration("slot.request.timeout", 5*time.Minute,
		"Time after which a job whose request for a slot was not met fails.",
		Min(int64(time.Millisecond)))

	SlotIdleTimeout = Duration("slot.idle.timeout", 50*time.Second,
		"Time after which a job gives an unused slot back.", Min(0))

	ClusterEvenlySpreadOutSlots = Bool("cluster.evenly-spread-out-slots", false,
		"Whether slots are taken from the TaskManager with the most free ones, so that load is "+
			"spread.")

	TaskManagerLoadBalanceMode = Enum("taskmanager.load-balance.mode", "NONE",
		[]string{"NONE", "SLOTS", "TASKS"}, "What is spread over TaskManagers: nothing, slots or "+
			"tasks.")

	SlotManagerMinSlots = Int("slotmanager.number-of-slots.min", 0,
		"Slots for which workers are kept even without a job.", Min(0), Max(maxSlots))

	SlotManagerMaxSlots = Int("slotmanager.number-of-slots.max", math.MaxInt32,
		"Most slots of the cluster.", Min(1), Max(math.MaxInt32))

	SlotManagerMinCPU = Float("slotmanager.min-total-resource.cpu", 0,
		"CPU cores for which workers are kept even without a job.", NoDefault(),
		Between(0, maxSlots))

	SlotManagerMinMemory = MemorySize("slotmanager.min-total-resource.memory", 0,
		"Memory for which workers are kept even without a job.", NoDefault(), Min(0))

	SlotManagerMaxCPU = Float("slotmanager.max-total-resource.cpu", 0,
		"Most CPU cores of all workers.", NoDefault(), Between(0, maxSlots))

	SlotManagerMaxMemory = MemorySize("slotmanager.max-total-resource.memory", 0,
		"Most memory of all workers.", NoDefault(), Min(0))

	SlotManagerRedundantWorkers = Int("slotmanager.redundant-taskmanager-num", 0,
		"Workers that are kept ready beyond need, to replace lost ones at once.",
		Min(0), Max(maxSlots))

	SlotManagerRequirementCheckDelay = Duration("slotmanager.requirement-check.delay",
		50*time.Millisecond, "Time in which changes of need are gathered before they are acted "+
			"upon.")

	SlotManagerDeclareDelay = Duration("slotmanager.declare-needed-resource.delay",
		50*time.Millisecond, "Time in which changes of needed workers are gathered before the "+
			"resource manager's driver is told.")

	ResourceManagerWorkerTimeout = Duration("resourcemanager.taskmanager-timeout",
		30*time.Second, "Time after which an idle worker is released.",
		Deprecated("slotmanager.taskmanager-timeout"))

	ResourceManagerRegistrationTimeout = Duration(
		"resourcemanager.taskmanager-registration.timeout", 5*time.Minute,
		"Time within which a started worker must register.")

	ResourceManagerPreviousWorkerTimeout = Duration(
		"resourcemanager.previous-worker.recovery.timeout", 30*time.Second,
		"Time to wait after a failover of the JobManager for the workers of the former one, "+
			"before new ones are asked for in their place.", Min(0))

	ResourceManagerMaxFailureRate = Float(
		"resourcemanager.start-worker.max-failure-rate", 10,
		"Failed starts of workers per minute beyond which new ones are delayed.",
		Between(0, 1e6))

	ResourceManagerRetryInterval = Duration("resourcemanager.start-worker.retry-interval",
		3*time.Second, "The delay of further starts once "+
			"resourcemanager.start-worker.max-failure-rate is exceeded.")

	ResourceManagerJobTimeout = Duration("resourcemanager.job.timeout", 5*time.Minute,
		"Time after which a job whose JobMaster was lost is removed.")
)
