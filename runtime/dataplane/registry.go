package dataplane

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"goflink/core/id"
)

// RegistryOptions describes a registry.
type RegistryOptions struct {
	// PartitionTimeout is how long a consumer waits for a partition that is not there yet
	// (taskmanager.network.request-backoff.max); 10 s.
	PartitionTimeout time.Duration
	// MaxWaiting bounds the consumers that wait at one time; 65536.
	MaxWaiting int
	// After calls f once after d, unless stop was called before; time.AfterFunc if nil.
	After func(d time.Duration, f func()) (stop func())
}

func (o *RegistryOptions) ensureDefaults() {
	if o.PartitionTimeout <= 0 {
		o.PartitionTimeout = 10 * time.Second
	}
	setDefault(&o.MaxWaiting, 1<<16)
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		}
	}
}

// Registry knows the partitions of a process and brings consumers to them. A consumer may come
// before the producer. It is safe for concurrent use.
type Registry struct {
	opts RegistryOptions
	mu   struct {
		sync.Mutex
		partitions map[id.Partition]*Partition
		waiting    map[id.Partition][]*request
		requests   int
		// added numbers partitions and requests, so that they fail in the order in which they came.
		added  uint64
		closed error
	}
}

// consumer is who asks for a channel of a partition.
type consumer interface {
	reader
	// bind hands over the queue before it is attached. It returns false if the consumer has left.
	bind(channel int, q *queue) bool
}

// request is a consumer that asked for a channel of a partition.
type request struct {
	partition id.Partition
	index     int
	consumer  consumer
	channel   int
	number    uint64
	stop      func()
}

// NewRegistry returns an empty registry.
func NewRegistry(o RegistryOptions) *Registry {
	o.ensureDefaults()
	r := &Registry{opts: o}
	r.mu.partitions = map[id.Partition]*Partition{}
	r.mu.waiting = map[id.Partition][]*request{}
	return r
}

// Add makes p known until it is released. Consumers that wait for it are connected.
func (r *Registry) Add(p *Partition) error {
	r.mu.Lock()
	if err := r.mu.closed; err != nil {
		r.mu.Unlock()
		return fmt.Errorf("partition %s: %w", p.id, err)
	}
	if r.mu.partitions[p.id] != nil {
		r.mu.Unlock()
		return fmt.Errorf("partition %s exists already", p.id)
	}
	r.mu.partitions[p.id] = p
	r.mu.added++
	p.number = r.mu.added
	remove := func() { r.remove(p) }
	p.onRelease.Store(&remove)
	waiting := r.mu.waiting[p.id]
	delete(r.mu.waiting, p.id)
	r.mu.requests -= len(waiting)
	r.mu.Unlock()
	if p.Released() { // before the callback was set
		r.remove(p)
	}
	for _, q := range waiting {
		q.stop()
		q.connect(p)
	}
	return nil
}

func (r *Registry) remove(p *Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.partitions[p.id] == p {
		delete(r.mu.partitions, p.id)
	}
}

// Partition returns a partition that was added and is not released, or nil.
func (r *Registry) Partition(p id.Partition) *Partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.partitions[p]
}

// Len is the number of partitions.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.mu.partitions)
}

// connect brings c to channel index of a partition, at once or when the partition appears. What
// goes wrong is told to c. The request that it returns, if not nil, can be withdrawn.
func (r *Registry) connect(partition id.Partition, index int, c consumer, channel int) *request {
	q := &request{partition: partition, index: index, consumer: c, channel: channel}
	r.mu.Lock()
	p, err := r.mu.partitions[partition], r.mu.closed
	if p == nil && err == nil && r.mu.requests >= r.opts.MaxWaiting {
		err = fmt.Errorf("%w: %s: %d consumers wait for partitions, which is the limit",
			ErrPartitionNotFound, partition, r.mu.requests)
	}
	if p != nil || err != nil {
		r.mu.Unlock()
		if err != nil {
			c.failed(channel, err)
		} else {
			q.connect(p)
		}
		return nil
	}
	r.mu.waiting[partition] = append(r.mu.waiting[partition], q)
	r.mu.requests++
	r.mu.added++
	q.number = r.mu.added
	q.stop = r.opts.After(r.opts.PartitionTimeout, func() { r.expire(q) })
	r.mu.Unlock()
	return q
}

func (q *request) connect(p *Partition) {
	if q.index < 0 || q.index >= len(p.queues) {
		q.consumer.failed(q.channel,
			fmt.Errorf("partition %s has %d channels, channel %d was asked for",
				p.id, len(p.queues), q.index))
		return
	}
	queue := &p.queues[q.index]
	if !q.consumer.bind(q.channel, queue) {
		queue.detach()
		return
	}
	if err := queue.attach(q.consumer, q.channel); err != nil {
		q.consumer.failed(q.channel, err)
	}
}

func (r *Registry) expire(q *request) {
	if r.withdraw(q) {
		q.consumer.failed(q.channel, fmt.Errorf("%w: %s did not appear within %s "+
			"(taskmanager.network.request-backoff.max)",
			ErrPartitionNotFound, q.partition, r.opts.PartitionTimeout))
	}
}

// withdraw forgets a request; it returns false if the request was answered before.
func (r *Registry) withdraw(q *request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.mu.waiting[q.partition]
	for i, w := range waiting {
		if w == q {
			q.stop()
			r.mu.requests--
			if len(waiting) == 1 {
				delete(r.mu.waiting, q.partition)
			} else {
				r.mu.waiting[q.partition] = append(waiting[:i:i], waiting[i+1:]...)
			}
			return true
		}
	}
	return false
}

// FailJob fails all partitions of a job: it ends on this process, whoever still consumes.
func (r *Registry) FailJob(job id.Job, err error) {
	for _, p := range r.all() {
		if p.id.Producer.Job == job {
			p.Fail(err)
		}
	}
}

// all are the partitions in the order in which they were added.
func (r *Registry) all() []*Partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Partition, 0, len(r.mu.partitions))
	for _, p := range r.mu.partitions {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *Partition) int { return cmp.Compare(a.number, b.number) })
	return list
}

// Close fails all partitions and all who wait for one; then it accepts no more.
func (r *Registry) Close() {
	err := fmt.Errorf("the exchange of this process: %w", ErrClosed)
	r.mu.Lock()
	r.mu.closed = err
	var requests []*request
	for _, w := range r.mu.waiting {
		requests = append(requests, w...)
	}
	clear(r.mu.waiting)
	r.mu.requests = 0
	r.mu.Unlock()
	slices.SortFunc(requests, func(a, b *request) int { return cmp.Compare(a.number, b.number) })
	for _, q := range requests {
		q.stop()
		q.consumer.failed(q.channel, err)
	}
	for _, p := range r.all() {
		p.Fail(err)
	}
}
