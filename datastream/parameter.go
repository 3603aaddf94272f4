package datastream

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parameters are a program's arguments as names with values: Flink's ParameterTool (R34). It is
// immutable.
type Parameters struct {
	values map[string]string
	order  []string
}

// ParametersFromArgs reads "--name value", "-name value" and "--name=value"; a name that is
// followed by another name or nothing has the value "". Anything else is an error that names the
// argument.
func ParametersFromArgs(args []string) (Parameters, error) {
	p := Parameters{values: map[string]string{}}
	for i := 0; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "-")
		name = strings.TrimPrefix(name, "-")
		if !ok || name == "" || isNumber(args[i]) {
			return p, fmt.Errorf("argument %d, %q: want --name value", i+1, args[i])
		}
		name, value, has := strings.Cut(name, "=")
		if !has && i+1 < len(args) && (!strings.HasPrefix(args[i+1], "-") || isNumber(args[i+1])) {
			i++
			value = args[i]
		}
		if _, seen := p.values[name]; !seen {
			p.order = append(p.order, name)
		}
		p.values[name] = value
	}
	return p, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// Has reports whether the parameter is there.
func (p Parameters) Has(name string) bool { _, ok := p.values[name]; return ok }

// Names are the parameters' names in the order of the arguments.
func (p Parameters) Names() []string { return slices.Clone(p.order) }

// Map is a copy of all parameters.
func (p Parameters) Map() map[string]string { return maps.Clone(p.values) }

// Get returns the value, or def if the parameter is not there.
func (p Parameters) Get(name, def string) string {
	if v, ok := p.values[name]; ok {
		return v
	}
	return def
}

// Required returns the value, or an error that names the parameter and those that are there.
func (p Parameters) Required(name string) (string, error) {
	if v, ok := p.values[name]; ok && v != "" {
		return v, nil
	}
	return "", fmt.Errorf("the parameter --%s is required (given: %s)", name,
		strings.Join(p.order, ", "))
}

// GetInt returns the value as a number, or def if the parameter is not there.
func (p Parameters) GetInt(name string, def int) (int, error) {
	return parse(p, name, def, strconv.Atoi, "a whole number")
}

// GetFloat returns the value as a number, or def if the parameter is not there.
func (p Parameters) GetFloat(name string, def float64) (float64, error) {
	f := func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
	return parse(p, name, def, f, "a number")
}

// GetBool returns the value as a truth value, or def if the parameter is not there. A parameter
// without a value is true.
func (p Parameters) GetBool(name string, def bool) (bool, error) {
	if v, ok := p.values[name]; ok && v == "" {
		return true, nil
	}
	return parse(p, name, def, strconv.ParseBool, "true or false")
}

// GetDuration returns the value as a duration such as 1m30s, or def if the parameter is not there.
func (p Parameters) GetDuration(name string, def time.Duration) (time.Duration, error) {
	return parse(p, name, def, time.ParseDuration, "a duration such as 1m30s")
}

func parse[T any](p Parameters, name string, def T, f func(string) (T, error), want string) (
	T, error,
) {
	s, ok := p.values[name]
	if !ok {
		return def, nil
	}
	v, err := f(s)
	if err != nil {
		return def, fmt.Errorf("parameter --%s is %q; want %s", name, s, want)
	}
	return v, nil
}
