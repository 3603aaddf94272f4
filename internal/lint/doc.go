// Package lint checks the rules of this repository that the compiler, go vet and staticcheck do not
// know.
//
// It reads every Go file under the module's root, whatever its build tags and whether git knows it
// or not, and reports each broken rule with its place. `go test ./internal/lint` runs the rules
// over the repository (TestRepository) and over planted faults (TestPlanted, testdata/<rule>.txt),
// so that a rule that stopped seeing anything fails, too.
//
// Left out are folders named testdata, folders that .gitignore names with a leading and a trailing
// slash, modules of their own (tools) and, for the rules about style, generated files.
//
// Four tables beside the code are meant to be edited with the code that they speak of:
//
//   - layers.txt: which folder may import which;
//   - purefiles.txt: where no goroutine, no I/O or not even a clock is allowed;
//   - longfuncs.txt: functions that may be longer than the limit, each with its reason;
//   - words.txt: what no file of the tree may say.
//
// To add a rule, write its check, put it into [Rules] and plant its faults in testdata/<rule>.txt.
package lint
