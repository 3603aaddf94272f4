package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"unicode/utf8"
)

// The limits of size.
const (
	maxColumns       = 100
	tabColumns       = 4 // width of a tab
	maxFunctionLines = 120
	maxFileLines     = 1000
)

// longFuncsTable lists functions that may be longer, each with its reason.
const longFuncsTable = "longfuncs.txt"

// checkColumns reports lines that are too long. What cannot be broken may be longer: a comment with
// an address, a directive, the lines of a raw string, a struct tag.
func checkColumns(t *Tree) []Finding {
	var found []Finding
	for f := range t.files {
		if f.Generated {
			continue
		}
		var raw map[int]bool // made for the few files with a long line
		line := 0
		for content := range bytes.Lines(f.Src) {
			line++
			content = bytes.TrimRight(content, "\r\n")
			if columns(content) <= maxColumns || isUnbreakable(content) {
				continue
			}
			if raw == nil {
				raw = rawLines(f)
			}
			if !raw[line] {
				found = append(found, Finding{Path: f.Path, Line: line, Text: fmt.Sprintf(
					"%d columns, the limit is %d (a tab counts %d)",
					columns(content), maxColumns, tabColumns)})
			}
		}
	}
	return found
}

// columns is the width of a line as an editor shows it.
func columns(line []byte) int {
	tabs := len(line) - len(bytes.TrimLeft(line, "\t"))
	return tabs*tabColumns + utf8.RuneCount(line[tabs:])
}

// isUnbreakable says whether a long line is a directive or a comment that holds an address.
func isUnbreakable(line []byte) bool {
	text := strings.TrimSpace(string(line))
	return strings.HasPrefix(text, "//go:") ||
		strings.HasPrefix(text, "//") && strings.Contains(text, "://")
}

// rawLines returns the lines that belong to raw strings of several lines or to struct tags.
func rawLines(f *File) map[int]bool {
	lines := map[int]bool{}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			if n.Tag != nil {
				lines[f.tokens.Line(n.Tag.Pos())] = true
			}
		case *ast.BasicLit:
			first, last := f.tokens.Line(n.Pos()), f.tokens.Line(n.End())
			if n.Kind == token.STRING && last > first {
				for line := first; line <= last; line++ {
					lines[line] = true
				}
			}
		}
		return true
	})
	return lines
}

// checkFuncLen reports functions that are too long and lines of the table of exceptions that no
// longer stand for such a function.
func checkFuncLen(t *Tree) []Finding {
	rows, found := t.table(longFuncsTable)
	allowed := map[string]int{} // file:function -> line of the table
	for _, r := range rows {
		if len(r.fields) < 3 {
			found = append(found, tableFinding(longFuncsTable, r.line,
				"want the file, the function (Type.Method for a method) and a reason"))
			continue
		}
		allowed[r.fields[0]+":"+r.fields[1]] = r.line
	}
	for f := range t.files {
		if f.Generated {
			continue
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := f.tokens.Line(fn.End()) - f.tokens.Line(fn.Pos()) + 1
			if lines <= maxFunctionLines {
				continue
			}
			name := fn.Name.Name
			if fn.Recv != nil {
				name = receiverName(fn.Recv) + "." + name
			}
			key := f.Path + ":" + name
			if _, ok := allowed[key]; ok {
				delete(allowed, key)
				continue
			}
			found = append(found, f.at(fn.Pos(),
				"%s has %d lines, the limit is %d; a flat switch may be longer (%s)",
				name, lines, maxFunctionLines, tableDir+longFuncsTable))
		}
	}
	for key, line := range allowed {
		text := key + " is not a long function (any more)"
		found = append(found, tableFinding(longFuncsTable, line, text))
	}
	return found
}

// checkFileLen reports files that are too long.
func checkFileLen(t *Tree) []Finding {
	var found []Finding
	for f := range t.files {
		if lines := bytes.Count(f.Src, []byte{'\n'}); lines > maxFileLines && !f.Generated {
			found = append(found, Finding{Path: f.Path, Text: fmt.Sprintf(
				"%d lines, the limit is %d: which concept wants a file of its own?",
				lines, maxFileLines)})
		}
	}
	return found
}
