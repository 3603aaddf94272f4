package memory

import (
	"fmt"

	"goflink/core/config"
)

// TaskManagerMemory is the memory of a TaskManager's process and its parts, in bytes.
type TaskManagerMemory struct {
	Process config.Memory // the whole process, which is the size of its container
	Flink   config.Memory // the engine: the process without metaspace and overhead

	FrameworkHeap    config.Memory // the engine itself; not counted to slots
	FrameworkOffHeap config.Memory // likewise, outside a JVM's heap
	TaskHeap         config.Memory // user code and operators
	TaskOffHeap      config.Memory // what user code takes from the operating system by itself
	Network          config.Memory // network buffers
	Managed          config.Memory // state, sorting, hash tables and caches

	Metaspace config.Memory // accounted as in Flink, left to the Go heap
	Overhead  config.Memory // of the process outside the Go memory limit

	Segment config.Memory // size of one network buffer
	Slots   int           // at least 1

	// GoLimit is the memory limit for the Go runtime (GOMEMLIMIT) of a process without cgo.
	GoLimit config.Memory
}

// Slot is the share of one slot: memory only, a CPU is not divided.
type Slot struct {
	TaskHeap, TaskOffHeap, Network, Managed config.Memory
}

var taskManagerKeys = outerKeys{
	process: config.TaskManagerMemoryProcess, flink: config.TaskManagerMemoryFlink,
	metaspace: config.TaskManagerMemoryMetaspace,
	overhead: rangeKeys{
		min: config.TaskManagerMemoryOverheadMin, max: config.TaskManagerMemoryOverheadMax,
		fraction: config.TaskManagerMemoryOverheadFraction,
	},
}

var networkKeys = rangeKeys{
	min: config.TaskManagerMemoryNetworkMin, max: config.TaskManagerMemoryNetworkMax,
	fraction: config.TaskManagerMemoryNetworkFraction,
}

// TaskManager computes the memory of a TaskManager. Without any memory option the process has
// the default of taskmanager.memory.process.size.
func TaskManager(c *config.Configuration) (TaskManagerMemory, error) {
	k := &calc{c: c}
	m := TaskManagerMemory{
		FrameworkHeap:    get(k, config.TaskManagerMemoryFrameworkHeap),
		FrameworkOffHeap: get(k, config.TaskManagerMemoryFrameworkOffHeap),
		TaskOffHeap:      get(k, config.TaskManagerMemoryTaskOffHeap),
		Segment:          get(k, config.TaskManagerMemorySegment),
		Slots:            get(k, config.TaskManagerNumberOfTaskSlots),
	}
	var o outer
	switch {
	case config.IsSet(c, config.TaskManagerMemoryTaskHeap) &&
		config.IsSet(c, config.TaskManagerMemoryManaged):
		k.fromParts(&m)
		o = k.processFromEngine(taskManagerKeys, m.Flink)
	case config.IsSet(c, config.TaskManagerMemoryFlink):
		m.Flink = get(k, config.TaskManagerMemoryFlink)
		k.divideEngine(&m, k.show(config.TaskManagerMemoryFlink))
		o = k.processFromEngine(taskManagerKeys, m.Flink)
	default:
		o = k.engineFromProcess(taskManagerKeys)
		m.Flink = o.flink
		k.divideEngine(&m, fmt.Sprintf("engine memory %v of %s", m.Flink,
			k.show(config.TaskManagerMemoryProcess)))
	}
	m.Process, m.Metaspace, m.Overhead = o.process, o.metaspace, o.overhead
	k.checkSegment(&m)
	k.setGoLimit(&m)
	if k.err != nil {
		return TaskManagerMemory{}, k.err
	}
	return m, nil
}

// fromParts adds up the engine where task heap and managed memory are set.
func (k *calc) fromParts(m *TaskManagerMemory) {
	m.TaskHeap = get(k, config.TaskManagerMemoryTaskHeap)
	m.Managed = get(k, config.TaskManagerMemoryManaged)
	network := k.span(networkKeys)
	if k.err != nil {
		return
	}
	others := sum(m.FrameworkHeap, m.FrameworkOffHeap, m.TaskHeap, m.TaskOffHeap, m.Managed)
	if config.IsSet(k.c, config.TaskManagerMemoryFlink) {
		m.Flink = get(k, config.TaskManagerMemoryFlink)
		k.networkFromRest(m, network, others, k.show(config.TaskManagerMemoryFlink))
		return
	}
	var err error
	if m.Network, err = network.beside(others); err != nil {
		k.fail(err)
	}
	m.Flink = sum(others, m.Network)
}

// divideEngine divides the engine memory; whole names it for errors.
func (k *calc) divideEngine(m *TaskManagerMemory, whole string) {
	network := k.span(networkKeys)
	managed, managedSet, err := config.Lookup(k.c, config.TaskManagerMemoryManaged)
	if err != nil {
		k.fail(err)
	}
	fraction := get(k, config.TaskManagerMemoryManagedFraction)
	taskHeap, heapSet, err := config.Lookup(k.c, config.TaskManagerMemoryTaskHeap)
	if err != nil {
		k.fail(err)
	}
	if k.err != nil {
		return
	}
	m.Managed = managed
	if !managedSet {
		m.Managed = multiply(m.Flink, fraction)
	}
	if heapSet {
		m.TaskHeap = taskHeap
		others := sum(m.FrameworkHeap, m.FrameworkOffHeap, m.TaskHeap, m.TaskOffHeap, m.Managed)
		k.networkFromRest(m, network, others, whole)
		return
	}
	m.Network = network.of(m.Flink)
	others := sum(m.FrameworkHeap, m.FrameworkOffHeap, m.TaskOffHeap, m.Managed, m.Network)
	if others > m.Flink {
		k.fail(fmt.Errorf("memory: %s is less than its parts, %v: %s, managed %v (%s), network %v "+
			"(%s, %s)", whole, others, k.showAll(config.TaskManagerMemoryFrameworkHeap,
			config.TaskManagerMemoryFrameworkOffHeap, config.TaskManagerMemoryTaskOffHeap),
			m.Managed, k.managedKey(), m.Network, networkKeys.min.Key, networkKeys.fraction.Key))
		return
	}
	m.TaskHeap = m.Flink - others
}

// networkFromRest gives the network what the other parts of the engine leave.
func (k *calc) networkFromRest(m *TaskManagerMemory, s span, others config.Memory, whole string) {
	if others > m.Flink {
		k.fail(fmt.Errorf("memory: %s is less than its parts without network memory, %v: %s, "+
			"managed %v (%s)", whole, others, k.showAll(config.TaskManagerMemoryFrameworkHeap,
			config.TaskManagerMemoryFrameworkOffHeap, config.TaskManagerMemoryTaskHeap,
			config.TaskManagerMemoryTaskOffHeap), m.Managed, k.managedKey()))
		return
	}
	m.Network = m.Flink - others
	if !s.contains(m.Network) {
		k.fail(fmt.Errorf("memory: %s with %s and managed %v (%s) leaves %v for the network, "+
			"which is outside %s and %s; change one of these sizes", whole,
			k.show(config.TaskManagerMemoryTaskHeap), m.Managed, k.managedKey(), m.Network,
			k.show(s.keys.min), k.show(s.keys.max)))
	}
}

// managedKey names the option that managed memory comes from.
func (k *calc) managedKey() string {
	if config.IsSet(k.c, config.TaskManagerMemoryManaged) {
		return config.TaskManagerMemoryManaged.Key
	}
	return config.TaskManagerMemoryManagedFraction.Key
}

// checkSegment checks that network memory is made of segments.
func (k *calc) checkSegment(m *TaskManagerMemory) {
	if k.err != nil {
		return
	}
	if m.Segment&(m.Segment-1) != 0 {
		k.fail(fmt.Errorf("memory: %s is not a power of two; use for instance 32kb",
			k.show(config.TaskManagerMemorySegment)))
	}
	if m.Network < m.Segment {
		k.fail(fmt.Errorf("memory: network memory %v (%s, %s) does not hold a single buffer: %s",
			m.Network, networkKeys.max.Key, networkKeys.fraction.Key,
			k.show(config.TaskManagerMemorySegment)))
	}
}

// setGoLimit computes the limit of the Go runtime.
func (k *calc) setGoLimit(m *TaskManagerMemory) {
	if k.err != nil {
		return
	}
	if m.GoLimit = m.Process - m.Overhead - m.TaskOffHeap; m.GoLimit <= m.Network {
		k.fail(fmt.Errorf("memory: process %v less overhead %v and %s leaves no room for the Go "+
			"heap beside network memory %v; increase the other parts", m.Process, m.Overhead,
			k.show(config.TaskManagerMemoryTaskOffHeap), m.Network))
	}
}

// Slot returns the share of one slot.
func (m TaskManagerMemory) Slot() Slot {
	n := config.Memory(max(m.Slots, 1))
	return Slot{
		TaskHeap: m.TaskHeap / n, TaskOffHeap: m.TaskOffHeap / n,
		Network: m.Network / n, Managed: m.Managed / n,
	}
}

// NetworkBuffers returns the number of network buffers.
func (m TaskManagerMemory) NetworkBuffers() int {
	if m.Segment <= 0 {
		return 0
	}
	return int(m.Network / m.Segment)
}

// Freeze returns the options that make every process compute exactly this memory, whatever its
// own configuration says: what starts a TaskManager hands them to it.
func (m TaskManagerMemory) Freeze() (*config.Configuration, error) {
	f := freezer{c: config.New()}
	f.put(config.TaskManagerMemoryFrameworkHeap, m.FrameworkHeap)
	f.put(config.TaskManagerMemoryFrameworkOffHeap, m.FrameworkOffHeap)
	f.put(config.TaskManagerMemoryTaskHeap, m.TaskHeap)
	f.put(config.TaskManagerMemoryTaskOffHeap, m.TaskOffHeap)
	f.put(config.TaskManagerMemoryManaged, m.Managed)
	f.put(config.TaskManagerMemoryNetworkMin, m.Network)
	f.put(config.TaskManagerMemoryNetworkMax, m.Network)
	f.put(config.TaskManagerMemoryMetaspace, m.Metaspace)
	f.put(config.TaskManagerMemoryOverheadMin, m.Overhead)
	f.put(config.TaskManagerMemoryOverheadMax, m.Overhead)
	f.put(config.TaskManagerMemoryFlink, m.Flink)
	f.put(config.TaskManagerMemoryProcess, m.Process)
	f.put(config.TaskManagerMemorySegment, m.Segment)
	if f.err == nil {
		f.err = config.Put(f.c, config.TaskManagerNumberOfTaskSlots, m.Slots, OriginDerived)
	}
	return f.c, f.err
}

// freezer sets options and keeps the first error.
type freezer struct {
	c   *config.Configuration
	err error
}

func (f *freezer) put(o config.Option[config.Memory], m config.Memory) {
	if f.err == nil {
		f.err = config.Put(f.c, o, m, OriginDerived)
	}
}
