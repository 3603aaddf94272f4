package jobview

import (
	"goflink/runtime/rest/message"
	"goflink/runtime/scheduling"
)

// exception is one failure, without those that followed it.
func (v *View) exception(e *scheduling.Exception) message.Exception {
	m := message.Exception{Name: e.Failure.Kind, StackTrace: e.Failure.String(),
		Time: message.At(e.Time), Labels: map[string]string{
			"class": e.Failure.Class.String(), "domain": e.Failure.Domain.String()},
		Task: e.Task, Worker: e.Slot.Worker}
	if e.Slot.Worker != "" {
		m.Endpoint = v.o.Endpoint(e.Slot.Worker)
	}
	return m
}
