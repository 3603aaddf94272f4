package failure

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of an Info, so that a failure of any size can be kept and sent.
const (
	MaxMessageBytes = 16 << 10
	MaxTaskBytes    = 1 << 10
	MaxRoots        = 16
)

// Info is an error in a form that can be sent to other processes and shown to users.
type Info struct {
	Message  string   `json:"message"`            // of the whole error
	Class    Class    `json:"class"`              // what follows
	Domain   Domain   `json:"domain"`             // whose fault it is
	Kind     string   `json:"kind,omitempty"`     // Go type of the first root cause
	Roots    []string `json:"roots,omitempty"`    // messages of the causes, where several
	Stack    string   `json:"stack,omitempty"`    // of a panic, the user's function first
	TaskName string   `json:"taskName,omitempty"` // where it happened, see [InTask]
}

// InfoOf returns what is known of an error, within the limits of this package. A nil error gives
// the zero Info.
func InfoOf(err error) Info {
	if err == nil {
		return Info{}
	}
	if r, ok := err.(*Remote); ok {
		return r.info
	}
	v, _ := judge(err, 0)
	i := Info{
		Message: clip(message(err), MaxMessageBytes), Class: v.class, Domain: v.domain,
		TaskName: clip(TaskOf(err), MaxTaskBytes),
	}
	bottom := Roots(err)
	if len(bottom) > 0 {
		i.Kind = fmt.Sprintf("%T", bottom[0])
	}
	if len(bottom) > 1 {
		for _, b := range bottom[:min(len(bottom), MaxRoots)] {
			i.Roots = append(i.Roots, clip(message(b), MaxMessageBytes/MaxRoots))
		}
	}
	var p *Panic
	var r *Remote
	if errors.As(err, &p) {
		i.Stack, i.Kind = p.Stack, fmt.Sprintf("panic(%T)", p.Value)
	} else if errors.As(err, &r) {
		i.Stack, i.Kind = r.info.Stack, r.info.Kind
	}
	return i
}

// message returns err.Error(), which may be code of a user and so may panic.
func message(err error) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("%T, whose Error method panics: %v", err, v)
		}
	}()
	return err.Error()
}

// Err returns the error again, as a [*Remote]: its message, class, domain, task and stack are as
// before; its causes can no longer be told apart by errors.Is. The zero Info gives nil.
func (i Info) Err() error {
	if i.Message == "" && i.Kind == "" {
		return nil
	}
	return &Remote{info: i.limited()}
}

// limited cuts what another process sent to the limits of this package. A class that this process
// does not know is taken for FailJob: what it asks for cannot be done, and a restart is no answer.
func (i Info) limited() Info {
	i.Message, i.Stack = clip(i.Message, MaxMessageBytes), clip(i.Stack, MaxStackBytes)
	i.TaskName, i.Kind = clip(i.TaskName, MaxTaskBytes), clip(i.Kind, MaxTaskBytes)
	if len(i.Roots) > MaxRoots {
		i.Roots = i.Roots[:MaxRoots:MaxRoots]
	}
	if i.Class > Fatal {
		i.Class = FailJob
	}
	if i.Domain > External {
		i.Domain = Internal
	}
	return i
}

// String returns the message and the stack, as a log or an exception history shows them.
func (i Info) String() string {
	var b strings.Builder
	b.WriteString(i.Message)
	if i.Stack != "" {
		b.WriteString("\n")
		b.WriteString(i.Stack)
	}
	return b.String()
}

// Remote is an error that happened in another process.
type Remote struct{ info Info }

// Error returns the message.
func (r *Remote) Error() string { return r.info.Message }

// Info returns what is known of the error.
func (r *Remote) Info() Info { return r.info }
