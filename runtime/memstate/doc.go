// Package memstate is the state backend "hashmap": keyed state lives on the heap as Go values
// (core/statetable) and is written in the canonical format at every checkpoint; operator state is
// kept here whatever the backend (R66, R68–R70).
//
// A snapshot's synchronous part freezes the tables, in constant time each; its asynchronous part
// walks the frozen pages while the task goes on (R75).
//
// State that was restored is decoded when the program opens it. What the program does not open is
// kept as the bytes it was, and goes into every later snapshot unchanged: a program that leaves
// out a state for one version does not lose it.
package memstate
