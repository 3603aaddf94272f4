package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the files that tests compare with")

// TestReferencePage: docs/configuration.md is what the options say.
// Rewrite it with: go test ./core/config -run TestReferencePage -rewrite
func TestReferencePage(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "configuration.md")
	want := Reference()
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	have, must := strings.Split(string(got), "\n"), strings.Split(want, "\n")
	for i := range max(len(have), len(must)) {
		var h, m string
		if i < len(have) {
			h = have[i]
		}
		if i < len(must) {
			m = must[i]
		}
		if h != m {
			t.Fatalf("%s:%d is\n%s\nand must be\n%s\nrun this test with -rewrite", page, i+1, h, m)
		}
	}
}

// TestEveryOptionIsDocumented: a sentence for each, a topic for each, and a default that its own
// parser reads.
func TestEveryOptionIsDocumented(t *testing.T) {
	for _, k := range All() {
		if k.Type == "" {
			if k.NoEffect == "" {
				t.Errorf("%s has neither a type nor a reason", k.Key)
			}
			continue
		}
		if len(k.Description) < 10 || !strings.HasSuffix(k.Description, ".") {
			t.Errorf("%s: description %q is no sentence", k.Key, k.Description)
		}
		if topics[topicOf(k.Key)].title == "Other" {
			t.Errorf("%s belongs to no topic", k.Key)
		}
		if !k.HasDefault {
			continue
		}
		if err := k.check(Entry{Key: k.Key, Value: k.Default, Origin: OriginDefault}); err != nil {
			t.Errorf("%s: its default is refused: %v", k.Key, err)
		}
	}
}

// TestNoKeyIsHidden: a prefix of keys without an effect must not cover an option with one, or a
// misspelt option would pass in silence.
func TestNoKeyIsHidden(t *testing.T) {
	if d := Doubles(); len(d) > 0 {
		t.Errorf("registered twice: %v", d)
	}
	for _, k := range All() {
		if k.NoEffect != "" {
			continue
		}
		for _, name := range append([]string{k.Key}, k.Deprecated...) {
			for prefix, s := range registry.silent {
				if below(name, prefix) {
					t.Errorf("%s lies below %s", name, s.Key)
				}
			}
		}
	}
}
