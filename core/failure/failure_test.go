package failure

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"goflink/internal/invariant"
)

// TestClassAndDomain covers what the restart logic asks (R84).
func TestClassAndDomain(t *testing.T) {
	lost := New(Retryable, External, "connection to %s lost: %w", "host-1", io.EOF)
	bad := New(FailJob, User, "row does not fit")
	corrupt := New(Fatal, Internal, "memory corrupted")
	broken := fmt.Errorf("%w: count is -1", invariant.ErrBroken)
	for _, c := range []struct {
		name   string
		err    error
		class  Class
		domain Domain
	}{
		{"nil", nil, Retryable, Internal},
		{"unclassified", errors.New("x"), Retryable, Internal},
		{"new", bad, FailJob, User},
		{"wrapped by fmt", fmt.Errorf("task: %w", bad), FailJob, User},
		{"wrapping is never milder", Wrap(bad, Retryable, Internal, "task"), FailJob, User},
		{"wrapping may be more severe", Wrap(lost, FailJob, Internal, "task"), FailJob, External},
		{"mark", Mark(io.EOF, FailJob, External), FailJob, External},
		{"most severe of several", errors.Join(lost, bad, corrupt), Fatal, Internal},
		{"first of equals", errors.Join(bad, New(FailJob, External, "y")), FailJob, User},
		{"unclassified beside classified", errors.Join(io.EOF, lost), Retryable, External},
		{"several %w", fmt.Errorf("%w and %w", lost, bad), FailJob, User},
		{"broken invariant", broken, FailJob, Internal},
		{"broken invariant in user code", Mark(broken, Retryable, User), FailJob, Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ClassOf(c.err); got != c.class {
				t.Errorf("class %v, want %v", got, c.class)
			}
			if got := DomainOf(c.err); got != c.domain {
				t.Errorf("domain %v, want %v", got, c.domain)
			}
			if got, want := Recoverable(c.err), c.class == Retryable; got != want {
				t.Errorf("recoverable %v, want %v", got, want)
			}
			info := InfoOf(c.err)
			back := info.Err()
			if (back == nil) != (c.err == nil) {
				t.Fatalf("error %v came back as %v", c.err, back)
			}
			if ClassOf(back) != c.class || DomainOf(back) != c.domain {
				t.Errorf("came back as %v %v", ClassOf(back), DomainOf(back))
			}
		})
	}
}

func TestWrapKeepsCauseAndMessage(t *testing.T) {
	err := Wrap(io.ErrUnexpectedEOF, Retryable, External, "reading %s", "hdfs:///a")
	if want := "reading hdfs:///a: unexpected EOF"; err.Error() != want {
		t.Errorf("message %q, want %q", err, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got := Mark(io.EOF, FailJob, User); got.Error() != "EOF" || !errors.Is(got, io.EOF) {
		t.Errorf("marked error is %v", got)
	}
	if !errors.Is(New(FailJob, User, "a: %w", io.EOF), io.EOF) {
		t.Error("New loses what %w wraps")
	}
	for name, err := range map[string]error{
		"Wrap": Wrap(nil, Fatal, User, "x"), "Mark": Mark(nil, Fatal, User),
		"InTask": InTask(nil, "x"), "FromPanic": FromPanic(nil, nil, User),
	} {
		if err != nil {
			t.Errorf("%s of nothing is %v", name, err)
		}
	}
}

func TestRoots(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	err := Wrap(errors.Join(fmt.Errorf("x: %w", a), errors.Join(b, c)), FailJob, User, "all")
	got := Roots(err)
	if len(got) != 3 || got[0] != a || got[1] != b || got[2] != c {
		t.Errorf("roots %v", got)
	}
	if Roots(nil) != nil {
		t.Error("nil has roots")
	}
	info := InfoOf(err)
	if fmt.Sprint(info.Roots) != "[a b c]" {
		t.Errorf("info names the roots %v", info.Roots)
	}
}

// ring is an error that wraps itself.
type ring struct{}

func (*ring) Error() string { return "ring" }
func (r *ring) Unwrap() error {
	return r
}

// TestEndlessCauses: an error made to wrap itself must not hang or end the process.
func TestEndlessCauses(t *testing.T) {
	if ClassOf(&ring{}) != Retryable || len(Roots(&ring{})) != 0 {
		t.Error("a ring has a class or a root")
	}
}

func TestTask(t *testing.T) {
	inner := InTask(io.EOF, "Source (1/2)")
	outer := InTask(fmt.Errorf("job: %w", inner), "Sink (2/2)")
	if got := TaskOf(outer); got != "Source (1/2)" {
		t.Errorf("task %q; the one nearest to the cause counts", got)
	}
	if got := outer.Error(); got != "Sink (2/2): job: Source (1/2): EOF" {
		t.Errorf("message %q", got)
	}
	if TaskOf(io.EOF) != "" || TaskOf(nil) != "" {
		t.Error("a task out of nothing")
	}
	back := InfoOf(outer).Err()
	if got := TaskOf(fmt.Errorf("over: %w", back)); got != "Source (1/2)" {
		t.Errorf("task after the way over the wire %q", got)
	}
}

func TestText(t *testing.T) {
	for _, c := range []Class{Retryable, FailJob, Fatal} {
		text, err := c.MarshalText()
		if err != nil || string(text) != c.String() {
			t.Errorf("%v written as %q, %v", c, text, err)
		}
		var back Class
		if err := back.UnmarshalText(text); err != nil || back != c {
			t.Errorf("%v came back as %v, %v", c, back, err)
		}
	}
	for _, d := range []Domain{Internal, User, External} {
		text, err := d.MarshalText()
		if err != nil || string(text) != d.String() {
			t.Errorf("%v written as %q, %v", d, text, err)
		}
		var back Domain
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Errorf("%v came back as %v, %v", d, back, err)
		}
	}
	if _, err := Class(9).MarshalText(); err == nil {
		t.Error("class 9 was written")
	}
	var c Class
	if err := c.UnmarshalText([]byte("NONE")); err == nil {
		t.Error("class NONE was read")
	}
	if got := Domain(9).String(); got != "domain(9)" {
		t.Errorf("unknown domain shown as %q", got)
	}
}
