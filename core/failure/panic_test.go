package failure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"testing"
)

// call is how the engine calls user code.
func call(f func() error) (err error) {
	defer Catch(&err, User)
	return f()
}

// These stand for a user's functions, whose names the stack must start with.
func userMap(values []int, i int) int { return values[i] }
func userPanics(v any)                { panic(v) }
func userNil(p *struct{ n int }) int  { return p.n }
func userRepanics() {
	defer func() {
		v := recover()
		userPanics(fmt.Sprint("again: ", v))
	}()
	userPanics("first")
}

func TestCatch(t *testing.T) {
	for _, c := range []struct {
		name, message, first string
		f                    func() error
	}{
		{"value", "panic: boom", "failure.userPanics(",
			func() error { userPanics("boom"); return nil }},
		{"index", "panic: runtime error: index out of range [3] with length 0", "failure.userMap(",
			func() error { return fmt.Errorf("%d", userMap(nil, 3)) }},
		{"nil pointer", "panic: runtime error: invalid memory address or nil pointer dereference",
			"failure.userNil(", func() error { return fmt.Errorf("%d", userNil(nil)) }},
		{"repanic", "panic: again: first", "failure.userPanics(",
			func() error { userRepanics(); return nil }},
		{"nil value", "panic: panic called with nil argument",
			"failure.userPanics(", func() error { userPanics(nil); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := call(c.f)
			var p *Panic
			if !errors.As(err, &p) {
				t.Fatalf("got %v, want a panic", err)
			}
			if !strings.HasPrefix(err.Error(), c.message) {
				t.Errorf("message %q, want %q", err, c.message)
			}
			line, _, _ := strings.Cut(p.Stack, "\n")
			if !strings.Contains(line, c.first) {
				t.Errorf("the stack starts with %q, want %q in\n%s", line, c.first, p.Stack)
			}
			if strings.Contains(p.Stack, "[running]") || strings.HasPrefix(p.Stack, "panic(") {
				t.Errorf("stack is not trimmed:\n%s", p.Stack)
			}
			if ClassOf(err) != Retryable || DomainOf(err) != User {
				t.Errorf("class %v, domain %v", ClassOf(err), DomainOf(err))
			}
			info := InfoOf(InTask(err, "Map (1/1)"))
			if info.Stack != p.Stack || !strings.HasPrefix(info.Kind, "panic(") ||
				!strings.Contains(info.String(), c.first) {
				t.Errorf("info is %+v", info)
			}
		})
	}
}

func TestCatchKeepsErrors(t *testing.T) {
	if err := call(func() error { return nil }); err != nil {
		t.Errorf("no panic, yet %v", err)
	}
	if err := call(func() error { return io.EOF }); err != io.EOF {
		t.Errorf("an ordinary error became %v", err)
	}
	if err := call(func() error { panic(io.ErrClosedPipe) }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the error in the panic is lost: %v", err)
	}
	fatal := call(func() error { panic(New(FailJob, External, "gone")) })
	if ClassOf(fatal) != FailJob || DomainOf(fatal) != External {
		t.Errorf("the class in the panic is lost: %v %v", ClassOf(fatal), DomainOf(fatal))
	}
	both := func() (err error) {
		defer Catch(&err, User)
		defer func() { panic("closing") }()
		return io.EOF
	}()
	if !errors.Is(both, io.EOF) || !strings.Contains(both.Error(), "closing") {
		t.Errorf("one of two failures is lost: %v", both)
	}
}

func TestFromPanic(t *testing.T) {
	var err error
	func() {
		defer func() {
			if v := recover(); v != nil {
				err = FromPanic(v, debug.Stack(), External)
			}
		}()
		userPanics(42)
	}()
	var p *Panic
	if !errors.As(err, &p) || p.Value != 42 || DomainOf(err) != External {
		t.Fatalf("got %v", err)
	}
	if !strings.HasPrefix(p.Stack[strings.LastIndexByte(p.Stack[:strings.IndexByte(p.Stack, '(')],
		'.')+1:], "userPanics(") {
		t.Errorf("stack starts with\n%s", p.Stack)
	}
}

func TestTrimStackOfOtherText(t *testing.T) {
	for _, text := range []string{"", "x", "a\nb", "goroutine 1 [running]:\nf()\n\tf.go:1\n",
		"t\npanic(", "t\npanic(1)\n", "t\npanic(1)\n\tp.go:1\nruntime.x()\n"} {
		if got := trimStack(text); len(got) > len(text) {
			t.Errorf("%q became %q", text, got)
		}
	}
	long := "title\n" + strings.Repeat("f()\n\tf.go:1\n", 10000)
	if got := trimStack(long); len(got) > MaxStackBytes || !strings.HasSuffix(got, "\n...") {
		t.Errorf("a long stack has %d bytes", len(got))
	}
}

// bad is an error of a user whose Error method panics.
type bad struct{ p *struct{ text string } }

func (b *bad) Error() string { return b.p.text }

func TestInfoLimits(t *testing.T) {
	if i := InfoOf(&bad{}); !strings.Contains(i.Message, "whose Error method panics") {
		t.Errorf("message %q", i.Message)
	}
	many := make([]error, 100)
	for i := range many {
		many[i] = errors.New(strings.Repeat("é", 5000))
	}
	i := InfoOf(InTask(errors.Join(many...), strings.Repeat("t", 5000)))
	if len(i.Message) > MaxMessageBytes || len(i.Roots) != MaxRoots ||
		len(i.TaskName) > MaxTaskBytes {
		t.Errorf("message %d, roots %d, task %d", len(i.Message), len(i.Roots), len(i.TaskName))
	}
	sent := Info{Message: strings.Repeat("m", 1<<20), Stack: strings.Repeat("s", 1<<20),
		Roots: make([]string, 1000), Class: 77, Domain: 77}
	var r *Remote
	if !errors.As(sent.Err(), &r) {
		t.Fatal("not a Remote")
	}
	got := r.Info()
	if len(got.Message) > MaxMessageBytes || len(got.Stack) > MaxStackBytes ||
		len(got.Roots) != MaxRoots || got.Class != FailJob || got.Domain != Internal {
		t.Errorf("taken over: %d %d %d %v %v", len(got.Message), len(got.Stack), len(got.Roots),
			got.Class, got.Domain)
	}
}

func TestInfoAsJSON(t *testing.T) {
	want := InfoOf(InTask(call(func() error { panic("x") }), "Map (1/1)"))
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Info
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v came back as %v", want, got)
	}
	if got.Err().Error() != "Map (1/1): panic: x" || InfoOf(got.Err()).Stack != want.Stack {
		t.Errorf("error %v", got.Err())
	}
}

// FuzzTrimStack: no text may make trimming fail.
func FuzzTrimStack(f *testing.F) {
	f.Add(string(debug.Stack()))
	f.Add("goroutine 1\npanic(1)\n\ta.go:1\nruntime.x()\n\tb.go:2\nuser()\n\tc.go:3\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got := trimStack(text); len(got) > max(len(text), MaxStackBytes) {
			t.Errorf("%d bytes became %d", len(text), len(got))
		}
	})
}
