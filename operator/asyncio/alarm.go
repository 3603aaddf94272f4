package asyncio

import "container/heap"

// alarm asks for a call at a time, for one entry.
type alarm[In, Out any] struct {
	at    int64
	entry *entry[In, Out]
	retry bool // else it is a timeout
	index int  // in the heap; -1 outside
}

// alarms are alarms ordered by time; one call of the clock serves all. They implement
// heap.Interface.
type alarms[In, Out any] []*alarm[In, Out]

func (a alarms[In, Out]) Len() int           { return len(a) }
func (a alarms[In, Out]) Less(i, j int) bool { return a[i].at < a[j].at }
func (a alarms[In, Out]) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push implements heap.Interface.
func (a *alarms[In, Out]) Push(x any) {
	n := x.(*alarm[In, Out])
	n.index = len(*a)
	*a = append(*a, n)
}

// Pop implements heap.Interface.
func (a *alarms[In, Out]) Pop() any {
	last := len(*a) - 1
	n := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	n.index = -1
	return n
}

// set adds an alarm.
func (a *alarms[In, Out]) set(at int64, e *entry[In, Out], retry bool) *alarm[In, Out] {
	n := &alarm[In, Out]{at: at, entry: e, retry: retry}
	heap.Push(a, n)
	return n
}

// drop removes an alarm that may be nil or have gone off.
func (a *alarms[In, Out]) drop(n *alarm[In, Out]) {
	if n != nil && n.index >= 0 {
		heap.Remove(a, n.index)
	}
}

// due takes out the first alarm if its time has come.
func (a *alarms[In, Out]) due(now int64) *alarm[In, Out] {
	if len(*a) == 0 || (*a)[0].at > now {
		return nil
	}
	return heap.Pop(a).(*alarm[In, Out])
}
