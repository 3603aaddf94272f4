package message

import "goflink/core/id"

// Overview is the body of /overview. Product is not Flink's: the version of this engine.
type Overview struct {
	TaskManagers   int    `json:"taskmanagers"`
	SlotsTotal     int    `json:"slots-total"`
	SlotsAvailable int    `json:"slots-available"`
	JobsRunning    int    `json:"jobs-running"`
	JobsFinished   int    `json:"jobs-finished"`
	JobsCancelled  int    `json:"jobs-cancelled"`
	JobsFailed     int    `json:"jobs-failed"`
	Version        string `json:"flink-version"`
	Commit         string `json:"flink-commit"`
	Product        string `json:"goflink-version"`
}

// Dashboard is the body of /config. Product is not Flink's.
type Dashboard struct {
	RefreshInterval Millis   `json:"refresh-interval"`
	TimezoneName    string   `json:"timezone-name"`
	TimezoneOffset  Millis   `json:"timezone-offset"`
	Version         string   `json:"flink-version"`
	Revision        string   `json:"flink-revision"`
	Product         string   `json:"goflink-version"`
	Features        Features `json:"features"`
}

// Features says what a dashboard may offer.
type Features struct {
	Submit  bool `json:"web-submit"`
	Cancel  bool `json:"web-cancel"`
	Rescale bool `json:"web-rescale"`
	History bool `json:"web-history"`
}

// Setting is an option of a configuration.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// TaskManagers is the body of /taskmanagers.
type TaskManagers struct {
	TaskManagers []TaskManager `json:"taskmanagers"`
}

// TaskManager describes a worker.
type TaskManager struct {
	ID            id.Worker `json:"id"`
	Path          string    `json:"path"`
	DataPort      int       `json:"dataPort"`
	JMXPort       int       `json:"jmxPort"`
	LastHeartbeat Millis    `json:"timeSinceLastHeartbeat"`
	Slots         int       `json:"slotsNumber"`
	FreeSlots     int       `json:"freeSlots"`
	Total         Resource  `json:"totalResource"`
	Free          Resource  `json:"freeResource"`
	Hardware      Hardware  `json:"hardware"`
	Memory        Memory    `json:"memoryConfiguration"`
}

// Resource is a share of a worker. Sizes are in mebibytes.
type Resource struct {
	CPU      float64            `json:"cpuCores"`
	Heap     int64              `json:"taskHeapMemory"`
	OffHeap  int64              `json:"taskOffHeapMemory"`
	Managed  int64              `json:"managedMemory"`
	Network  int64              `json:"networkMemory"`
	Extended map[string]float64 `json:"extendedResources"`
}

// Hardware is the machine of a worker. Sizes are in bytes.
type Hardware struct {
	CPUs     int   `json:"cpuCores"`
	Physical int64 `json:"physicalMemory"`
	Free     int64 `json:"freeMemory"`
	Managed  int64 `json:"managedMemory"`
}

// Memory says how a worker's memory is divided, in bytes. What exists in a JVM only is 0.
type Memory struct {
	FrameworkHeap    int64 `json:"frameworkHeap"`
	TaskHeap         int64 `json:"taskHeap"`
	FrameworkOffHeap int64 `json:"frameworkOffHeap"`
	TaskOffHeap      int64 `json:"taskOffHeap"`
	Network          int64 `json:"networkMemory"`
	Managed          int64 `json:"managedMemory"`
	Metaspace        int64 `json:"jvmMetaspace"`
	Overhead         int64 `json:"jvmOverhead"`
	TotalFlink       int64 `json:"totalFlinkMemory"`
	TotalProcess     int64 `json:"totalProcessMemory"`
}

// TaskManagerDetails is the body of /taskmanagers/:t.
type TaskManagerDetails struct {
	TaskManager
	Metrics   TaskManagerMetrics `json:"metrics"`
	Allocated []Slot             `json:"allocatedSlots"`
}

// Slot is a slot that was given to a job.
type Slot struct {
	Job      id.Job   `json:"jobId"`
	Resource Resource `json:"resource"`
}

// TaskManagerMetrics are the measured sizes of a worker, in bytes.
type TaskManagerMetrics struct {
	HeapUsed          int64       `json:"heapUsed"`
	HeapCommitted     int64       `json:"heapCommitted"`
	HeapMax           int64       `json:"heapMax"`
	NonHeapUsed       int64       `json:"nonHeapUsed"`
	NonHeapCommitted  int64       `json:"nonHeapCommitted"`
	NonHeapMax        int64       `json:"nonHeapMax"`
	DirectCount       int64       `json:"directCount"`
	DirectUsed        int64       `json:"directUsed"`
	DirectMax         int64       `json:"directMax"`
	MappedCount       int64       `json:"mappedCount"`
	MappedUsed        int64       `json:"mappedUsed"`
	MappedMax         int64       `json:"mappedMax"`
	SegmentsAvailable int64       `json:"nettyShuffleMemorySegmentsAvailable"`
	SegmentsUsed      int64       `json:"nettyShuffleMemorySegmentsUsed"`
	SegmentsTotal     int64       `json:"nettyShuffleMemorySegmentsTotal"`
	ShuffleAvailable  int64       `json:"nettyShuffleMemoryAvailable"`
	ShuffleUsed       int64       `json:"nettyShuffleMemoryUsed"`
	ShuffleTotal      int64       `json:"nettyShuffleMemoryTotal"`
	Collectors        []Collector `json:"garbageCollectors"`
}

// Collector says how often a garbage collector ran, and for how long altogether.
type Collector struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
	Time  Millis `json:"time"`
}

// Logs is the body of the lists of log files.
type Logs struct {
	Logs []Log `json:"logs"`
}

// Log is a log file; Size is in bytes.
type Log struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Modified Millis `json:"mtime"`
}

// Metric is a metric with its value, a string as Flink writes it; without one it is a name in a
// list of those that there are.
type Metric struct {
	ID    string `json:"id"`
	Value string `json:"value,omitempty"`
}

// Aggregate is a metric over several jobs; what was not asked for is missing.
type Aggregate struct {
	ID   string   `json:"id"`
	Min  *float64 `json:"min,omitempty"`
	Max  *float64 `json:"max,omitempty"`
	Avg  *float64 `json:"avg,omitempty"`
	Sum  *float64 `json:"sum,omitempty"`
	Skew *float64 `json:"skew,omitempty"`
}
