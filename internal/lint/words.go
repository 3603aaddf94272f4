package lint

import (
	"bytes"
	"regexp"
	"strings"
)

// wordsTable lists what no file may say.
const wordsTable = "words.txt"

// checkWords reports text that ties the project to one machine, one registry or one way of
// developing it. Binary files, files over a megabyte and the planted faults of this package are
// left out.
func checkWords(t *Tree) []Finding {
	rows, found := t.table(wordsTable)
	for _, r := range rows {
		word, err := regexp.Compile("(?m)" + r.fields[0])
		if err != nil || len(r.fields) < 2 {
			found = append(found, tableFinding(wordsTable, r.line,
				"want a regular expression and a reason"))
			continue
		}
		reason := strings.Join(r.fields[1:], " ")
		for _, text := range t.Texts {
			if covers(tableDir+"testdata", text.Path) {
				continue
			}
			for _, at := range word.FindAllIndex(text.Data, -1) {
				match := strings.TrimSpace(string(text.Data[at[0]:at[1]]))
				found = append(found, Finding{
					Path: text.Path, Line: 1 + bytes.Count(text.Data[:at[1]-1], []byte{'\n'}),
					Text: "`" + match + "`: " + reason,
				})
			}
		}
	}
	return found
}
