package checkpoint

import (
	"fmt"
	"strconv"
	"strings"

	"goflink/core/id"
)

// FileName is what the name of a state file says: who wrote it, and for which checkpoint. Deletion
// goes by it: a leader deletes files of its own and older epochs of its own job only.
//
//	<job>.<epoch>.<checkpoint>.<vertex>.<subtask>.<attempt>.<number>.<hint>
//
// Ids are hexadecimal, the rest decimal; the hint is letters, digits, hyphens and underscores.
type FileName struct {
	Attempt    id.Attempt
	Epoch      uint64
	Checkpoint uint64
	// Number tells the files of one attempt and checkpoint apart.
	Number uint64
	// Hint says what is inside, for people.
	Hint string
}

// Inside reports whether a file lies in a directory itself, both as URIs without a slash at the
// end.
func Inside(file, location string) bool {
	rest, ok := strings.CutPrefix(file, location)
	return ok && location != "" && len(rest) > 1 && rest[0] == '/' &&
		strings.IndexByte(rest[1:], '/') < 0
}

// MaxHint is the largest length of FileName.Hint.
const MaxHint = 40

// String is the file's name.
func (f FileName) String() string {
	return fmt.Sprintf("%s.%d.%d.%s.%d.%d.%d.%s", f.Attempt.Job, f.Epoch, f.Checkpoint,
		f.Attempt.Vertex, f.Attempt.Subtask, f.Attempt.Number, f.Number, cleanHint(f.Hint))
}

// cleanHint makes a hint fit for a name.
func cleanHint(hint string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, hint)
	if clean == "" {
		return "state"
	}
	return clean[:min(len(clean), MaxHint)]
}

// ParseFileName reads the last element of a path; ok is false for names that String did not make.
func ParseFileName(path string) (f FileName, ok bool) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	parts := strings.Split(name, ".")
	if len(parts) != 8 || len(parts[7]) > MaxHint {
		return f, false
	}
	job, vertex := f.Attempt.Job.UnmarshalText([]byte(parts[0])),
		f.Attempt.Vertex.UnmarshalText([]byte(parts[3]))
	if job != nil || vertex != nil {
		return f, false
	}
	var numbers [5]uint64
	for i, at := range []int{1, 2, 4, 5, 6} {
		n, err := strconv.ParseUint(parts[at], 10, 64)
		if err != nil || (at == 4 || at == 5) && n > 1<<31-1 {
			return f, false
		}
		numbers[i] = n
	}
	f.Epoch, f.Checkpoint, f.Number = numbers[0], numbers[1], numbers[4]
	f.Attempt.Subtask, f.Attempt.Number = int32(numbers[2]), int32(numbers[3])
	f.Hint = parts[7]
	return f, f.String() == name
}
