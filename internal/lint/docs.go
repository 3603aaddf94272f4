package lint

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"unicode"
)

// standardMethods have a meaning that the standard library fixes; a comment could only repeat it.
var standardMethods = map[string]bool{
	"Error": true, "String": true, "Unwrap": true, "Is": true, "As": true,
	"Len": true, "Less": true, "Swap": true,
}

// checkDocs reports packages without a package comment and exported names without a comment:
// functions, types, methods of exported types, methods of exported interfaces, constants and
// variables. A comment on a const or var block counts for its lines, and one that names several
// neighbours counts for each of them. Fields of structs are left to the author.
func checkDocs(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		found = append(found, packageDoc(p)...)
		for _, f := range p.Files {
			if f.Test || f.Generated || f.Ignored {
				continue
			}
			for _, d := range f.AST.Decls {
				found = append(found, declDocs(f, d)...)
			}
		}
	}
	return found
}

// packageDoc reports a package without a comment, or with one that does not begin as godoc wants
// it.
func packageDoc(p *Package) []Finding {
	allTests := true
	for _, f := range p.Files {
		allTests = allTests && (f.Test || f.Ignored)
	}
	for _, f := range p.Files {
		if f.AST.Doc == nil || f.Test != allTests || f.Ignored {
			continue
		}
		text := f.AST.Doc.Text()
		if text == "" { // only directives
			continue
		}
		if want := "Package " + p.Name + " "; p.Name != "main" && !strings.HasPrefix(text, want) {
			return []Finding{f.at(f.AST.Package,
				"the package comment does not begin with %q", want)}
		}
		return nil
	}
	return []Finding{{Path: p.Dir, Text: "no package comment"}}
}

// declDocs reports the exported names of one declaration that have no comment.
func declDocs(f *File, d ast.Decl) []Finding {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() || d.Doc.Text() != "" {
			return nil
		}
		if d.Recv == nil {
			return []Finding{f.at(d.Pos(), "exported function %s has no comment", d.Name.Name)}
		}
		recv := receiverName(d.Recv)
		if !token.IsExported(recv) || standardMethods[d.Name.Name] {
			return nil
		}
		return []Finding{f.at(d.Pos(), "exported method %s.%s has no comment", recv, d.Name.Name)}
	case *ast.GenDecl:
		return genDocs(f, d)
	}
	return nil
}

// receiverName is the name of the type that a method belongs to.
func receiverName(recv *ast.FieldList) string {
	if len(recv.List) == 0 {
		return ""
	}
	expr := recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// genDocs reports the undocumented exported names of a const, var or type declaration.
func genDocs(f *File, d *ast.GenDecl) []Finding {
	var found []Finding
	if d.Doc.Text() != "" && d.Tok != token.TYPE {
		return nil
	}
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			found = append(found, typeDocs(f, d, spec)...)
		case *ast.ValueSpec:
			if spec.Doc.Text() != "" || spec.Comment.Text() != "" {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() && !namedIn(d.Specs, name.Name) {
					found = append(found, f.at(name.Pos(),
						"exported %s %s has no comment", d.Tok, name.Name))
				}
			}
		}
	}
	return found
}

// typeDocs reports an exported type without a comment and, if it is an interface, its methods
// without one: whoever implements it must know what they promise. A comment may speak of several
// methods when it names them.
func typeDocs(f *File, d *ast.GenDecl, spec *ast.TypeSpec) []Finding {
	if !spec.Name.IsExported() {
		return nil
	}
	var found []Finding
	doc := d.Doc.Text() + spec.Doc.Text() + spec.Comment.Text()
	if doc == "" {
		found = append(found, f.at(spec.Pos(), "exported type %s has no comment", spec.Name.Name))
	}
	iface, ok := spec.Type.(*ast.InterfaceType)
	if !ok {
		return found
	}
	for _, m := range iface.Methods.List {
		doc += m.Doc.Text() + m.Comment.Text()
	}
	for _, m := range iface.Methods.List {
		if m.Doc.Text() != "" || m.Comment.Text() != "" {
			continue
		}
		for _, method := range m.Names {
			name := method.Name
			if method.IsExported() && !standardMethods[name] && !hasWord(doc, name) {
				found = append(found, f.at(m.Pos(),
					"method %s.%s has no comment", spec.Name.Name, name))
			}
		}
	}
	return found
}

// namedIn says whether a comment of another constant or variable of the block names this one, too.
func namedIn(specs []ast.Spec, name string) bool {
	for _, spec := range specs {
		if v, ok := spec.(*ast.ValueSpec); ok && hasWord(v.Doc.Text()+v.Comment.Text(), name) {
			return true
		}
	}
	return false
}

// hasWord says whether a text holds a name as a whole word.
func hasWord(text, name string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), name)
}
