package lint

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

var rewrite = flag.Bool("rewrite", false, "write what the rules find into testdata")

// root is the module's root, seen from this package.
const root = "../.."

// TestRepository holds the repository to its rules.
func TestRepository(t *testing.T) {
	tree, err := Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	self := false
	for f := range tree.files {
		self = self || f.Path == "internal/lint/lint_test.go"
	}
	if !self {
		t.Fatalf("read %d packages, but not the one of this test", len(tree.Packages))
	}
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, f := range rule.Check(tree) {
				t.Error(f)
			}
		})
	}
}

// TestPlanted shows to every rule a tree with planted faults, testdata/<rule>.txt: the findings
// that are wanted, one per line, then the files of the tree, each after a line `-- path --`.
func TestPlanted(t *testing.T) {
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			file := filepath.Join("testdata", rule.Name+".txt")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("every rule needs planted faults: %v", err)
			}
			head, want, planted := parsePlanted(string(data))
			tree, err := Load(planted)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, f := range rule.Check(tree) {
				got.WriteString(f.String() + "\n")
			}
			if *rewrite {
				_, files, _ := strings.Cut(string(data), "\n-- ")
				text := head + got.String() + "\n-- " + files
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("%s: got\n%s\nwant\n%s", file, got.String(), want)
			}
			if want == "" {
				t.Error("no fault is planted")
			}
		})
	}
}

// parsePlanted splits a file of planted faults into its leading comment, the wanted findings and
// the tree. In the tree, «n lines» stands for n lines of x() and «n letters» for n times the letter
// x: written out, the faults of size would bury the rest.
func parsePlanted(data string) (head, want string, tree fs.FS) {
	files := fstest.MapFS{"go.mod": &fstest.MapFile{Data: []byte("module m\n")}}
	parts := strings.Split(data, "\n-- ")
	for line := range strings.Lines(parts[0] + "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			head += line
		case strings.TrimSpace(line) != "":
			want += line
		}
	}
	for _, part := range parts[1:] {
		name, content, _ := strings.Cut(part, " --\n")
		content = long.ReplaceAllStringFunc(content, func(what string) string {
			m := long.FindStringSubmatch(what)
			n, _ := strconv.Atoi(m[1]) // the expression takes digits only
			if m[2] == "lines" {
				return strings.TrimSuffix(strings.Repeat("x()\n", n), "\n")
			}
			return strings.Repeat("x", n)
		})
		files[name] = &fstest.MapFile{Data: []byte(content + "\n")}
	}
	return head, want, files
}

var long = regexp.MustCompile(`«(\d+) (lines|letters)»`)
