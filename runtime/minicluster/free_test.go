package minicluster_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goflink/internal/host"
	"goflink/internal/testkit"
)

// freeRecords is how long the sources of freely running jobs are at most: long enough that some
// checkpoints are taken.
const freeRecords = 12_000

// TestFreeJobs: R5, R7, R79, R80, R90–R92, R94, R95, R99, R106: the random jobs of TestSimJobs,
// with goroutines and the clock of the machine. Their seeds draw the same cases, not the same runs.
func TestFreeJobs(t *testing.T) {
	testkit.EachSeed(t, 10, func(t *testing.T, seed uint64) { freeJobs(t, seed, false) })
}

// TestFreeJobsNetwork: the same with all exchanges between tasks over the network.
func TestFreeJobsNetwork(t *testing.T) {
	testkit.EachSeed(t, 10, func(t *testing.T, seed uint64) { freeJobs(t, seed, true) })
}

func freeJobs(t *testing.T, seed uint64, network bool) {
	testkit.NoLeaks(t)
	r := newRig(t, seed, newFreeMachine(seed))
	r.set("taskmanager.network.force-remote-exchange", fmt.Sprint(network))
	c := newCase(r, true, int64(testkit.Scaled(freeRecords)))
	defer func() {
		if err := c.c.Close(); err != nil {
			t.Error(err)
		}
	}()
	c.runJobs()
}

// freeMachine is the real host. A beat is some records of any function, or an event of the job, or
// a while without any.
type freeMachine struct {
	rnd     *rand.Rand
	records atomic.Int64
	// poked holds that something has happened.
	poked chan struct{}
}

const (
	// freeLimit bounds the time of one wait.
	freeLimit = time.Minute
	// pulseTime is the time between two beats if nothing happens.
	pulseTime = 5 * time.Millisecond
	// recordsPerBeat are the touched records that make a beat, turnsPerBeat the turns of a
	// simulated world that count as much.
	recordsPerBeat = 64
	turnsPerBeat   = 8
)

func newFreeMachine(seed uint64) *freeMachine {
	return &freeMachine{rnd: rand.New(&lockedSource{src: testkit.Source(seed)}),
		poked: make(chan struct{}, 1)}
}

func (m *freeMachine) host() host.Host     { return host.Real{} }
func (m *freeMachine) rand() *rand.Rand    { return m.rnd }
func (m *freeMachine) note(string)         {}
func (m *freeMachine) beats(turns int) int { return turns/turnsPerBeat + 1 }

// spend keeps the processor busy.
func (m *freeMachine) spend(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
		mix(int64(d))
	}
}

func (m *freeMachine) touched() {
	if m.records.Add(1)%recordsPerBeat == 0 {
		m.poke()
	}
}

func (m *freeMachine) poke() {
	select {
	case m.poked <- struct{}{}:
	default:
	}
}

func (m *freeMachine) run(over <-chan struct{}, done func() bool) error {
	limit, pulse := time.NewTimer(freeLimit), time.NewTicker(pulseTime)
	defer limit.Stop()
	defer pulse.Stop()
	for !done() {
		select {
		case <-over:
		case <-m.poked:
		case <-pulse.C:
		case <-limit.C:
			return fmt.Errorf("not done after %s", freeLimit)
		}
	}
	return nil
}

// lockedSource is a source of chance for several goroutines.
type lockedSource struct {
	mu  sync.Mutex
	src rand.Source
}

func (s *lockedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src.Uint64()
}
