package config

import (
	"fmt"
	"slices"
	"strings"
)

// ValueError reports a value that an option cannot have.
type ValueError struct {
	Key, Value, Origin string
	Expected           string // completes "expected ..."
	Example            string // a value that would be accepted; may be empty
	Err                error  // what is wrong with the value
}

// Error implements error.
func (e *ValueError) Error() string {
	var b strings.Builder
	value := fmt.Sprintf("%q", clip(e.Value))
	if Sensitive(e.Key) {
		value = hidden
	}
	fmt.Fprintf(&b, "configuration key %q (%s) has the value %s", e.Key, e.Origin, value)
	if e.Err != nil && !Sensitive(e.Key) {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Expected != "" {
		fmt.Fprintf(&b, "; expected %s", e.Expected)
	}
	if e.Example != "" {
		fmt.Fprintf(&b, ", for instance %q", e.Example)
	}
	return b.String()
}

// Unwrap returns what is wrong with the value.
func (e *ValueError) Unwrap() error { return e.Err }

// UnknownKeyError reports a key that no option has.
type UnknownKeyError struct {
	Key, Origin string
	Nearest     string // the known key that may be meant; may be empty
}

// Error implements error.
func (e *UnknownKeyError) Error() string {
	msg := fmt.Sprintf("unknown configuration key %q (%s)", clip(e.Key), e.Origin)
	if e.Nearest != "" {
		return msg + fmt.Sprintf("; did you mean %q?", e.Nearest)
	}
	return msg + "; no known key resembles it"
}

// ValidationError holds everything that [Configuration.Validate] found. A caller that lets
// unknown keys pass with a warning, as Flink does, looks at Invalid only.
type ValidationError struct {
	Invalid []*ValueError
	Unknown []*UnknownKeyError
}

// Error implements error; one line per finding.
func (e *ValidationError) Error() string {
	lines := make([]string, 0, len(e.Invalid)+len(e.Unknown))
	for _, v := range e.Invalid {
		lines = append(lines, v.Error())
	}
	for _, u := range e.Unknown {
		lines = append(lines, u.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the findings.
func (e *ValidationError) Unwrap() []error {
	all := make([]error, 0, len(e.Invalid)+len(e.Unknown))
	for _, v := range e.Invalid {
		all = append(all, v)
	}
	for _, u := range e.Unknown {
		all = append(all, u)
	}
	return all
}

// Validate checks the value of every known key and looks for unknown keys. The error, if any,
// is a [*ValidationError].
func (c *Configuration) Validate() error {
	var found ValidationError
	for _, e := range c.Entries() {
		if _, ok := Find(e.Key); !ok {
			found.Unknown = append(found.Unknown, &UnknownKeyError{
				Key: e.Key, Origin: e.Origin, Nearest: Nearest(e.Key),
			})
			continue
		}
		for _, k := range optionsOf(e.Key) {
			if k.check == nil || k.NoEffect != "" {
				continue
			}
			if err := k.check(e); err != nil {
				found.Invalid = append(found.Invalid, asValueError(e, err))
				break
			}
		}
	}
	if len(found.Invalid)+len(found.Unknown) == 0 {
		return nil
	}
	return &found
}

func asValueError(e Entry, err error) *ValueError {
	if v, ok := err.(*ValueError); ok {
		return v
	}
	return &ValueError{Key: e.Key, Value: e.Value, Origin: e.Origin, Err: err}
}

// Notices returns what a user should be told once about a configuration that is valid: values
// that lose against the same option under its current name (a line each), keys under a former
// name (one line), and keys that are accepted but change nothing here (one line per reason).
func (c *Configuration) Notices() []string {
	var reasons, former, lines []string
	without := map[string][]string{}
	for _, e := range c.Entries() {
		k, ok := Find(e.Key)
		if ok && k.NoEffect != "" {
			if len(without[k.NoEffect]) == 0 {
				reasons = append(reasons, k.NoEffect)
			}
			without[k.NoEffect] = append(without[k.NoEffect], e.Key)
			continue
		}
		for _, o := range optionsOf(e.Key) {
			used, _ := c.entryOf(o.Key, o.aliases)
			switch {
			case used.Key != e.Key:
				lines = append(lines, fmt.Sprintf(
					"%s (%s) is ignored: %s (%s) sets the same option",
					e.Key, e.Origin, used.Key, used.Origin))
			case o.Key != e.Key:
				former = append(former, e.Key+" is "+o.Key)
			}
		}
	}
	if len(former) > 0 {
		lines = append(lines, "former names, still accepted: "+strings.Join(former, ", "))
	}
	for _, r := range reasons {
		lines = append(lines, "without effect: "+strings.Join(without[r], ", ")+" ("+r+")")
	}
	return lines
}

// hidden stands in the place of a sensitive value.
const hidden = "******"

// sensitiveParts mark keys whose values must not be shown.
var sensitiveParts = []string{
	"password", "secret", "token", "apikey", "api-key", "account.key", "auth-params",
	"service-key", "basic-auth", "jaas.config", "http-headers", "access-key", "accesskey",
	"private-key", "credential",
}

// Sensitive tells whether the value of a key is a secret by the look of its name. Options about
// secrets (a token's renewal, a flag) are shown: their last word says that they are no secret.
func Sensitive(key string) bool {
	k := strings.ToLower(key)
	if strings.HasPrefix(k, "security.delegation.token") ||
		strings.HasPrefix(k, "security.kerberos.token") || strings.HasSuffix(k, ".enabled") ||
		strings.Contains(k, "appmaster.delegation.token") {
		return false
	}
	return slices.ContainsFunc(sensitiveParts, func(part string) bool {
		return strings.Contains(k, part)
	})
}

// Redacted returns a copy whose sensitive values are replaced by asterisks, for display.
func (c *Configuration) Redacted() *Configuration {
	r := c.Clone()
	for k, e := range r.entries {
		if Sensitive(k) {
			e.Value = hidden
			r.entries[k] = e
		}
	}
	return r
}
