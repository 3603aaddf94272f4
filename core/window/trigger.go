package window

import (
	"errors"
	"fmt"
	"time"

	"goflink/core/stream"
	"goflink/core/typeinfo"
)

// Quiet answers Continue to everything and keeps nothing. Triggers embed it for what does not
// concern them.
type Quiet[T any, W Window] struct{}

// OnElement does nothing.
func (Quiet[T, W]) OnElement(T, int64, W, TriggerContext) (Result, error) { return Continue, nil }

// OnEventTime does nothing.
func (Quiet[T, W]) OnEventTime(int64, W, TriggerContext) (Result, error) { return Continue, nil }

// OnProcessingTime does nothing.
func (Quiet[T, W]) OnProcessingTime(int64, W, TriggerContext) (Result, error) {
	return Continue, nil
}

// Clear does nothing.
func (Quiet[T, W]) Clear(W, TriggerContext) error { return nil }

// never is the trigger that does not fire.
type never[T any, W Window] struct{ Quiet[T, W] }

// NeverTrigger never fires; it is the default of the global window.
func NeverTrigger[T any, W Window]() Trigger[T, W] { return never[T, W]{} }

// OnMerge has nothing to merge.
func (never[T, W]) OnMerge(W, TriggerContext) error { return nil }

// eventTime fires once when the watermark passes the window's end.
type eventTime[T any, W Window] struct{ Quiet[T, W] }

// EventTimeTrigger fires once when the watermark passes the window's end, and again for each record
// that comes later within the allowed lateness. It is the default of event-time windows.
func EventTimeTrigger[T any, W Window]() Trigger[T, W] { return eventTime[T, W]{} }

func (eventTime[T, W]) OnElement(_ T, _ int64, w W, ctx TriggerContext) (Result, error) {
	if w.MaxTime() <= ctx.Watermark() {
		return Fire, nil
	}
	return Continue, ctx.SetEventTimer(w.MaxTime())
}

func (eventTime[T, W]) OnEventTime(time int64, w W, _ TriggerContext) (Result, error) {
	if time == w.MaxTime() {
		return Fire, nil
	}
	return Continue, nil
}

func (eventTime[T, W]) Clear(w W, ctx TriggerContext) error {
	return ctx.DeleteEventTimer(w.MaxTime())
}

// OnMerge sets the timer of the merged window, unless its end has passed: then the record that
// made it merge fires it.
func (eventTime[T, W]) OnMerge(w W, ctx TriggerContext) error {
	if w.MaxTime() <= ctx.Watermark() {
		return nil
	}
	return ctx.SetEventTimer(w.MaxTime())
}

// processingTime fires once when the clock passes the window's end.
type processingTime[T any, W Window] struct{ Quiet[T, W] }

// ProcessingTimeTrigger fires once when the clock passes the window's end. It is the default of
// processing-time windows.
func ProcessingTimeTrigger[T any, W Window]() Trigger[T, W] { return processingTime[T, W]{} }

func (processingTime[T, W]) OnElement(_ T, _ int64, w W, ctx TriggerContext) (Result, error) {
	return Continue, ctx.SetProcessingTimer(w.MaxTime())
}

func (processingTime[T, W]) OnProcessingTime(time int64, w W, _ TriggerContext) (Result, error) {
	if time == w.MaxTime() {
		return Fire, nil
	}
	return Continue, nil
}

func (processingTime[T, W]) Clear(w W, ctx TriggerContext) error {
	return ctx.DeleteProcessingTimer(w.MaxTime())
}

// OnMerge sets the timer of the merged window.
func (processingTime[T, W]) OnMerge(w W, ctx TriggerContext) error {
	return ctx.SetProcessingTimer(w.MaxTime())
}

// Names of the numbers and bytes that triggers keep.
const (
	countName   = "count"
	fireName    = "fire-time"
	timeoutName = "timeout"
	lastName    = "last-element"
)

// count fires at each n-th element.
type count[T any, W Window] struct {
	Quiet[T, W]
	n int64
}

// CountTrigger fires at each n-th element of a window.
func CountTrigger[T any, W Window](n int64) Trigger[T, W] { return count[T, W]{n: n} }

func (t count[T, W]) OnElement(_ T, _ int64, _ W, ctx TriggerContext) (Result, error) {
	n, err := ctx.Count(countName)
	if err != nil {
		return Continue, err
	}
	if n+1 >= t.n {
		return Fire, ctx.SetCount(countName, 0)
	}
	return Continue, ctx.SetCount(countName, n+1)
}

func (t count[T, W]) Clear(_ W, ctx TriggerContext) error { return ctx.SetCount(countName, 0) }

// OnMerge adds up what the merged windows counted.
func (t count[T, W]) OnMerge(_ W, ctx TriggerContext) error {
	return ctx.MergeCounts(countName, func(a, b int64) int64 { return a + b })
}

// Validate reports a number that makes no sense.
func (t count[T, W]) Validate() error {
	if t.n < 1 {
		return fmt.Errorf("a count trigger of %d elements; it needs at least 1", t.n)
	}
	return nil
}

// purging turns each Fire of another trigger into FireAndPurge.
type purging[T any, W Window] struct{ nested Trigger[T, W] }

// mergingPurging is purging around a trigger that works with merging windows.
type mergingPurging[T any, W Window] struct {
	purging[T, W]
	merging MergingTrigger[W]
}

// PurgingTrigger fires when nested does and drops the window's contents then.
func PurgingTrigger[T any, W Window](nested Trigger[T, W]) Trigger[T, W] {
	p := purging[T, W]{nested}
	if m, ok := nested.(MergingTrigger[W]); ok {
		return mergingPurging[T, W]{p, m}
	}
	return p
}

func andPurge(r Result, err error) (Result, error) {
	if r.Fires() {
		return FireAndPurge, err
	}
	return r, err
}

func (t purging[T, W]) OnElement(v T, at int64, w W, ctx TriggerContext) (Result, error) {
	return andPurge(t.nested.OnElement(v, at, w, ctx))
}

func (t purging[T, W]) OnEventTime(at int64, w W, ctx TriggerContext) (Result, error) {
	return andPurge(t.nested.OnEventTime(at, w, ctx))
}

func (t purging[T, W]) OnProcessingTime(at int64, w W, ctx TriggerContext) (Result, error) {
	return andPurge(t.nested.OnProcessingTime(at, w, ctx))
}

func (t purging[T, W]) Clear(w W, ctx TriggerContext) error { return t.nested.Clear(w, ctx) }

// Validate asks the nested trigger.
func (t purging[T, W]) Validate() error { return validateNested(t.nested) }

// OnMerge asks the nested trigger.
func (t mergingPurging[T, W]) OnMerge(w W, ctx TriggerContext) error {
	return t.merging.OnMerge(w, ctx)
}

func validateNested(nested any) error {
	if nested == nil {
		return errors.New("a trigger around another one was given none")
	}
	if v, ok := nested.(Validator); ok {
		return v.Validate()
	}
	return nil
}

// delta fires when an element is further than threshold from the one that it fired at last.
type delta[T any, W Window] struct {
	Quiet[T, W]
	threshold float64
	distance  func(last, v T) float64
	info      *typeinfo.Type[T]
}

// DeltaTrigger fires when distance(last, element) exceeds threshold, where last is the element at
// which it fired last, or the window's first. info encodes the element that it remembers.
func DeltaTrigger[T any, W Window](threshold float64, distance func(last, v T) float64,
	info *typeinfo.Type[T]) Trigger[T, W] {
	return delta[T, W]{threshold: threshold, distance: distance, info: info}
}

func (t delta[T, W]) OnElement(v T, _ int64, _ W, ctx TriggerContext) (Result, error) {
	b, err := ctx.State(lastName)
	if err != nil {
		return Continue, err
	}
	result := Continue
	if b != nil {
		var last T
		if _, err := t.info.Decode(b[1:], &last); err != nil {
			return Continue, err
		}
		if !(t.distance(last, v) > t.threshold) {
			return Continue, nil
		}
		result = Fire
	}
	// One byte before the element keeps elements of empty encoding apart from no element.
	if b, err = t.info.Append([]byte{1}, &v); err != nil {
		return Continue, err
	}
	return result, ctx.SetState(lastName, b)
}

func (t delta[T, W]) Clear(_ W, ctx TriggerContext) error { return ctx.SetState(lastName, nil) }

// Validate reports missing parts.
func (t delta[T, W]) Validate() error {
	if t.distance == nil || t.info == nil {
		return errors.New("a delta trigger needs a function that measures distances and the type " +
			"of elements")
	}
	return nil
}

// Numbers of a TriggerContext are 0 if they were never set, but 0 is a time: times move up by one
// from there.
func fromTime(t int64) int64 {
	if t >= 0 {
		return t + 1
	}
	return t
}

func toTime(n int64) (t int64, ok bool) {
	if n > 0 {
		return n - 1, true
	}
	return n, n != 0
}

// checkInterval reports an interval at which nothing can fire.
func checkInterval(d time.Duration) error {
	if d < time.Millisecond || d%time.Millisecond != 0 {
		return fmt.Errorf("the interval of a trigger is %v; it must be whole milliseconds, at "+
			"least one", d)
	}
	return nil
}

// earliest joins the fire times of merged windows.
func earliest(a, b int64) int64 { return min(a, b) }

// continuousEvent fires at every interval of event time and at the window's end.
type continuousEvent[T any, W Window] struct {
	Quiet[T, W]
	interval time.Duration
}

// ContinuousEventTimeTrigger fires whenever the watermark passes a multiple of interval after a
// window's first element, and at the window's end.
func ContinuousEventTimeTrigger[T any, W Window](interval time.Duration) Trigger[T, W] {
	return continuousEvent[T, W]{interval: interval}
}

func (t continuousEvent[T, W]) OnElement(_ T, at int64, w W, ctx TriggerContext) (Result, error) {
	if w.MaxTime() <= ctx.Watermark() {
		return Fire, nil
	}
	if w.MaxTime() != stream.MaxWatermark {
		if err := ctx.SetEventTimer(w.MaxTime()); err != nil {
			return Continue, err
		}
	}
	n, err := ctx.Count(fireName)
	if err != nil || n != 0 {
		return Continue, err
	}
	if err := CheckTimestamp(at); err != nil {
		return Continue, err
	}
	return Continue, t.schedule(Start(at, t.interval.Milliseconds(), 0), w, ctx)
}

// schedule sets the timer of the next interval after last.
func (t continuousEvent[T, W]) schedule(last int64, w W, ctx TriggerContext) error {
	next := min(last+t.interval.Milliseconds(), w.MaxTime())
	if err := ctx.SetCount(fireName, fromTime(next)); err != nil {
		return err
	}
	return ctx.SetEventTimer(next)
}

func (t continuousEvent[T, W]) OnEventTime(at int64, w W, ctx TriggerContext) (Result, error) {
	if at == w.MaxTime() {
		return Fire, nil
	}
	n, err := ctx.Count(fireName)
	if err != nil {
		return Continue, err
	}
	if next, ok := toTime(n); !ok || next != at {
		return Continue, nil
	}
	if ctx.Watermark() == stream.MaxWatermark && w.MaxTime() == stream.MaxWatermark {
		// Event time has come to its end, the window never will: without this the timers of all
		// times to come would fire.
		return Fire, ctx.SetCount(fireName, 0)
	}
	return Fire, t.schedule(at, w, ctx)
}

func (t continuousEvent[T, W]) Clear(w W, ctx TriggerContext) error {
	if err := clearTime(ctx, fireName, ctx.DeleteEventTimer); err != nil {
		return err
	}
	return ctx.DeleteEventTimer(w.MaxTime())
}

// clearTime removes a remembered time and its timer.
func clearTime(ctx TriggerContext, name string, remove func(int64) error) error {
	n, err := ctx.Count(name)
	if err != nil {
		return err
	}
	at, ok := toTime(n)
	if !ok {
		return nil
	}
	if err := remove(at); err != nil {
		return err
	}
	return ctx.SetCount(name, 0)
}

// OnMerge goes on with the earliest interval of the merged windows.
func (t continuousEvent[T, W]) OnMerge(w W, ctx TriggerContext) error {
	if w.MaxTime() > ctx.Watermark() && w.MaxTime() != stream.MaxWatermark {
		if err := ctx.SetEventTimer(w.MaxTime()); err != nil {
			return err
		}
	}
	return mergeTime(ctx, ctx.SetEventTimer)
}

// mergeTime joins the fire times of merged windows and sets the timer of the earliest.
func mergeTime(ctx TriggerContext, set func(int64) error) error {
	if err := ctx.MergeCounts(fireName, earliest); err != nil {
		return err
	}
	n, err := ctx.Count(fireName)
	if err != nil {
		return err
	}
	if at, ok := toTime(n); ok {
		return set(at)
	}
	return nil
}

// Validate reports an interval at which nothing can fire.
func (t continuousEvent[T, W]) Validate() error { return checkInterval(t.interval) }

// continuousProcessing fires at every interval of processing time.
type continuousProcessing[T any, W Window] struct {
	Quiet[T, W]
	interval time.Duration
}

// ContinuousProcessingTimeTrigger fires whenever the clock passes a multiple of interval after a
// window's first element, and at the end of a window of processing time.
func ContinuousProcessingTimeTrigger[T any, W Window](interval time.Duration) Trigger[T, W] {
	return continuousProcessing[T, W]{interval: interval}
}

func (t continuousProcessing[T, W]) OnElement(
	_ T, _ int64, _ W, ctx TriggerContext,
) (Result, error) {
	n, err := ctx.Count(fireName)
	if err != nil || n != 0 {
		return Continue, err
	}
	return Continue, t.schedule(Start(ctx.Now(), t.interval.Milliseconds(), 0), ctx)
}

func (t continuousProcessing[T, W]) schedule(last int64, ctx TriggerContext) error {
	next := last + t.interval.Milliseconds()
	if err := ctx.SetCount(fireName, fromTime(next)); err != nil {
		return err
	}
	return ctx.SetProcessingTimer(next)
}

func (t continuousProcessing[T, W]) OnProcessingTime(
	at int64, w W, ctx TriggerContext,
) (Result, error) {
	if at == w.MaxTime() {
		return Fire, nil
	}
	n, err := ctx.Count(fireName)
	if err != nil {
		return Continue, err
	}
	if next, ok := toTime(n); !ok || next != at {
		return Continue, nil
	}
	return Fire, t.schedule(at, ctx)
}

func (t continuousProcessing[T, W]) Clear(_ W, ctx TriggerContext) error {
	return clearTime(ctx, fireName, ctx.DeleteProcessingTimer)
}

// OnMerge goes on with the earliest interval of the merged windows.
func (t continuousProcessing[T, W]) OnMerge(_ W, ctx TriggerContext) error {
	return mergeTime(ctx, ctx.SetProcessingTimer)
}

// Validate reports an interval at which nothing can fire.
func (t continuousProcessing[T, W]) Validate() error { return checkInterval(t.interval) }

// Timeout adds a timeout of processing time to another trigger.
type Timeout[T any, W Window] struct {
	// Nested decides besides the timeout.
	Nested Trigger[T, W]
	// After is the timeout, from the first element or, with ResetOnElement, from the latest.
	After          time.Duration
	ResetOnElement bool
	// ClearOnTimeout resets the nested trigger, too, when the timeout fires.
	ClearOnTimeout bool
}

// ProcessingTimeoutTrigger fires when t.Nested does, and t.After after a window's first (or latest)
// element.
func ProcessingTimeoutTrigger[T any, W Window](t Timeout[T, W]) Trigger[T, W] {
	return timeout[T, W]{t}
}

type timeout[T any, W Window] struct{ Timeout[T, W] }

func (t timeout[T, W]) OnElement(v T, at int64, w W, ctx TriggerContext) (Result, error) {
	r, err := t.Nested.OnElement(v, at, w, ctx)
	if err != nil {
		return r, err
	}
	if r.Fires() {
		return r, t.Clear(w, ctx)
	}
	n, err := ctx.Count(timeoutName)
	if err != nil {
		return r, err
	}
	if n != 0 {
		if !t.ResetOnElement {
			return r, nil
		}
		if err := clearTime(ctx, timeoutName, ctx.DeleteProcessingTimer); err != nil {
			return r, err
		}
	}
	next := ctx.Now() + t.After.Milliseconds()
	if err := ctx.SetCount(timeoutName, fromTime(next)); err != nil {
		return r, err
	}
	return r, ctx.SetProcessingTimer(next)
}

func (t timeout[T, W]) OnEventTime(at int64, w W, ctx TriggerContext) (Result, error) {
	r, err := t.Nested.OnEventTime(at, w, ctx)
	return t.fire(r, err, w, ctx)
}

func (t timeout[T, W]) OnProcessingTime(at int64, w W, ctx TriggerContext) (Result, error) {
	r, err := t.Nested.OnProcessingTime(at, w, ctx)
	return t.fire(r, err, w, ctx)
}

// fire makes any timer fire: the timeout's, those of the nested trigger, the window's end.
func (t timeout[T, W]) fire(r Result, err error, w W, ctx TriggerContext) (Result, error) {
	if err != nil {
		return r, err
	}
	if t.ClearOnTimeout {
		err = t.Clear(w, ctx)
	}
	return r | Fire, err
}

func (t timeout[T, W]) Clear(w W, ctx TriggerContext) error {
	if err := clearTime(ctx, timeoutName, ctx.DeleteProcessingTimer); err != nil {
		return err
	}
	return t.Nested.Clear(w, ctx)
}

// Validate reports parameters that make no sense.
func (t timeout[T, W]) Validate() error {
	if err := checkInterval(t.After); err != nil {
		return err
	}
	return validateNested(t.Nested)
}
