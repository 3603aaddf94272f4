package resourcemgr

import (
	"fmt"
	"time"

	"goflink/core/config"
)

// Settings say how many workers there may be and how long they are waited for.
type Settings struct {
	// Spec is what each worker is given.
	Spec WorkerSpec
	// MinSlots, MinVCores and MinMemoryBytes are kept even without a job.
	MinSlots       int
	MinVCores      float64
	MinMemoryBytes int64
	// MaxSlots, MaxVCores and MaxMemoryBytes bound all workers together; 0 is no bound.
	MaxSlots       int
	MaxVCores      float64
	MaxMemoryBytes int64
	// Redundant is the number of workers that are kept ready beyond need.
	Redundant int
	// Spread takes slots from the worker of whose slots the smallest share is in use; otherwise
	// workers are filled in the order in which they came.
	Spread bool
	// IdleTimeout is how long a worker that nobody needs is kept.
	IdleTimeout time.Duration
	// RegistrationTimeout is how long a started worker may take to register.
	RegistrationTimeout time.Duration
	// RecoveryTimeout is how long workers of an earlier leader are counted upon before they
	// register, in the place of new ones.
	RecoveryTimeout time.Duration
	// GatherDelay is how long changes are gathered before the driver is told.
	GatherDelay time.Duration
	// FailuresPerMinute is the number of failed starts in a minute beyond which further requests
	// wait for RetryInterval.
	FailuresPerMinute float64
	RetryInterval     time.Duration
}

// SettingsOf reads the settings of a cluster whose workers are given spec.
func SettingsOf(c *config.Configuration, spec WorkerSpec) (Settings, error) {
	r := reader{c: c}
	s := Settings{
		Spec:                spec,
		MinSlots:            get(&r, config.SlotManagerMinSlots),
		MinVCores:           get(&r, config.SlotManagerMinCPU),
		MinMemoryBytes:      get(&r, config.SlotManagerMinMemory).Bytes(),
		MaxSlots:            get(&r, config.SlotManagerMaxSlots),
		MaxVCores:           get(&r, config.SlotManagerMaxCPU),
		MaxMemoryBytes:      get(&r, config.SlotManagerMaxMemory).Bytes(),
		Redundant:           get(&r, config.SlotManagerRedundantWorkers),
		Spread:              get(&r, config.ClusterEvenlySpreadOutSlots),
		IdleTimeout:         get(&r, config.ResourceManagerWorkerTimeout),
		RegistrationTimeout: get(&r, config.ResourceManagerRegistrationTimeout),
		RecoveryTimeout:     get(&r, config.ResourceManagerPreviousWorkerTimeout),
		GatherDelay: get(&r, config.SlotManagerRequirementCheckDelay) +
			get(&r, config.SlotManagerDeclareDelay),
		FailuresPerMinute: get(&r, config.ResourceManagerMaxFailureRate),
		RetryInterval:     get(&r, config.ResourceManagerRetryInterval),
	}
	s.Spread = s.Spread || get(&r, config.TaskManagerLoadBalanceMode) == "SLOTS"
	return s, r.err
}

// reader keeps the first error of several reads.
type reader struct {
	c   *config.Configuration
	err error
}

func get[T any](r *reader, o config.Option[T]) T {
	v, err := config.Get(r.c, o)
	if r.err == nil {
		r.err = err
	}
	return v
}

// check finds settings under which no worker could ever be started, or that contradict each other.
func (s *Settings) check() error {
	if s.Spec.Slots < 1 {
		return fmt.Errorf("a worker has %d slots: set %s to at least 1", s.Spec.Slots,
			config.TaskManagerNumberOfTaskSlots.Key)
	}
	for _, b := range s.bounds() {
		switch {
		case b.max > 0 && b.each > b.max:
			return fmt.Errorf("%s is %s, but a single worker has %s: raise it, or make workers "+
				"smaller", b.maxKey, b.show(b.max), b.show(b.each))
		case b.max > 0 && b.min > b.max:
			return fmt.Errorf("%s is %s and more than %s, which is %s: lower the one or raise the "+
				"other", b.minKey, b.show(b.min), b.maxKey, b.show(b.max))
		case b.min > 0 && b.each <= 0:
			return fmt.Errorf("%s is %s, but it is not known how much of it a worker has",
				b.minKey, b.show(b.min))
		}
	}
	return nil
}

// bound is a resource: how much of it a worker has and all workers together must and may have.
type bound struct {
	each, min, max float64
	minKey, maxKey string
	show           func(float64) string
}

// bounds are the resources of the workers; slots come first.
func (s *Settings) bounds() []bound {
	number := func(v float64) string { return fmt.Sprintf("%g", v) }
	size := func(v float64) string { return config.Memory(v).String() }
	return []bound{
		{float64(s.Spec.Slots), float64(s.MinSlots), float64(s.MaxSlots),
			config.SlotManagerMinSlots.Key, config.SlotManagerMaxSlots.Key, number},
		{s.Spec.VCores, s.MinVCores, s.MaxVCores,
			config.SlotManagerMinCPU.Key, config.SlotManagerMaxCPU.Key, number},
		{float64(s.Spec.MemoryBytes), float64(s.MinMemoryBytes), float64(s.MaxMemoryBytes),
			config.SlotManagerMinMemory.Key, config.SlotManagerMaxMemory.Key, size},
	}
}
