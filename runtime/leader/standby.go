package leader

import "time"

// sign is what a standby sees of the leader: as long as it changes, there is one.
type sign struct {
	highest uint64
	folder  string
	alive   uint64
	vacant  bool
	// lives says that the cluster's file is there.
	lives bool
}

// verdict is what a standby does.
type verdict uint8

const (
	wait verdict = iota
	takeOver
	giveUp // the cluster has ended
)

// standby decides when to take over. It is a state machine: one goroutine calls step with what it
// sees and the time on its own clock.
type standby struct {
	lease time.Duration
	last  sign
	since time.Time // when last was seen first
	met   bool      // the cluster was seen to live
}

// step decides. A leader counts as lost when its sign has not changed for the lease.
func (s *standby) step(now time.Time, seen sign) verdict {
	if seen.highest == 0 {
		if s.met {
			return giveUp
		}
		return takeOver
	}
	s.met = s.met || seen.lives
	if seen != s.last {
		s.last, s.since = seen, now
	}
	if seen.vacant {
		return takeOver
	}
	if now.Sub(s.since) >= s.lease {
		return takeOver
	}
	return wait
}

// failed says that a takeover did not succeed: the others get another lease.
func (s *standby) failed(now time.Time) { s.since = now }
