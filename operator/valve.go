package operator

import "goflink/core/stream"

// Valve joins the watermarks and statuses of several channels or inputs: the watermark is the
// minimum over the active ones and never goes back (R58), and all idle make the whole idle. A
// channel that becomes active again counts only once it caught up with the watermark that was
// passed on.
type Valve struct {
	in     []valveInput
	out    int64
	status stream.Status
}

type valveInput struct {
	watermark int64
	status    stream.Status
	aligned   bool
}

// NewValve returns a valve of n inputs, all active and without watermark.
func NewValve(n int) *Valve {
	v := &Valve{in: make([]valveInput, n), out: stream.MinWatermark}
	for i := range v.in {
		v.in[i] = valveInput{watermark: stream.MinWatermark, aligned: true}
	}
	return v
}

// Last is the watermark passed on last, or stream.MinWatermark.
func (v *Valve) Last() int64 { return v.out }

// Watermark takes a watermark of input i and returns the joint one; grown is false if it is the
// same.
func (v *Valve) Watermark(i int, w int64) (joint int64, grown bool) {
	in := &v.in[i]
	if in.status == stream.Idle || w <= in.watermark {
		return v.out, false
	}
	in.watermark = w
	if !in.aligned && w >= v.out {
		in.aligned = true
	}
	return v.advance()
}

// advance recomputes the minimum over the aligned inputs.
func (v *Valve) advance() (int64, bool) {
	low, any := stream.MaxWatermark, false
	for i := range v.in {
		if v.in[i].aligned {
			low, any = min(low, v.in[i].watermark), true
		}
	}
	if !any || low <= v.out {
		return v.out, false
	}
	v.out = low
	return low, true
}

// Status takes the status of input i. changed says that the joint status changed to status; grown
// that the watermark grew to joint, which is to be handed on before the status.
func (v *Valve) Status(i int, s stream.Status) (status stream.Status, changed bool,
	joint int64, grown bool) {
	in := &v.in[i]
	if in.status == s {
		return v.status, false, v.out, false
	}
	in.status = s
	if s == stream.Active {
		in.aligned = in.watermark >= v.out
		changed = v.status == stream.Idle
		v.status = stream.Active
		return v.status, changed, v.out, false
	}
	in.aligned = false
	if v.allIdle() {
		// The highest watermark of the inputs is what was promised by one of them: with all idle
		// nothing holds it back.
		high := v.out
		for i := range v.in {
			high = max(high, v.in[i].watermark)
		}
		grown = high > v.out
		v.out, v.status = high, stream.Idle
		return stream.Idle, true, v.out, grown
	}
	joint, grown = v.advance()
	return v.status, false, joint, grown
}

func (v *Valve) allIdle() bool {
	for i := range v.in {
		if v.in[i].status == stream.Active {
			return false
		}
	}
	return true
}
