package memory

import (
	"fmt"

	"goflink/core/config"
)

// JobManagerMemory is the memory of the JobManager's process and its parts, in bytes.
type JobManagerMemory struct {
	Process config.Memory // the whole process, which is the size of its container
	Flink   config.Memory // the engine: the process without metaspace and overhead

	Heap    config.Memory
	OffHeap config.Memory // on the Go heap here

	Metaspace config.Memory // accounted as in Flink, left to the Go heap
	Overhead  config.Memory // of the process outside the Go memory limit

	// GoLimit is the memory limit for the Go runtime (GOMEMLIMIT).
	GoLimit config.Memory
}

var jobManagerKeys = outerKeys{
	process: config.JobManagerMemoryProcess, flink: config.JobManagerMemoryFlink,
	metaspace: config.JobManagerMemoryMetaspace,
	overhead: rangeKeys{
		min: config.JobManagerMemoryOverheadMin, max: config.JobManagerMemoryOverheadMax,
		fraction: config.JobManagerMemoryOverheadFraction,
	},
}

// JobManager computes the memory of the JobManager. Without any memory option the process has
// the default of jobmanager.memory.process.size.
func JobManager(c *config.Configuration) (JobManagerMemory, error) {
	k := &calc{c: c}
	m := JobManagerMemory{OffHeap: get(k, config.JobManagerMemoryOffHeap)}
	var o outer
	switch {
	case config.IsSet(c, config.JobManagerMemoryHeap):
		k.jobManagerFromHeap(&m)
		o = k.processFromEngine(jobManagerKeys, m.Flink)
	case config.IsSet(c, config.JobManagerMemoryFlink):
		m.Flink = get(k, config.JobManagerMemoryFlink)
		k.jobManagerHeap(&m, k.show(config.JobManagerMemoryFlink))
		o = k.processFromEngine(jobManagerKeys, m.Flink)
	default:
		o = k.engineFromProcess(jobManagerKeys)
		m.Flink = o.flink
		k.jobManagerHeap(&m, fmt.Sprintf("engine memory %v of %s", m.Flink,
			k.show(config.JobManagerMemoryProcess)))
	}
	if k.err != nil {
		return JobManagerMemory{}, k.err
	}
	m.Process, m.Metaspace, m.Overhead = o.process, o.metaspace, o.overhead
	m.GoLimit = m.Process - m.Overhead
	return m, nil
}

// jobManagerFromHeap adds up the engine where the heap is set. With flink.size set as well,
// off-heap is the rest, which must agree with what is set for it.
func (k *calc) jobManagerFromHeap(m *JobManagerMemory) {
	m.Heap = get(k, config.JobManagerMemoryHeap)
	flink, set, err := config.Lookup(k.c, config.JobManagerMemoryFlink)
	if err != nil {
		k.fail(err)
	}
	if k.err != nil {
		return
	}
	if !set {
		m.Flink = sum(m.Heap, m.OffHeap)
		return
	}
	m.Flink = flink
	if m.Heap > flink {
		k.fail(fmt.Errorf("memory: %s is less than %s; increase it or leave it unset",
			k.show(config.JobManagerMemoryFlink), k.show(config.JobManagerMemoryHeap)))
		return
	}
	rest := flink - m.Heap
	if config.IsSet(k.c, config.JobManagerMemoryOffHeap) && rest != m.OffHeap {
		k.fail(fmt.Errorf("memory: %s is not the sum of %s; leave one of them unset",
			k.show(config.JobManagerMemoryFlink),
			k.showAll(config.JobManagerMemoryHeap, config.JobManagerMemoryOffHeap)))
	}
	m.OffHeap = rest
}

// jobManagerHeap gives the heap what off-heap leaves of the engine.
func (k *calc) jobManagerHeap(m *JobManagerMemory, whole string) {
	if k.err != nil {
		return
	}
	if m.OffHeap >= m.Flink {
		k.fail(fmt.Errorf("memory: %s leaves no heap after %s; increase it", whole,
			k.show(config.JobManagerMemoryOffHeap)))
		return
	}
	m.Heap = m.Flink - m.OffHeap
}

// Freeze returns the options that make every process compute exactly this memory.
func (m JobManagerMemory) Freeze() (*config.Configuration, error) {
	f := freezer{c: config.New()}
	f.put(config.JobManagerMemoryHeap, m.Heap)
	f.put(config.JobManagerMemoryOffHeap, m.OffHeap)
	f.put(config.JobManagerMemoryFlink, m.Flink)
	f.put(config.JobManagerMemoryMetaspace, m.Metaspace)
	f.put(config.JobManagerMemoryOverheadMin, m.Overhead)
	f.put(config.JobManagerMemoryOverheadMax, m.Overhead)
	f.put(config.JobManagerMemoryProcess, m.Process)
	return f.c, f.err
}
