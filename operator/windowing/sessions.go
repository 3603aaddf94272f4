package windowing

import (
	"math"
	"slices"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/stream"
	"goflink/core/window"
	"goflink/operator"
)

// sessionsName names the state of sessions and their timers.
const (
	sessionsName      = "window-sessions"
	sessionTimersName = "window-session-timers"
)

// sessionSet is the sessions of one key, by start. They neither overlap nor touch. Mostly there is
// one.
type sessionSet[Acc any] struct {
	First session[Acc]
	More  []session[Acc]
	// Timer is the time of the key's timer. Timers are lazy: when a session grows its timer stays,
	// and is set anew when it is due. One that is due at another time than Timer means nothing.
	Timer int64
}

// session is one session of a key.
type session[Acc any] struct {
	Start, End int64
	Acc        Acc
}

// sessionsOp runs sessions with the default trigger and no evictor: the sessions of a key are one
// value of state, and a key has one timer per gap, not one per record.
type sessionsOp[T, K any, W Window, Acc, R, Out any] struct {
	base[T, K, W, R, Out]
	plan     *plan[T, K, W, Acc, R, Out]
	assigner window.Assigner[T, window.Time]
	fold     fold[T, Acc, R]
	clone    func(Acc) Acc
	table    statebackend.Table[sessionSet[Acc]]
	space    statebackend.Space[sessionSet[Acc]]
	timers   statebackend.TimerQueue
	timer    timer
	firing   firing[W]
	room     []session[Acc]

	update func(i int, p *sessionSet[Acc], found bool) error
	onDue  func(t statebackend.Timer) error
	// at hand, for update: the values and windows of a batch, and the timers that they need.
	values  []T
	windows []window.Time
	due     []dueTimer
}

// dueTimer is a timer that record i of a batch needs.
type dueTimer struct {
	i  int
	at int64
}

func _[T, K any, W Window, Acc, R, Out any](v *sessionsOp[T, K, W, Acc, R, Out]) {
	var _ operator.Snapshotter = v
}

func newSessions[T, K any, W Window, Acc, R, Out any](p *plan[T, K, W, Acc, R, Out],
	fn Function[K, W, R, Out],
) operator.Operator {
	o := &sessionsOp[T, K, W, Acc, R, Out]{plan: p, fold: p.fold, clone: p.clone}
	o.assigner = any(p.spec.Assigner).(window.Assigner[T, window.Time])
	o.base = newBase[T, K, W, R, Out](&p.spec, fn)
	o.update, o.onDue = o.addOnTime, o.onTimer
	return o
}

// Open opens state and outputs.
func (o *sessionsOp[T, K, W, Acc, R, Out]) Open(rt operator.Runtime) (err error) {
	if err := o.open(rt, true); err != nil {
		return err
	}
	spec := statetable.NewSpec[sessionSet[Acc]](sessionsName, state.KindValue, nil)
	if o.table, err = state.OpenTable[sessionSet[Acc]](o.keyed, spec); err != nil {
		return err
	}
	if o.space, err = o.table.Space(nil); err != nil {
		return err
	}
	if o.timers, err = o.keyed.Timers(sessionTimersName); err != nil {
		return err
	}
	return o.arm()
}

// Input is the operator itself.
func (o *sessionsOp[T, K, W, Acc, R, Out]) Input(int) any { return o }

// Batch adds records to the sessions of their keys.
func (o *sessionsOp[T, K, W, Acc, R, Out]) Batch(b *stream.Batch[T]) (err error) {
	hashes, keys := o.keys.read(b)
	now, low := o.rt.Now(), int64(math.MaxInt64)
	o.windows = o.windows[:0]
	for i := range b.Values {
		o.windows, err = o.assigner.Assign(o.windows, b.Values[i], b.Time(i), now)
		if err != nil {
			return err
		}
		low = min(low, o.windows[i].Start)
	}
	o.values, o.due = b.Values, o.due[:0]
	switch {
	case o.event && (o.progress.ahead != nil || low <= o.progress.now):
		err = o.oneByOne(b, hashes, keys)
	case o.clone != nil:
		err = o.space.ModifyAll(hashes, keys, o.update)
	default:
		err = o.space.UpsertAll(hashes, keys, o.update)
	}
	o.values = nil
	if err != nil {
		return err
	}
	for _, d := range o.due {
		o.keyed.SetKey(hashes[d.i], keys[d.i])
		if err := o.timers.Add(d.at, nil); err != nil {
			return err
		}
	}
	return o.finishStep()
}

// addOnTime adds record i, whose session cannot have fired.
func (o *sessionsOp[T, K, W, Acc, R, Out]) addOnTime(i int, p *sessionSet[Acc], found bool) error {
	s := o.insert(p, o.windows[i], o.values[i], found)
	if at := s.End - 1; !found || at < p.Timer {
		p.Timer = at
		o.due = append(o.due, dueTimer{i, at})
	}
	return nil
}

// insert adds a record to the session that its window becomes part of.
func (o *sessionsOp[T, K, W, Acc, R, Out]) insert(p *sessionSet[Acc], w window.Time, v T,
	found bool) *session[Acc] {
	if !found {
		p.First = session[Acc]{Start: w.Start, End: w.End, Acc: o.fold.first(v)}
		return &p.First
	}
	if p.More == nil && w.Intersects(window.Time{Start: p.First.Start, End: p.First.End}) {
		s := &p.First
		s.Start, s.End = min(s.Start, w.Start), max(s.End, w.End)
		s.Acc = o.fold.add(v, s.Acc)
		return s
	}
	return o.insertAmong(p, w, v)
}

// insertAmong is insert for keys with several sessions.
func (o *sessionsOp[T, K, W, Acc, R, Out]) insertAmong(p *sessionSet[Acc], w window.Time, v T,
) *session[Acc] {
	all := append(append(o.room[:0], p.First), p.More...)
	from := 0
	for from < len(all) && all[from].End < w.Start {
		from++
	}
	to := from
	for to < len(all) && all[to].Start <= w.End {
		to++
	}
	joined := session[Acc]{Start: w.Start, End: w.End}
	if from == to {
		joined.Acc = o.fold.first(v)
	} else {
		joined = all[from]
		for _, s := range all[from+1 : to] {
			joined.Acc = o.fold.merge(joined.Acc, s.Acc)
		}
		joined.Start, joined.End = min(joined.Start, w.Start), max(all[to-1].End, w.End)
		joined.Acc = o.fold.add(v, joined.Acc)
	}
	all = slices.Replace(all, from, to, joined)
	p.set(all)
	clear(all)
	o.room = all[:0]
	if from == 0 {
		return &p.First
	}
	return &p.More[from-1]
}

// set replaces the sessions, of which there is at least one. What a snapshot may share is not
// changed.
func (p *sessionSet[Acc]) set(all []session[Acc]) {
	p.First, p.More = all[0], nil
	if len(all) > 1 {
		p.More = slices.Clone(all[1:])
	}
}

// oneByOne adds records of which some may be late, or come to sessions that have fired.
func (o *sessionsOp[T, K, W, Acc, R, Out]) oneByOne(b *stream.Batch[T], hashes []uint64,
	keys [][]byte) error {
	for i, v := range b.Values {
		w, now := o.windows[i], o.progress.watermarkOf(hashes[i])
		p, err := o.space.Find(hashes[i], keys[i])
		if err != nil {
			return err
		}
		if plus(w.MaxTime(), o.lateness) <= now && (p == nil || !p.meets(w)) {
			o.tooLate(v, b.Time(i))
			continue
		}
		found := false
		if o.clone != nil {
			p, found, err = o.space.Modify(hashes[i], keys[i])
		} else {
			p, found, err = o.space.Upsert(hashes[i], keys[i])
		}
		if err != nil {
			return err
		}
		s := o.insert(p, w, v, found)
		at := s.End - 1
		if at <= now {
			at = plus(at, o.lateness)
		}
		if !found || at < p.Timer {
			p.Timer = at
			o.due = append(o.due, dueTimer{i, at})
		}
		if s.End-1 <= now {
			if err := o.fire(s, hashes[i], keys[i], true); err != nil {
				return err
			}
		}
	}
	return nil
}

// meets reports whether one of the sessions overlaps or touches w.
func (p *sessionSet[Acc]) meets(w window.Time) bool {
	meets := func(s *session[Acc]) bool {
		return w.Intersects(window.Time{Start: s.Start, End: s.End})
	}
	if meets(&p.First) {
		return true
	}
	for i := range p.More {
		if meets(&p.More[i]) {
			return true
		}
	}
	return false
}

// fire emits the result of a session; kept says that the session goes on.
func (o *sessionsOp[T, K, W, Acc, R, Out]) fire(s *session[Acc], hash uint64, key []byte, kept bool,
) error {
	if o.fn != nil {
		o.firing.ns = timeWindow{Start: s.Start, End: s.End}.Append(o.firing.ns[:0])
		var err error
		if o.firing.window, err = o.spec.Assigner.Parse(o.firing.ns); err != nil {
			return err
		}
	}
	o.firing.maxTime = s.End - 1
	acc := s.Acc
	if kept && o.clone != nil {
		acc = o.clone(acc)
	}
	return o.emit(&o.firing, hash, key, o.fold.result(acc))
}

// onTimer fires the sessions of a key that end with the timer, and drops those that are over.
func (o *sessionsOp[T, K, W, Acc, R, Out]) onTimer(t statebackend.Timer) error {
	o.keyed.SetKey(t.Hash, t.Key)
	found, err := o.table.Find(nil)
	if err != nil || found == nil || found.Timer != t.Time {
		return err
	}
	p, _, err := o.table.Upsert(nil)
	if err != nil {
		return err
	}
	kept, next := o.room[:0], int64(math.MaxInt64)
	for i := -1; i < len(p.More); i++ {
		s := &p.First
		if i >= 0 {
			s = &p.More[i]
		}
		end := s.End - 1
		over := plus(end, o.lateness)
		if end == t.Time {
			if err := o.fire(s, t.Hash, t.Key, over > t.Time); err != nil {
				return err
			}
		}
		if over <= t.Time {
			continue
		}
		kept = append(kept, *s)
		if end > t.Time {
			next = min(next, end)
		} else {
			next = min(next, over)
		}
	}
	o.keyed.SetKey(t.Hash, t.Key)
	if len(kept) == 0 {
		return o.table.Delete(nil)
	}
	if len(kept) <= len(p.More) {
		p.set(kept)
	}
	clear(kept)
	o.room = kept[:0]
	p.Timer = next
	return o.timers.Add(next, nil)
}

// finishStep ends what was done for a batch, a watermark or a timer.
func (o *sessionsOp[T, K, W, Acc, R, Out]) finishStep() error {
	if err := o.arm(); err != nil {
		return err
	}
	return o.flush()
}

// Watermark fires the sessions that end at or before w.
func (o *sessionsOp[T, K, W, Acc, R, Out]) Watermark(w int64) error {
	o.watermark = w
	if o.event {
		o.progress.advance(w)
		if err := o.timers.PopUntil(w, o.onDue); err != nil {
			return err
		}
		if err := o.finishStep(); err != nil {
			return err
		}
	}
	return o.Forward.Watermark(w)
}

// arm sets the timer of the clock for sessions of processing time.
func (o *sessionsOp[T, K, W, Acc, R, Out]) arm() error {
	if o.event {
		return nil
	}
	next, ok, err := o.timers.Next()
	if err != nil || !ok {
		return err
	}
	o.timer.set(o.rt, plus(next, 1), o.onClock)
	return nil
}

// onClock fires the sessions of processing time that have ended.
func (o *sessionsOp[T, K, W, Acc, R, Out]) onClock() error {
	o.timer.done()
	if err := o.timers.PopUntil(o.rt.Now()-1, o.onDue); err != nil {
		return err
	}
	return o.finishStep()
}
