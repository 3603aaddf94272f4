package lint

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxTextBytes is the size above which a file is not read as text: nobody writes such a file by
// hand.
const maxTextBytes = 1 << 20

// Tree is the repository as the rules see it. It is not changed after Load.
type Tree struct {
	Module   string     // path of the module, from go.mod
	Packages []*Package // one per folder with Go files, sorted by folder
	Texts    []Text     // every text file that is not ignored, sorted by path
	broken   []Finding  // files that do not parse
}

// Package is the Go files of one folder, tests and all build tags included.
type Package struct {
	Dir   string // folder from the module's root, "." for the root itself
	Name  string // from the package clause, without the suffix _test
	Files []*File
}

// File is one Go file that parses.
type File struct {
	Path      string // from the module's root
	Src       []byte
	AST       *ast.File
	Test      bool // its name ends in _test.go
	Generated bool // it carries the line that the go command defines for generated files
	Ignored   bool // a program of its own: it is built by no package (build tag "ignore")
	tokens    *token.File
}

// Text is one text file.
type Text struct {
	Path string // from the module's root
	Data []byte
}

// Load reads the module whose root is fsys.
func Load(fsys fs.FS) (*Tree, error) {
	module, err := modulePath(fsys)
	if err != nil {
		return nil, err
	}
	t := &Tree{Module: module}
	ignored, err := ignoredFolders(fsys)
	if err != nil {
		return nil, err
	}
	var foreign []string // folders whose Go files are not the module's
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed while the walk was under way
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || slices.Contains(ignored, name)):
			return fs.SkipDir
		case d.IsDir():
			if isForeign(fsys, name) {
				foreign = append(foreign, name)
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		isGo := strings.HasSuffix(name, ".go") &&
			!slices.ContainsFunc(foreign, func(dir string) bool { return covers(dir, name) })
		return t.add(fsys, name, isGo)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tree: %w", err)
	}
	for _, p := range t.Packages {
		p.Name = packageName(p.Files)
	}
	return t, nil
}

// modulePath reads the module's path from go.mod.
func modulePath(fsys fs.FS) (string, error) {
	data, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return "", fmt.Errorf("no module here: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "module" {
			return fields[1], nil
		}
	}
	return "", errors.New("go.mod has no module line")
}

// ignoredFolders returns the folders that .gitignore names with a leading and a trailing slash.
func ignoredFolders(fsys fs.FS) ([]string, error) {
	data, err := fs.ReadFile(fsys, ".gitignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading .gitignore: %w", err)
	}
	var dirs []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "/") && strings.HasSuffix(line, "/") && len(line) > 2 {
			dirs = append(dirs, strings.Trim(line, "/"))
		}
	}
	return dirs, nil
}

// isForeign says whether the go command leaves the Go files of a folder out of this module.
func isForeign(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	if dir == "." {
		return false
	}
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

// add reads one file into the tree.
func (t *Tree) add(fsys fs.FS, name string, isGo bool) error {
	if !isGo {
		info, err := fs.Stat(fsys, name)
		if err != nil || info.Size() > maxTextBytes {
			return ignoreRemoved(err)
		}
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return ignoreRemoved(err)
	}
	if bytes.IndexByte(data[:min(len(data), 8<<10)], 0) < 0 {
		t.Texts = append(t.Texts, Text{Path: name, Data: data})
	}
	if isGo {
		t.addGo(name, data)
	}
	return nil
}

func ignoreRemoved(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// addGo parses one Go file and puts it into the package of its folder.
func (t *Tree) addGo(name string, src []byte) {
	fset := token.NewFileSet()
	const mode = parser.ParseComments | parser.SkipObjectResolution
	parsed, err := parser.ParseFile(fset, name, src, mode)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), name+":")
		t.broken = append(t.broken, Finding{Path: name, Text: "does not parse: " + text})
		return
	}
	f := &File{
		Path: name, Src: src, AST: parsed, tokens: fset.File(parsed.Package),
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(parsed),
		Ignored:   isIgnored(parsed),
	}
	dir := path.Dir(name)
	i, found := slices.BinarySearchFunc(t.Packages, dir, func(p *Package, dir string) int {
		return strings.Compare(p.Dir, dir)
	})
	if !found {
		t.Packages = slices.Insert(t.Packages, i, &Package{Dir: dir})
	}
	t.Packages[i].Files = append(t.Packages[i].Files, f)
}

// isIgnored says whether a file carries the build tag by which programs beside a package stay out
// of it.
func isIgnored(f *ast.File) bool {
	for _, group := range f.Comments {
		if group.Pos() > f.Package {
			break
		}
		for _, c := range group.List {
			if !constraint.IsGoBuild(c.Text) {
				continue
			}
			if expr, err := constraint.Parse(c.Text); err == nil {
				return !expr.Eval(func(tag string) bool { return tag != "ignore" })
			}
		}
	}
	return false
}

// packageName returns the name that the files of a folder give their package.
func packageName(files []*File) string {
	name := ""
	for _, f := range files {
		switch {
		case f.Ignored:
		case !f.Test:
			return f.AST.Name.Name
		default:
			name = strings.TrimSuffix(f.AST.Name.Name, "_test")
		}
	}
	return name
}

// files yields every file of the module.
func (t *Tree) files(yield func(*File) bool) {
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !yield(f) {
				return
			}
		}
	}
}

// checkParse reports what the other rules cannot see.
func checkParse(t *Tree) []Finding { return slices.Clone(t.broken) }

// at is a finding at a position of the file.
func (f *File) at(pos token.Pos, format string, args ...any) Finding {
	return Finding{Path: f.Path, Line: f.tokens.Line(pos), Text: fmt.Sprintf(format, args...)}
}

// imports returns the paths that the file imports.
func (f *File) imports() []string {
	var paths []string
	for _, spec := range f.AST.Imports {
		paths = append(paths, importPath(spec))
	}
	return paths
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser refuses such a file
	}
	return p
}

// importName returns the name under which the file knows an import, "" when it does not import it.
func (f *File) importName(p string) string {
	for _, spec := range f.AST.Imports {
		if importPath(spec) != p {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return pathName(p)
	}
	return ""
}

// pathName is the name that a package has by convention: the last element of its path, without a
// major version.
func pathName(p string) string {
	base := path.Base(p)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(p))
	}
	return base
}

// isStandard says whether an import path belongs to the standard library: only there the first
// element has no dot, apart from this module's own.
func (t *Tree) isStandard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".") && first != t.Module
}

// covers says whether a folder is, or holds, the named file or folder.
func covers(folder, name string) bool {
	return folder == name || strings.HasPrefix(name, folder+"/")
}
