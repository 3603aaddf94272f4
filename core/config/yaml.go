package config

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a configuration file.
const (
	MaxFileBytes = 4 << 20 // size
	MaxDepth     = 32      // nesting of keys
)

// Load reads the text of a configuration file. A file called flink-conf.yaml holds lines
// "key: value" ([LoadLines]); any other is YAML ([LoadYAML]). The name is used for errors and
// origins only.
func Load(file string, data []byte) (*Configuration, error) {
	if path.Base(strings.ReplaceAll(file, `\`, "/")) == "flink-conf.yaml" {
		return LoadLines(file, data)
	}
	return LoadYAML(file, data)
}

// LoadYAML reads a YAML file such as conf/config.yaml. Keys may be nested, flat ("a.b: 1") or
// both; nested ones are joined by dots. Scalars are kept as they are written; a list of scalars
// becomes a [List] value; other lists become one line of YAML. A key without a value is left
// unset. Setting a key twice is an error. Errors name the file and the line.
func LoadYAML(file string, data []byte) (*Configuration, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes", file, MaxFileBytes)
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return New(), nil
	}
	if err != nil {
		return nil, yamlError(file, err)
	}
	l := loader{file: file, c: New(), lines: map[string]int{}}
	if len(doc.Content) == 1 {
		root := doc.Content[0]
		switch {
		case root.Kind == yaml.MappingNode:
			if err := l.mapping("", root, 0); err != nil {
				return nil, err
			}
		case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		default:
			return nil, l.errorf(root, `expected keys with values, such as "key: value"`)
		}
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, yamlError(file, err)
		}
		return nil, l.errorf(&more, "a second YAML document; only one is read")
	}
	return l.c, nil
}

// yamlLine finds the line in an error of the YAML parser.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError turns an error of the YAML parser into one that starts with file:line.
func yamlError(file string, err error) error {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if m[1] == "" {
		return fmt.Errorf("%s: not YAML: %s", file, text[len(m[0]):])
	}
	return fmt.Errorf("%s:%s: not YAML: %s", file, m[1], text[len(m[0]):])
}

// loader flattens a YAML document.
type loader struct {
	file  string
	c     *Configuration
	lines map[string]int // key -> line
	nodes int            // values seen, which bounds the expansion of YAML aliases
}

func (l *loader) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", l.file, n.Line, fmt.Sprintf(format, args...))
}

// resolve follows a YAML alias and counts the node.
func (l *loader) resolve(n *yaml.Node, depth int) (*yaml.Node, error) {
	if l.nodes++; l.nodes > MaxEntries {
		return nil, l.errorf(n, "more than %d values", MaxEntries)
	}
	if depth > MaxDepth {
		return nil, l.errorf(n, "nested deeper than %d levels", MaxDepth)
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias, nil
	}
	return n, nil
}

// mapping flattens the keys of a mapping below prefix.
func (l *loader) mapping(prefix string, n *yaml.Node, depth int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		keyNode := n.Content[i]
		if keyNode.Kind != yaml.ScalarNode || keyNode.Value == "" {
			return l.errorf(keyNode, "a key must be plain text")
		}
		if keyNode.Tag == "!!merge" {
			return l.errorf(keyNode, `YAML merge keys ("<<") are not supported`)
		}
		key := strings.TrimSpace(prefix + keyNode.Value)
		if err := l.value(key, keyNode, n.Content[i+1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// value flattens or sets the value of a key.
func (l *loader) value(key string, at, n *yaml.Node, depth int) error {
	v, err := l.resolve(n, depth)
	if err != nil {
		return err
	}
	switch v.Kind {
	case yaml.ScalarNode:
		if v.Tag == "!!null" {
			return nil
		}
		return l.set(key, at, v.Value)
	case yaml.MappingNode:
		return l.mapping(key+".", v, depth)
	case yaml.SequenceNode:
		text, err := l.sequence(v, depth)
		if err != nil {
			return err
		}
		return l.set(key, at, text)
	}
	return l.errorf(n, "key %q has no value that can be read", clip(key))
}

func (l *loader) set(key string, at *yaml.Node, value string) error {
	if strings.ContainsAny(key, " \t\r\n") {
		return l.errorf(at, "key %q holds spaces", clip(key))
	}
	if line, twice := l.lines[key]; twice {
		return l.errorf(at, "key %q is set already in line %d", clip(key), line)
	}
	l.lines[key] = at.Line
	l.c.Set(key, value, FileOrigin(l.file, at.Line))
	return nil
}

// sequence writes a list of scalars as a List value, any other list as YAML in one line.
func (l *loader) sequence(n *yaml.Node, depth int) (string, error) {
	list := make([]string, 0, len(n.Content))
	plain := true
	for _, e := range n.Content {
		v, err := l.resolve(e, depth+1)
		if err != nil {
			return "", err
		}
		plain = plain && v.Kind == yaml.ScalarNode
		list = append(list, v.Value)
	}
	if plain {
		return FormatList(list), nil
	}
	var b strings.Builder
	err := l.flow(&b, n, depth)
	return b.String(), err
}

// flow writes a node as YAML in one line.
func (l *loader) flow(b *strings.Builder, n *yaml.Node, depth int) error {
	v, err := l.resolve(n, depth)
	if err != nil {
		return err
	}
	open, end := "[", "]"
	switch v.Kind {
	case yaml.ScalarNode:
		b.WriteString(quoteFor(v.Value, ",:#&*!|>%@`\n"))
		return nil
	case yaml.MappingNode:
		open, end = "{", "}"
	}
	b.WriteString(open)
	for i, e := range v.Content {
		if i > 0 {
			sep := ", "
			if v.Kind == yaml.MappingNode && i%2 == 1 {
				sep = ": "
			}
			b.WriteString(sep)
		}
		if err := l.flow(b, e, depth+1); err != nil {
			return err
		}
	}
	b.WriteString(end)
	return nil
}

// LoadLines reads a file of Flink's former form, flink-conf.yaml: lines "key: value" that are
// not nested. Everything after a "#" is a comment; of several lines with one key the last wins,
// as in Flink. Errors name the file and the line.
func LoadLines(file string, data []byte) (*Configuration, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes", file, MaxFileBytes)
	}
	c := New()
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		text, _, _ = strings.Cut(text, "#")
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		key, value, ok := strings.Cut(text, ": ")
		if !ok && strings.HasSuffix(text, ":") {
			continue // a key without a value stays unset
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || strings.ContainsAny(key, " \t") {
			word, _, _ := strings.Cut(text, ":") // what follows may be a secret
			return nil, fmt.Errorf("%s:%d: expected \"key: value\" (a space after the colon) at %q",
				file, line, clip(word))
		}
		c.Set(key, value, FileOrigin(file, line))
		if c.Len() > MaxEntries {
			return nil, fmt.Errorf("%s:%d: more than %d keys", file, line, MaxEntries)
		}
	}
	return c, nil
}
