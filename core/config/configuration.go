package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Origins of values that do not come from a file (see [FileOrigin]).
const (
	OriginDefault     = "default"
	OriginDynamic     = "-D"
	OriginEnvironment = "environment"
	OriginClient      = "client"
	OriginProgram     = "program"
)

// MaxEntries is the largest number of keys that is read from one file, list of -D arguments or
// received configuration.
const MaxEntries = 10000

// FileOrigin is the origin of a value that stands in a line of a file.
func FileOrigin(file string, line int) string { return fmt.Sprintf("file %s:%d", file, line) }

// Entry is a key with its raw value and where the value came from.
type Entry struct {
	Key, Value, Origin string
}

// Configuration is an ordered set of keys with raw values and their origins. Keys stay in the
// order in which they were first set. The zero value is empty and ready for use; a nil
// Configuration reads as an empty one. It may be read by many goroutines while none changes it.
type Configuration struct {
	order   []string
	entries map[string]Entry
}

// New returns an empty Configuration.
func New() *Configuration { return &Configuration{} }

// Set gives key a raw value, in the place of an earlier one. The origin, such as
// [OriginProgram], is named by errors about the value.
func (c *Configuration) Set(key, value, origin string) {
	if c.entries == nil {
		c.entries = map[string]Entry{}
	}
	if _, ok := c.entries[key]; !ok {
		c.order = append(c.order, key)
	}
	c.entries[key] = Entry{Key: key, Value: value, Origin: origin}
}

// Unset removes a key, under this name only.
func (c *Configuration) Unset(key string) {
	if c == nil {
		return
	}
	if _, ok := c.entries[key]; ok {
		delete(c.entries, key)
		c.order = slices.DeleteFunc(c.order, func(k string) bool { return k == key })
	}
}

// Raw returns the entry of a key, under this name only.
func (c *Configuration) Raw(key string) (Entry, bool) {
	if c == nil {
		return Entry{}, false
	}
	e, ok := c.entries[key]
	return e, ok
}

// Len returns the number of keys.
func (c *Configuration) Len() int {
	if c == nil {
		return 0
	}
	return len(c.order)
}

// Keys returns the keys in their order.
func (c *Configuration) Keys() []string {
	if c == nil {
		return nil
	}
	return slices.Clone(c.order)
}

// Entries returns all entries in the order of their keys.
func (c *Configuration) Entries() []Entry {
	if c == nil {
		return nil
	}
	all := make([]Entry, len(c.order))
	for i, k := range c.order {
		all[i] = c.entries[k]
	}
	return all
}

// FromEntries returns a Configuration of these entries; of several with one key the last wins.
func FromEntries(entries []Entry) *Configuration {
	c := New()
	for _, e := range entries {
		c.Set(e.Key, e.Value, e.Origin)
	}
	return c
}

// ToMap returns the raw values, for instance to travel with a JobGraph. Origins are left out.
func (c *Configuration) ToMap() map[string]string {
	m := make(map[string]string, c.Len())
	for _, e := range c.Entries() {
		m[e.Key] = e.Value
	}
	return m
}

// FromMap returns a Configuration with the values of m, sorted by key, all of one origin.
func FromMap(m map[string]string, origin string) *Configuration {
	c := New()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		c.Set(k, m[k], origin)
	}
	return c
}

// Clone returns a copy that shares nothing with c.
func (c *Configuration) Clone() *Configuration {
	if c == nil {
		return New()
	}
	return &Configuration{order: slices.Clone(c.order), entries: maps.Clone(c.entries)}
}

// Merge sets every entry of other in c, with other's origins: what is merged later wins. An
// alias that is set by other drops c's older entry of the same option under another name, so
// that the later source wins whatever spelling either of them used.
func (c *Configuration) Merge(other *Configuration) {
	for _, e := range other.Entries() {
		for _, k := range optionsOf(e.Key) {
			for _, name := range append([]string{k.Key}, k.Deprecated...) {
				if _, inOther := other.Raw(name); name != e.Key && !inOther {
					c.Unset(name)
				}
			}
		}
	}
	for _, e := range other.Entries() {
		c.Set(e.Key, e.Value, e.Origin)
	}
}

// Get returns the value of an option: that of its key, else that of its first alias that is
// set, else its default. The error names key, value, origin, the expected form and an example.
func Get[T any](c *Configuration, o Option[T]) (T, error) {
	v, _, err := Lookup(c, o)
	return v, err
}

// Lookup is [Get] that also tells whether the option is set.
func Lookup[T any](c *Configuration, o Option[T]) (value T, set bool, err error) {
	e, ok := c.entryOf(o.Key, o.aliases)
	if !ok && o.isMap {
		e, ok = c.collect(o.Key, o.aliases)
	}
	if !ok {
		return o.Default, false, nil
	}
	value, err = o.value(e)
	return value, true, err
}

// IsSet tells whether the option is set under any of its names.
func IsSet[T any](c *Configuration, o Option[T]) bool {
	_, ok := c.entryOf(o.Key, o.aliases)
	if !ok && o.isMap {
		_, ok = c.collect(o.Key, o.aliases)
	}
	return ok
}

// OriginOf returns where the option's value comes from, [OriginDefault] where it is not set.
func OriginOf[T any](c *Configuration, o Option[T]) string {
	if e, ok := c.entryOf(o.Key, o.aliases); ok {
		return e.Origin
	}
	if e, ok := c.collect(o.Key, o.aliases); ok && o.isMap {
		return e.Origin
	}
	return OriginDefault
}

// Put sets an option to a typed value, under its current name, and removes its other spellings.
func Put[T any](c *Configuration, o Option[T], value T, origin string) error {
	if o.format == nil {
		return fmt.Errorf("option %q was not made by a constructor of package config", o.Key)
	}
	e := Entry{Key: o.Key, Value: o.format(value), Origin: origin}
	if _, err := o.value(e); err != nil {
		return err
	}
	for _, a := range o.Deprecated {
		c.Unset(a)
	}
	c.Set(e.Key, e.Value, e.Origin)
	return nil
}

// entryOf returns the entry under the key or, in order, its aliases.
func (c *Configuration) entryOf(key string, aliases []alias) (Entry, bool) {
	if c == nil {
		return Entry{}, false
	}
	if e, ok := c.entries[key]; ok {
		return e, true
	}
	for _, a := range aliases {
		if e, ok := c.entries[a.key]; ok {
			return e, true
		}
	}
	return Entry{}, false
}

// collect makes one entry of all keys below key, or else below the first alias that has any.
func (c *Configuration) collect(key string, aliases []alias) (Entry, bool) {
	names := []string{key}
	for _, a := range aliases {
		names = append(names, a.key)
	}
	for _, name := range names {
		sub := c.Below(name)
		if sub.Len() > 0 {
			e, _ := sub.Raw(sub.order[0])
			return Entry{Key: name, Value: FormatMap(sub.ToMap()), Origin: e.Origin}, true
		}
	}
	return Entry{}, false
}

// Below returns the entries whose keys start with prefix and a dot, the prefix cut off: the
// settings of one reporter, connector or external resource.
func (c *Configuration) Below(prefix string) *Configuration {
	below := New()
	for _, e := range c.Entries() {
		if name, ok := strings.CutPrefix(e.Key, prefix+"."); ok && name != "" {
			below.Set(name, e.Value, e.Origin)
		}
	}
	return below
}
