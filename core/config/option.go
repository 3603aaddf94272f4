package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Option is one typed setting. Options are made by the constructors of this package, are
// immutable and may be used by any number of goroutines.
type Option[T any] struct {
	// Key is the current name, for instance "parallelism.default".
	Key string
	// Default is the value when neither Key nor an alias of it is set. Where the option has no
	// default (see [NoDefault]) it is the zero value.
	Default T
	// Description says in a sentence or two what the option does.
	Description string
	// Deprecated lists the other spellings of Key that are accepted, in order of preference.
	Deprecated []string

	aliases  []alias
	isMap    bool
	expected string
	example  string
	parse    func(raw string) (T, error)
	format   func(T) string
}

// alias is another spelling of a key. Convert, where set, turns a value in the alias's form
// into one in the option's form.
type alias struct {
	key     string
	convert func(raw string) string
}

// Attr refines an option at its construction.
type Attr func(*traits)

// traits is what the attributes of an option collect.
type traits struct {
	aliases            []alias
	noDefault          bool
	noEffect           string
	minInt, maxInt     *int64
	minFloat, maxFloat *float64
	synonyms           map[string]string
	bareUnit           time.Duration // of durations without a unit
	negativeOff        bool          // negative durations are read as 0
}

// Deprecated names other spellings of the option's key, in order of preference.
func Deprecated(keys ...string) Attr {
	return func(t *traits) {
		for _, k := range keys {
			t.aliases = append(t.aliases, alias{key: k})
		}
	}
}

// DeprecatedMebibytes names other spellings of a memory option whose bare numbers are MiB, not
// bytes, as in Flink's old keys that end in ".mb".
func DeprecatedMebibytes(keys ...string) Attr {
	return func(t *traits) {
		for _, k := range keys {
			t.aliases = append(t.aliases, alias{key: k, convert: bareMebibytes})
		}
	}
}

func bareMebibytes(raw string) string {
	if s := strings.TrimSpace(raw); s != "" && strings.Trim(s, "0123456789") == "" {
		return s + "m"
	}
	return raw
}

// NoDefault says that the option has no default: unset is a state of its own (see [Lookup]).
func NoDefault() Attr { return func(t *traits) { t.noDefault = true } }

// NoEffect says that the key is accepted but changes nothing, and why. A configuration that sets
// it says so once, see [Configuration.Notices].
func NoEffect(why string) Attr { return func(t *traits) { t.noEffect = why } }

// Min is the smallest accepted value of an integer, of a memory size (bytes) or of a duration
// (nanoseconds).
func Min(n int64) Attr { return func(t *traits) { t.minInt = &n } }

// Max is the largest accepted value of an integer, of a memory size (bytes) or of a duration
// (nanoseconds).
func Max(n int64) Attr { return func(t *traits) { t.maxInt = &n } }

// Between bounds a [Float] option; both ends are accepted.
func Between(lo, hi float64) Attr {
	return func(t *traits) { t.minFloat, t.maxFloat = &lo, &hi }
}

// Synonym lets an [Enum] option accept value in the place of canonical.
func Synonym(value, canonical string) Attr {
	return func(t *traits) {
		if t.synonyms == nil {
			t.synonyms = map[string]string{}
		}
		t.synonyms[foldEnum(value)] = canonical
	}
}

// BareUnit is the unit of a [Duration] option's bare numbers where it is not the millisecond.
func BareUnit(unit time.Duration) Attr { return func(t *traits) { t.bareUnit = unit } }

// NegativeOff lets a [Duration] option read negative numbers as 0, where both turn something off.
func NegativeOff() Attr { return func(t *traits) { t.negativeOff = true } }

// form is how the values of one kind of option are written.
type form[T any] struct {
	kind     string // as shown in the reference
	expected string // completes "expected ..."
	example  string
	parse    func(raw string) (T, error)
	format   func(T) string
	isMap    bool
}

// newOption registers the option and returns it.
func newOption[T any](key string, def T, desc string, f form[T], attrs []Attr) Option[T] {
	var t traits
	for _, a := range attrs {
		a(&t)
	}
	return newOptionWith(key, def, desc, f, t)
}

func newOptionWith[T any](key string, def T, desc string, f form[T], t traits) Option[T] {
	o := Option[T]{
		Key: key, Default: def, Description: desc, aliases: t.aliases, isMap: f.isMap,
		expected: f.expected, example: f.example, parse: f.parse, format: f.format,
	}
	for _, a := range t.aliases {
		o.Deprecated = append(o.Deprecated, a.key)
	}
	k := Known{
		Key: key, Type: f.kind, Description: desc, Deprecated: o.Deprecated,
		NoEffect: t.noEffect, Prefix: f.isMap, aliases: t.aliases,
		check: func(e Entry) error { _, err := o.value(e); return err },
	}
	if !t.noDefault {
		k.Default, k.HasDefault = f.format(def), true
	}
	register(k)
	return o
}

// value parses the entry of this option (its Key may be an alias).
func (o Option[T]) value(e Entry) (T, error) {
	var zero T
	if o.parse == nil {
		return zero, fmt.Errorf("option %q was not made by a constructor of package config", o.Key)
	}
	raw := e.Value
	for _, a := range o.aliases {
		if a.key == e.Key && a.convert != nil {
			raw = a.convert(raw)
		}
	}
	v, err := o.parse(raw)
	if err != nil {
		return zero, &ValueError{
			Key: e.Key, Value: e.Value, Origin: e.Origin,
			Expected: o.expected, Example: o.example, Err: err,
		}
	}
	return v, nil
}

// String makes an option whose value is text as it stands.
func String(key, def, desc string, attrs ...Attr) Option[string] {
	return newOption(key, def, desc, form[string]{
		kind: "String", expected: "text", example: "text",
		parse:  func(raw string) (string, error) { return raw, nil },
		format: func(s string) string { return s },
	}, attrs)
}

// Bool makes an option that is true or false.
func Bool(key string, def bool, desc string, attrs ...Attr) Option[bool] {
	return newOption(key, def, desc, form[bool]{
		kind: "Boolean", expected: "true or false", example: "true",
		parse: ParseBool, format: strconv.FormatBool,
	}, attrs)
}

// Int makes an option that is a decimal integer, bounded by [Min] and [Max].
func Int(key string, def int, desc string, attrs ...Attr) Option[int] {
	var t traits
	for _, a := range attrs {
		a(&t)
	}
	example := strconv.Itoa(def)
	if t.noDefault {
		example = "4"
	}
	show := func(n int64) string { return strconv.FormatInt(n, 10) }
	return newOptionWith(key, def, desc, form[int]{
		kind: "Integer", expected: "a whole number" + t.boundsText(show), example: example,
		parse: func(raw string) (int, error) {
			n, err := ParseInt(raw)
			if err != nil {
				return 0, err
			}
			return int(n), t.checkInt(n, show)
		},
		format: strconv.Itoa,
	}, t)
}

// Float makes an option that is a finite decimal number, bounded by [Between].
func Float(key string, def float64, desc string, attrs ...Attr) Option[float64] {
	var t traits
	for _, a := range attrs {
		a(&t)
	}
	expected := "a decimal number"
	if t.minFloat != nil {
		expected += " from " + formatFloat(*t.minFloat) + " to " + formatFloat(*t.maxFloat)
	}
	return newOptionWith(key, def, desc, form[float64]{
		kind: "Float", expected: expected, example: formatFloat(def),
		parse: func(raw string) (float64, error) {
			f, err := ParseFloat(raw)
			if err == nil && t.minFloat != nil && (f < *t.minFloat || f > *t.maxFloat) {
				err = errors.New("out of range")
			}
			return f, err
		},
		format: formatFloat,
	}, t)
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// Duration makes an option that is a length of time, see [ParseDuration].
func Duration(key string, def time.Duration, desc string, attrs ...Attr) Option[time.Duration] {
	var t traits
	for _, a := range attrs {
		a(&t)
	}
	if t.bareUnit == 0 {
		t.bareUnit = time.Millisecond
	}
	bare := strings.TrimPrefix(FormatDuration(t.bareUnit), "1 ")
	show := func(n int64) string { return FormatDuration(time.Duration(n)) }
	return newOptionWith(key, def, desc, form[time.Duration]{
		kind: "Duration",
		expected: "a duration: a number and one of ns, us, ms, s, min, h, d " +
			"(without a unit: " + bare + ")" + t.boundsText(show),
		example: "10 s",
		parse: func(raw string) (time.Duration, error) {
			if n, err := ParseInt(raw); err == nil && n < 0 && t.negativeOff {
				return 0, nil
			}
			d, err := ParseDurationIn(raw, t.bareUnit)
			if err != nil {
				return 0, err
			}
			return d, t.checkInt(int64(d), show)
		},
		format: FormatDuration,
	}, t)
}

// MemorySize makes an option that is a size in bytes, see [ParseMemory].
func MemorySize(key string, def Memory, desc string, attrs ...Attr) Option[Memory] {
	var t traits
	for _, a := range attrs {
		a(&t)
	}
	show := func(n int64) string { return Memory(n).String() }
	return newOptionWith(key, def, desc, form[Memory]{
		kind: "MemorySize",
		expected: "a memory size: a number and one of b, kb, mb, gb, tb, all powers of 1024 " +
			"(without a unit: bytes)" + t.boundsText(show),
		example: "1728m",
		parse: func(raw string) (Memory, error) {
			m, err := ParseMemory(raw)
			if err != nil {
				return 0, err
			}
			return m, t.checkInt(int64(m), show)
		},
		format: Memory.String,
	}, t)
}

// Enum makes an option that is one of the allowed words. Case does not matter, nor whether
// words are joined by "-" or "_"; the value returned is the one in allowed.
func Enum[T ~string](key string, def T, allowed []T, desc string, attrs ...Attr) Option[T] {
	var t traits
	for _, a := range attrs {
		a(&t)
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	example := ""
	if len(words) > 0 {
		example = words[0]
	}
	return newOptionWith(key, def, desc, form[T]{
		kind:     "Enum (" + strings.Join(words, ", ") + ")",
		expected: "one of " + strings.Join(words, ", "),
		example:  example,
		parse: func(raw string) (T, error) {
			word := foldEnum(raw)
			if s, ok := t.synonyms[word]; ok {
				word = foldEnum(s)
			}
			i := slices.IndexFunc(words, func(w string) bool { return foldEnum(w) == word })
			if i < 0 {
				return "", errors.New("not an allowed value")
			}
			return allowed[i], nil
		},
		format: func(v T) string { return string(v) },
	}, t)
}

// foldEnum is the form in which words of an enum are compared.
func foldEnum(s string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "_", "-")
}

// List makes an option that is a list of text, see [ParseList].
func List(key string, def []string, desc string, attrs ...Attr) Option[[]string] {
	return newOption(key, def, desc, form[[]string]{
		kind: "List", expected: `a list separated by ";"`, example: "a;b;c",
		parse: ParseList, format: FormatList,
	}, attrs)
}

// Map makes an option that is a set of names with values, see [ParseMap]. Its entries can also
// be set one by one as keys below the option's key ("key.name: value").
func Map(key string, def map[string]string, desc string, attrs ...Attr) Option[map[string]string] {
	return newOption(key, def, desc, form[map[string]string]{
		kind: "Map", expected: `pairs "name:value" separated by ","`, example: "a:1,b:2",
		parse: ParseMap, format: FormatMap, isMap: true,
	}, attrs)
}

// checkInt reports a value outside the bounds of the option.
func (t *traits) checkInt(n int64, show func(int64) string) error {
	if t.minInt != nil && n < *t.minInt {
		return fmt.Errorf("less than %s", show(*t.minInt))
	}
	if t.maxInt != nil && n > *t.maxInt {
		return fmt.Errorf("more than %s", show(*t.maxInt))
	}
	return nil
}

// boundsText describes the bounds for the "expected" part of an error.
func (t *traits) boundsText(show func(int64) string) string {
	switch {
	case t.minInt != nil && t.maxInt != nil:
		return fmt.Sprintf(" from %s to %s", show(*t.minInt), show(*t.maxInt))
	case t.minInt != nil:
		return fmt.Sprintf(" of at least %s", show(*t.minInt))
	case t.maxInt != nil:
		return fmt.Sprintf(" of at most %s", show(*t.maxInt))
	}
	return ""
}
