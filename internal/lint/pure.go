package lint

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// pureTable says where which kind of purity holds.
const pureTable = "purefiles.txt"

// kind is a kind of purity: what the files that have it must not contain.
type kind struct {
	// imports are packages that may not be imported; a trailing slash covers what is below.
	imports []string
	// selectors are names of packages that may not be used, such as "time.Now".
	selectors []string
}

// outside are the packages that reach outside of the process. net/url and net/netip are plain data.
var outside = []string{"os", "os/", "net", "net/", "syscall", "plugin", "golang.org/x/sys/"}

// plainData are exceptions to outside.
var plainData = []string{"net/url", "net/netip"}

// starters run a function on a goroutine of its own without a go statement.
var starters = []string{"time.AfterFunc", "context.AfterFunc"}

// kinds are the kinds of purity by the name that the table uses.
var kinds = map[string]kind{
	"plain": {imports: outside, selectors: starters},
	"machine": {
		imports: slices.Concat(outside, []string{
			"math/rand", "math/rand/", "crypto/rand", "sync/atomic",
		}),
		selectors: slices.Concat(starters, []string{
			"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.Tick",
			"time.NewTimer", "time.NewTicker", "context.WithTimeout", "context.WithDeadline",
			"sync.Mutex", "sync.RWMutex", "sync.Cond", "sync.NewCond", "sync.WaitGroup", "sync.Map",
			"sync.Once",
		}),
	},
}

// checkPure reports goroutines, I/O, clocks, chance and locks in files where the table forbids
// them, and lines of the table that cover no file, unless they are marked as planned.
func checkPure(t *Tree) []Finding {
	rows, found := t.table(pureTable)
	for _, r := range rows {
		k, ok := kinds[r.fields[0]]
		planned := len(r.fields) == 3 && r.fields[2] == "planned"
		if !ok || len(r.fields) != 2 && !planned {
			found = append(found, tableFinding(pureTable, r.line,
				`want "plain" or "machine", a folder or a pattern of files, and perhaps "planned"`))
			continue
		}
		files := t.matching(r.fields[1])
		if len(files) == 0 && !planned {
			found = append(found, tableFinding(pureTable, r.line, r.fields[1]+" covers no file"))
		}
		for _, f := range files {
			found = append(found, f.impurities(r.fields[0], k)...)
		}
	}
	return found
}

// matching returns the files, tests left out, that a line of the table names: those in or below a
// folder, or those that match a pattern of path.Match.
func (t *Tree) matching(pattern string) []*File {
	var files []*File
	for f := range t.files {
		match, err := path.Match(pattern, f.Path)
		if !f.Test && (err == nil && match || covers(pattern, f.Path)) {
			files = append(files, f)
		}
	}
	return files
}

// impurities reports what a file contains although its kind forbids it.
func (f *File) impurities(name string, k kind) []Finding {
	var found []Finding
	for _, spec := range f.AST.Imports {
		p := importPath(spec)
		if !slices.Contains(plainData, p) && slices.ContainsFunc(k.imports, func(no string) bool {
			return p == no || strings.HasSuffix(no, "/") && strings.HasPrefix(p, no)
		}) {
			found = append(found, f.at(spec.Pos(), "import of %s in a %s file", p, name))
		}
	}
	forbidden := f.localNames(k.selectors)
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, f.at(n.Pos(), "go statement in a %s file", name))
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" {
				found = append(found, f.at(sel.Pos(), "call of a method Go in a %s file: %s",
					name, "it starts a goroutine"))
			}
		case *ast.SelectorExpr:
			if used, ok := forbidden[selector(n)]; ok {
				found = append(found, f.at(n.Pos(), "%s in a %s file", used, name))
			}
		}
		return true
	})
	return found
}

// localNames maps names such as "time.Now", written as the file writes them, to themselves as the
// table of kinds writes them. Packages that the file does not import are left out.
func (f *File) localNames(selectors []string) map[string]string {
	names := map[string]string{}
	for _, s := range selectors {
		pkg, name, _ := strings.Cut(s, ".")
		if local := f.importName(pkg); local != "" {
			names[fmt.Sprintf("%s.%s", local, name)] = s
		}
	}
	return names
}

// selector writes pkg.Name, or "" when the left side is not a plain name.
func selector(e *ast.SelectorExpr) string {
	if id, ok := e.X.(*ast.Ident); ok {
		return id.Name + "." + e.Sel.Name
	}
	return ""
}
