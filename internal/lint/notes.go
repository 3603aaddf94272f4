package lint

import (
	"go/token"
	"regexp"
)

// note matches the marks of unfinished work; the first group is there when somebody owns it.
var note = regexp.MustCompile(`\b(?:TODO\b(\([a-z][\w.-]*\): \S)?|FIXME\b|XXX\b)`)

// checkNotes reports marks of unfinished work in comments, except TODO(name): with what is to be
// done.
func checkNotes(t *Tree) []Finding {
	var found []Finding
	for f := range t.files {
		if f.Generated {
			continue
		}
		for _, group := range f.AST.Comments {
			for _, c := range group.List {
				for _, m := range note.FindAllStringSubmatchIndex(c.Text, -1) {
					if m[2] < 0 { // no owner
						found = append(found, f.at(c.Pos()+token.Pos(m[0]), "unfinished work"+
							" without an owner: finish it, or write TODO(name): what"))
					}
				}
			}
		}
	}
	return found
}
