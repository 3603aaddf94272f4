package lint

import "strings"

// tableDir is where the tables of the rules lie.
const tableDir = "internal/lint/"

// row is one line of a table.
type row struct {
	line   int
	fields []string // separated by blanks; a comment, from # on, is left out
}

// table reads a table: lines of fields, comments from # to the end of the line. A table that is not
// there is a finding: the rule would see nothing.
func (t *Tree) table(name string) ([]row, []Finding) {
	for _, text := range t.Texts {
		if text.Path != tableDir+name {
			continue
		}
		var rows []row
		line := 0
		for content := range strings.Lines(string(text.Data)) {
			line++
			content, _, _ = strings.Cut(content, "#")
			if fields := strings.Fields(content); len(fields) > 0 {
				rows = append(rows, row{line, fields})
			}
		}
		return rows, nil
	}
	return nil, []Finding{{Path: tableDir + name, Text: "the table is missing"}}
}

// tableFinding is a finding about a line of a table.
func tableFinding(name string, line int, text string) Finding {
	return Finding{Path: tableDir + name, Line: line, Text: text}
}
