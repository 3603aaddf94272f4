package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxListLength is the largest number of elements of a list or map value.
const MaxListLength = 10000

// ParseBool reads "true" or "false"; case and surrounding spaces do not matter.
func ParseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("neither true nor false")
}

// ParseInt reads a decimal integer.
func ParseInt(s string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("out of the range of 64-bit integers")
	case err != nil:
		return 0, errors.New("not a whole number")
	}
	return n, nil
}

// ParseFloat reads a finite decimal number.
func ParseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("not a finite number")
	}
	return f, nil
}

// ParseList reads elements separated by ";". Spaces around an element are dropped. An element
// that holds a ";" or a quote stands in single or double quotes; the quote itself is then
// doubled. Empty elements are dropped, so the empty text is the empty list. A YAML list in one
// line ("[a, b]") is read as well.
func ParseList(s string) ([]string, error) {
	text := strings.TrimSpace(s)
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		if list, ok := flowList(text); ok {
			return list, nil
		}
	}
	parts, err := splitQuoted(text, ';')
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, len(parts))
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return list, nil
}

// flowList reads a YAML list of scalars.
func flowList(text string) ([]string, bool) {
	seq := flowNode(text, yaml.SequenceNode)
	if seq == nil || len(seq.Content) > MaxListLength {
		return nil, false
	}
	list := make([]string, 0, len(seq.Content))
	for _, e := range seq.Content {
		if e.Kind != yaml.ScalarNode {
			return nil, false
		}
		list = append(list, e.Value)
	}
	return list, true
}

// flowNode reads text that is exactly one YAML value of the given kind, or returns nil.
func flowNode(text string, kind yaml.Kind) *yaml.Node {
	dec := yaml.NewDecoder(strings.NewReader(text))
	var doc, more yaml.Node
	if dec.Decode(&doc) != nil || len(doc.Content) != 1 || doc.Content[0].Kind != kind {
		return nil
	}
	if !errors.Is(dec.Decode(&more), io.EOF) {
		return nil
	}
	return doc.Content[0]
}

// splitQuoted splits at sep outside quotes and unquotes the parts.
func splitQuoted(s string, sep byte) ([]string, error) {
	var parts []string
	for rest, more := s, true; more; {
		var part string
		var err error
		if part, rest, more, err = nextPart(rest, sep); err != nil {
			return nil, err
		}
		if parts = append(parts, part); len(parts) > MaxListLength {
			return nil, fmt.Errorf("more than %d elements", MaxListLength)
		}
	}
	return parts, nil
}

// nextPart takes the first part of s; more tells whether a separator followed it.
func nextPart(s string, sep byte) (part, rest string, more bool, err error) {
	s = strings.TrimLeft(s, " \t\r\n")
	if s == "" || s[0] != '\'' && s[0] != '"' {
		part, rest, more = strings.Cut(s, string(sep))
		return strings.TrimSpace(part), rest, more, nil
	}
	quote := s[0]
	var b strings.Builder
	i := 1
	for ; i < len(s); i++ {
		if s[i] == quote {
			if i+1 >= len(s) || s[i+1] != quote {
				break
			}
			i++ // a doubled quote stands for itself
		}
		b.WriteByte(s[i])
	}
	if i >= len(s) {
		return "", "", false, fmt.Errorf("quote %c is not closed", quote)
	}
	rest = strings.TrimLeft(s[i+1:], " \t\r\n")
	if rest != "" && rest[0] != sep {
		return "", "", false, fmt.Errorf("text after the closing quote %c", quote)
	}
	if rest == "" {
		return b.String(), "", false, nil
	}
	return b.String(), rest[1:], true, nil
}

// FormatList writes a list so that [ParseList] reads it back.
func FormatList(list []string) string {
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = quoteFor(e, ";")
	}
	return strings.Join(parts, ";")
}

// quoteFor puts s in single quotes where it would else not survive splitting at a byte of seps.
func quoteFor(s, seps string) string {
	plain := s != "" && strings.TrimSpace(s) == s && !strings.ContainsAny(s, seps+`'"[]{}`)
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// ParseMap reads pairs "name:value" separated by ","; the value may hold further colons. Parts
// with a "," stand in quotes as in [ParseList]. A YAML map in one line ("{a: 1}") is read as
// well. The empty text is the empty map; naming something twice is an error.
func ParseMap(s string) (map[string]string, error) {
	text := strings.TrimSpace(s)
	if strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") {
		if m, ok := flowMap(text); ok {
			return m, nil
		}
	}
	parts, err := splitQuoted(text, ',')
	if err != nil {
		return nil, err
	}
	m := make(map[string]string, len(parts))
	for _, p := range parts {
		if p == "" {
			continue
		}
		name, value, ok := strings.Cut(p, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form name:value", clip(p))
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("%q is named twice", clip(name))
		}
		m[name] = value
	}
	return m, nil
}

// flowMap reads a YAML map of scalars.
func flowMap(text string) (map[string]string, bool) {
	node := flowNode(text, yaml.MappingNode)
	if node == nil || len(node.Content) > 2*MaxListLength {
		return nil, false
	}
	m := make(map[string]string, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		k, v := node.Content[i], node.Content[i+1]
		if k.Kind != yaml.ScalarNode || v.Kind != yaml.ScalarNode {
			return nil, false
		}
		name := strings.TrimSpace(k.Value)
		if _, twice := m[name]; twice || name == "" {
			return nil, false
		}
		m[name] = strings.TrimSpace(v.Value)
	}
	return m, true
}

// FormatMap writes a map, sorted by name, so that [ParseMap] reads it back; names must hold no
// colon.
func FormatMap(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, quoteFor(name+":"+m[name], ","))
	}
	return strings.Join(parts, ",")
}
