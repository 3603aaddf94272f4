package lint

import (
	"cmp"
	"fmt"
	"slices"
)

// Finding is one broken rule at one place.
type Finding struct {
	Path string // file or folder, slash-separated, from the module's root
	Line int    // first line is 1; 0 when the finding is about the whole file or folder
	Text string // what is wrong, and what to do where that is not plain
}

// String formats the finding the way compilers do, so that editors jump to it.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// Rule is one rule of the repository.
type Rule struct {
	Name  string // lower case; also the name of its test and of its planted faults
	check func(*Tree) []Finding
}

// Rules returns all rules in the order in which they are reported.
func Rules() []Rule {
	return []Rule{
		{"parse", checkParse},
		{"layers", checkLayers},
		{"names", checkNames},
		{"docs", checkDocs},
		{"notes", checkNotes},
		{"columns", checkColumns},
		{"funclen", checkFuncLen},
		{"filelen", checkFileLen},
		{"pure", checkPure},
		{"sleep", checkSleep},
		{"skip", checkSkip},
		{"words", checkWords},
	}
}

// Check runs the rule over a tree and returns what it finds, sorted by place.
func (r Rule) Check(t *Tree) []Finding {
	found := r.check(t)
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(found)
}
