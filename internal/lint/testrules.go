package lint

import (
	"go/ast"
	"path"
	"strings"
)

// isTestSupport says whether a file belongs to the tests: a test, or a package that only tests
// import.
func isTestSupport(f *File) bool {
	dir := path.Dir(f.Path)
	return f.Test || strings.HasSuffix(path.Base(dir), "test") || covers("internal/testkit", dir) ||
		covers("internal/sim", dir)
}

// checkSleep reports time.Sleep in tests: it is too short on a slow machine and too long on every
// other. Inside a function handed to synctest.Test sleeping is exact and costs nothing, and is
// allowed.
func checkSleep(t *Tree) []Finding {
	var found []Finding
	for f := range t.files {
		clock, bubbles := f.importName("time"), f.importName("testing/synctest")
		if !isTestSupport(f) || clock == "" {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				return !ok || bubbles == "" || selector(sel) != bubbles+".Test"
			case *ast.SelectorExpr:
				if selector(n) == clock+".Sleep" {
					found = append(found, f.at(n.Pos(),
						"time.Sleep in a test: wait for a condition, or use testing/synctest"))
				}
			}
			return true
		})
	}
	return found
}

// checkSkip reports tests that may not run: what is skipped is not known to work. A test that needs
// something says so by failing.
func checkSkip(t *Tree) []Finding {
	var found []Finding
	for f := range t.files {
		testing := f.importName("testing")
		if testing == "" {
			continue
		}
		tests := testNames(f, testing)
		ast.Inspect(f.AST, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch sel.Sel.Name {
			case "Short":
				if selector(sel) == testing+".Short" {
					found = append(found, f.at(sel.Pos(),
						"testing.Short: every run runs every test"))
				}
			case "Skip", "Skipf", "SkipNow":
				if tests[lastName(sel.X)] {
					found = append(found, f.at(sel.Pos(),
						"a skipped test: fail and say what is missing"))
				}
			}
			return true
		})
	}
	return found
}

// testNames returns the names of parameters, fields and variables of the file whose type is
// *testing.T, B or F, or testing.TB.
func testNames(f *File, testing string) map[string]bool {
	names := map[string]bool{}
	isTest := func(e ast.Expr) bool {
		if star, ok := e.(*ast.StarExpr); ok {
			e = star.X
		}
		sel, ok := e.(*ast.SelectorExpr)
		return ok && strings.Contains(" T B F TB ", " "+sel.Sel.Name+" ") &&
			selector(sel) == testing+"."+sel.Sel.Name
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			if isTest(n.Type) {
				for _, name := range n.Names {
					names[name.Name] = true
				}
				if len(n.Names) == 0 { // embedded: the field is named like the type
					names[lastName(n.Type)] = true
				}
			}
		case *ast.ValueSpec:
			if n.Type != nil && isTest(n.Type) {
				for _, name := range n.Names {
					names[name.Name] = true
				}
			}
		}
		return true
	})
	return names
}

// lastName is the last name of a.b.c, of *a.b or of a.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return lastName(e.X)
	case *ast.ParenExpr:
		return lastName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}
