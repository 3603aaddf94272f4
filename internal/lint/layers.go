package lint

import (
	"fmt"
	"slices"
	"strings"
)

// layersTable says which folder may import which.
const layersTable = "layers.txt"

// checkLayers reports imports against the table, and packages that no line of the table covers.
// Imports of tests are free: a test may set up whatever it needs.
func checkLayers(t *Tree) []Finding {
	rows, found := t.table(layersTable)
	layers := map[string][]string{}
	for _, r := range rows {
		if _, twice := layers[r.fields[0]]; twice {
			found = append(found, tableFinding(layersTable, r.line, "second line for "+r.fields[0]))
		}
		layers[r.fields[0]] = r.fields[1:]
	}
	for _, p := range t.Packages {
		layer := layerOf(layers, p.Dir)
		if layer == "" {
			text := "no line of " + layersTable + " covers it"
			found = append(found, Finding{Path: p.Dir, Text: text})
			continue
		}
		for _, f := range p.Files {
			if !f.Test {
				found = append(found, layerFindings(t, f, layers, layer)...)
			}
		}
	}
	return found
}

// layerOf returns the most specific folder of the table that covers dir.
func layerOf(layers map[string][]string, dir string) string {
	best := ""
	for folder := range layers {
		if covers(folder, dir) && len(folder) > len(best) {
			best = folder
		}
	}
	return best
}

// layerFindings reports the imports of one file that its layer may not have.
func layerFindings(t *Tree, f *File, layers map[string][]string, layer string) []Finding {
	var found []Finding
	for _, spec := range f.AST.Imports {
		to, ours := strings.CutPrefix(importPath(spec), t.Module+"/")
		if !ours || covers(layer, to) {
			continue
		}
		switch allowed := layers[layer]; {
		case covers("cmd", to) || covers("integration", to):
			found = append(found, f.at(spec.Pos(), "import of %s: nobody imports it", to))
		case !slices.ContainsFunc(allowed, func(folder string) bool {
			return folder == "*" || covers(folder, to)
		}):
			found = append(found, f.at(spec.Pos(), "import of %s: layer %s may see %s",
				to, layer, allowedText(allowed)))
		}
	}
	return found
}

func allowedText(folders []string) string {
	if len(folders) == 0 {
		return "nothing but itself"
	}
	return fmt.Sprintf("only %s", strings.Join(folders, ", "))
}
