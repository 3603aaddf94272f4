package config

import (
	"fmt"
	"strings"
)

// ParseDynamic reads the values of -D arguments: "key=value" each, with or without the leading
// "-D", or as two elements "-D", "key=value". A key without "=" is set to "true". Of several
// values for one key the last wins.
func ParseDynamic(args []string) (*Configuration, error) {
	c := New()
	for i := 0; i < len(args); i++ {
		text := args[i]
		if text == "-D" {
			if i++; i == len(args) {
				return nil, fmt.Errorf("-D at the end of the arguments lacks its key=value")
			}
			text = args[i]
		} else {
			text = strings.TrimPrefix(text, "-D")
		}
		key, value, ok := strings.Cut(text, "=")
		key = strings.TrimSpace(key)
		if !ok {
			value = "true"
		}
		if key == "" || key[0] == '-' || strings.ContainsAny(key, " \t\r\n") {
			return nil, fmt.Errorf("-D %q is not of the form key=value", clip(text))
		}
		c.Set(key, value, OriginDynamic)
		if c.Len() > MaxEntries {
			return nil, fmt.Errorf("more than %d -D keys", MaxEntries)
		}
	}
	return c, nil
}
