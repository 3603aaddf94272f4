package failure

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// MaxStackBytes is the largest stack that is kept of a panic; what is longer is cut at the end,
// where the engine's own frames are.
const MaxStackBytes = 16 << 10

// Panic is a panic of user code as an error.
type Panic struct {
	Value any    // what panic was called with
	Stack string // the frames below the call of panic, the user's function first
}

// Error says what the panic was called with; the stack is told apart ([Info.Stack]).
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Unwrap returns the value of the panic where it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Catch is deferred around user code: it turns a panic into an error of the given domain and
// stores it in *err, joined with what is there.
//
//	func call(f func() error) (err error) {
//		defer failure.Catch(&err, failure.User)
//		return f()
//	}
func Catch(err *error, domain Domain) {
	v := recover()
	if v == nil {
		return
	}
	p := Mark(&Panic{Value: v, Stack: trimStack(string(debug.Stack()))}, Retryable, domain)
	if *err != nil {
		p = errors.Join(p, *err)
	}
	*err = p
}

// FromPanic returns the error for a value that recover returned, with the stack of debug.Stack
// taken in the same deferred function. A nil value gives nil.
func FromPanic(value any, stack []byte, domain Domain) error {
	if value == nil {
		return nil
	}
	return Mark(&Panic{Value: value, Stack: trimStack(string(stack))}, Retryable, domain)
}

// trimStack drops from a stack, as runtime/debug.Stack writes it, the goroutine's title, the
// frames that caught the panic, the call of panic itself and the runtime's frames that raised it.
// Each frame is two lines: the function, and a tab with the place.
func trimStack(stack string) string {
	_, rest, ok := strings.Cut(stack, "\n")
	if !ok {
		return stack
	}
	lines := strings.SplitAfter(rest, "\n")
	first := -1
	for i := 0; i+1 < len(lines); i += 2 {
		raised := first >= 0 && first == i && strings.HasPrefix(lines[i], "runtime.")
		called := first < 0 && strings.HasPrefix(lines[i], "panic(")
		if raised || called {
			first = i + 2
		}
	}
	if first >= 0 && first < len(lines) {
		lines = lines[first:]
	}
	return clip(strings.TrimSuffix(strings.Join(lines, ""), "\n"), MaxStackBytes)
}

// clip cuts text at limit bytes, at a line where there is one, and says so.
func clip(text string, limit int) string {
	const mark = "\n..."
	if len(text) <= limit {
		return text
	}
	text = text[:limit-len(mark)]
	if i := strings.LastIndexByte(text, '\n'); i > 0 {
		text = text[:i]
	}
	return strings.ToValidUTF8(text, "") + mark
}
