package statetable

// chain puts entry e at the front of the list of its time.
func (t *Timers) chain(time int64, e uint32) {
	h, ok := t.heads[time]
	if !ok {
		t.pushTime(time)
	} else if h.count == 0 {
		t.empty--
	}
	t.links[e].next, t.links[e].prev = h.first, 0
	if h.first != 0 {
		t.links[h.first-1].prev = e + 1
	}
	h.first = e + 1
	h.count++
	t.heads[time] = h
}

// unchain takes entry e out of the list of its time, which stays, even empty, until it is popped: a
// time is never twice in the heap.
func (t *Timers) unchain(time int64, e uint32) {
	h := t.heads[time]
	l := t.links[e]
	if l.prev != 0 {
		t.links[l.prev-1].next = l.next
	} else {
		h.first = l.next
	}
	if l.next != 0 {
		t.links[l.next-1].prev = l.prev
	}
	if h.count--; h.count == 0 {
		t.empty++
	}
	t.heads[time] = h
}

// pushTime adds a time to the heap.
func (t *Timers) pushTime(time int64) {
	t.times = append(t.times, time)
	for i := len(t.times) - 1; i > 0; {
		up := (i - 1) / 2
		if t.times[up] <= t.times[i] {
			return
		}
		t.times[up], t.times[i] = t.times[i], t.times[up]
		i = up
	}
}

// popTime removes the earliest time, whose list is empty.
func (t *Timers) popTime() {
	delete(t.heads, t.times[0])
	t.empty--
	last := len(t.times) - 1
	t.times[0] = t.times[last]
	t.times = t.times[:last]
	t.down(0)
}

// down restores the order of the heap below i.
func (t *Timers) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(t.times); c++ {
			if t.times[c] < t.times[least] {
				least = c
			}
		}
		if least == i {
			return
		}
		t.times[i], t.times[least] = t.times[least], t.times[i]
		i = least
	}
}
