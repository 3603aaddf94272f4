// Package failure classifies errors: what follows from them, and whose they are.
//
// The class says what follows ([Retryable], [FailJob], [Fatal]); the domain whose fault it is
// ([User], [External], [Internal]). Both are set where the cause is known, with [New], [Wrap] or
// [Mark], and asked for anywhere above with [ClassOf], [DomainOf] and [Recoverable]. Wrapping
// keeps the cause for errors.Is and errors.As.
//
// An error with several causes (errors.Join) is as severe as its most severe cause, and wrapping
// never makes an error milder: who knows that a failure is harmless handles it instead of passing
// it on. An error without any class is Retryable and Internal; a broken invariant
// (internal/invariant) fails the job, since running the same code again breaks it again.
//
// [Catch] turns a panic of user code into an error with the user's own stack, and [Info] carries
// all of this to other processes.
package failure

import (
	"errors"
	"fmt"

	"goflink/internal/invariant"
)

// Class says what follows from a failure.
type Class uint8

// The classes, from mild to severe.
const (
	// Retryable failures may not come again: the restart strategy of the job decides.
	Retryable Class = iota
	// FailJob failures come again with every attempt: the job fails without a restart.
	FailJob
	// Fatal failures leave the process in a state that cannot be trusted: it must end. What runs
	// in it is not restarted by this process; to other processes it is simply lost.
	Fatal
)

// String returns the name of the class.
func (c Class) String() string { return name(classNames, int(c), "class") }

// MarshalText writes the name of the class.
func (c Class) MarshalText() ([]byte, error) { return marshal(classNames, int(c), "class") }

// UnmarshalText reads the name of a class.
func (c *Class) UnmarshalText(text []byte) error {
	i, err := unmarshal(classNames, text, "class")
	if err == nil {
		*c = Class(i)
	}
	return err
}

// Domain says whose fault a failure is.
type Domain uint8

// The domains.
const (
	// Internal failures are the engine's own.
	Internal Domain = iota
	// User failures come from the program: its functions, its types, its configuration.
	User
	// External failures come from other systems: file systems, brokers, schedulers, the network.
	External
)

// String returns the name of the domain.
func (d Domain) String() string { return name(domainNames, int(d), "domain") }

// MarshalText writes the name of the domain.
func (d Domain) MarshalText() ([]byte, error) { return marshal(domainNames, int(d), "domain") }

// UnmarshalText reads the name of a domain.
func (d *Domain) UnmarshalText(text []byte) error {
	i, err := unmarshal(domainNames, text, "domain")
	if err == nil {
		*d = Domain(i)
	}
	return err
}

var (
	classNames  = []string{Retryable: "RETRYABLE", FailJob: "FAIL_JOB", Fatal: "FATAL"}
	domainNames = []string{Internal: "INTERNAL", User: "USER", External: "EXTERNAL"}
)

func name(names []string, i int, what string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", what, i)
}

func marshal(names []string, i int, what string) ([]byte, error) {
	if i >= len(names) {
		return nil, fmt.Errorf("failure: no %s has the number %d", what, i)
	}
	return []byte(names[i]), nil
}

func unmarshal(names []string, text []byte, what string) (int, error) {
	for i, n := range names {
		if n == string(text) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("failure: unknown %s %q; known are %v", what, text, names)
}

// classified is an error with its class and domain.
type classified struct {
	err    error
	class  Class
	domain Domain
}

// Error returns the message of the error, without its class.
func (e *classified) Error() string { return e.err.Error() }

// Unwrap returns the error itself.
func (e *classified) Unwrap() error { return e.err }

// New returns a classified error with a message; the format may wrap causes with %w.
func New(class Class, domain Domain, format string, args ...any) error {
	return &classified{err: fmt.Errorf(format, args...), class: class, domain: domain}
}

// Wrap returns err classified, with a message in front: "message: err". A nil err gives nil.
func Wrap(err error, class Class, domain Domain, format string, args ...any) error {
	if err == nil {
		return nil
	}
	message := fmt.Sprintf(format, args...)
	return &classified{err: fmt.Errorf("%s: %w", message, err), class: class, domain: domain}
}

// Mark returns err classified, with its message unchanged. A nil err gives nil.
func Mark(err error, class Class, domain Domain) error {
	if err == nil {
		return nil
	}
	return &classified{err: err, class: class, domain: domain}
}

// ClassOf returns the class of an error: the most severe one found in it and its causes, and
// Retryable where none is found.
func ClassOf(err error) Class {
	v, _ := judge(err, 0)
	return v.class
}

// DomainOf returns the domain of an error: the one given nearest to its cause; of several causes
// the first of the most severe ones counts. Where none is found it is Internal.
func DomainOf(err error) Domain {
	v, _ := judge(err, 0)
	return v.domain
}

// Recoverable tells whether the restart strategy of a job is asked after this failure, or the
// job fails at once.
func Recoverable(err error) bool { return ClassOf(err) == Retryable }

// maxDepth bounds how deep causes are followed, so that no error, however made, ends the process
// that looks at it.
const maxDepth = 1000

// verdict is what is found out about an error.
type verdict struct {
	class  Class
	domain Domain
}

// judge walks the tree of causes. Of equally severe causes the first counts.
func judge(err error, depth int) (v verdict, found bool) {
	if err == nil || depth > maxDepth {
		return verdict{}, false
	}
	for _, cause := range causes(err) {
		if cv, ok := judge(cause, depth+1); ok && (!found || cv.class > v.class) {
			v, found = cv, true
		}
	}
	own, ok := ownVerdict(err)
	switch {
	case ok && !found:
		return own, true
	case ok && own.class > v.class:
		v.class = own.class // the nearer domain stays
	}
	return v, found
}

// ownVerdict is what the error says of itself, without its causes.
func ownVerdict(err error) (verdict, bool) {
	if err == invariant.ErrBroken {
		return verdict{FailJob, Internal}, true
	}
	switch e := err.(type) {
	case *classified:
		return verdict{e.class, e.domain}, true
	case *Remote:
		return verdict{e.info.Class, e.info.Domain}, true
	}
	return verdict{}, false
}

// causes returns the errors that err wraps.
func causes(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if c := e.Unwrap(); c != nil {
			return []error{c}
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}

// Roots returns the errors at the bottom of err: those that wrap nothing, in order. Several stand
// there after errors.Join.
func Roots(err error) []error {
	return roots(nil, err, 0)
}

func roots(found []error, err error, depth int) []error {
	if err == nil || depth > maxDepth || len(found) >= maxDepth {
		return found
	}
	below := causes(err)
	if len(below) == 0 {
		return append(found, err)
	}
	for _, c := range below {
		found = roots(found, c, depth+1)
	}
	return found
}

// inTask is an error with the task in which it happened.
type inTask struct {
	err  error
	task string
}

// Error names the task and then the error.
func (e *inTask) Error() string { return e.task + ": " + e.err.Error() }

// Unwrap returns the error itself.
func (e *inTask) Unwrap() error { return e.err }

// InTask returns err with the name of the task in which it happened, as users know it: "Map (2/4)
// - execution attempt 3". A nil err gives nil.
func InTask(err error, task string) error {
	if err == nil {
		return nil
	}
	return &inTask{err: err, task: task}
}

// TaskOf returns the task named nearest to the cause, or "".
func TaskOf(err error) string {
	var task string
	for rest := err; ; {
		var t *inTask
		if !errors.As(rest, &t) {
			break
		}
		task, rest = t.task, t.err
	}
	if task == "" {
		var r *Remote
		if errors.As(err, &r) {
			return r.info.TaskName
		}
	}
	return task
}
