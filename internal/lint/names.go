package lint

import (
	"path"
	"slices"
)

// drawers are package names that say nothing about what is inside.
var drawers = []string{
	"util", "utils", "common", "base", "helper", "helpers", "types", "structs", "misc", "shared",
	"lib",
}

// alwaysStandard are standard packages that the module uses sooner or later, whatever it imports
// today.
var alwaysStandard = []string{
	"container/heap", "context", "database/sql", "encoding/csv", "encoding/json", "errors", "io/fs",
	"log/slog", "net/http", "os", "runtime", "runtime/metrics", "runtime/trace", "sync", "time",
}

// checkNames reports packages named like a drawer or like a standard package that the module uses
// (every reader and every import of the two would have to tell them apart), and packages that are
// not named like their folder.
func checkNames(t *Tree) []Finding {
	standard := map[string]string{} // name -> path
	for _, p := range alwaysStandard {
		standard[pathName(p)] = p
	}
	for f := range t.files {
		for _, p := range f.imports() {
			if t.isStandard(p) {
				standard[pathName(p)] = p
			}
		}
	}
	var found []Finding
	report := func(p *Package, text string) {
		found = append(found, Finding{Path: p.Dir, Text: text})
	}
	for _, p := range t.Packages {
		folder := path.Base(p.Dir)
		if slices.Contains(drawers, p.Name) || slices.Contains(drawers, folder) {
			report(p, "a package is named after what it holds, not "+folder)
		}
		if std, taken := standard[p.Name]; taken {
			report(p, "package "+p.Name+" has the name of the standard package "+std)
		}
		if p.Name != folder && p.Name != "main" && p.Name != "" && p.Dir != "." {
			report(p, "package "+p.Name+" is not named like its folder")
		}
	}
	return found
}
