// Package joining joins two streams by key: the interval join, of records whose timestamps lie
// within bounds of each other, and the window join and co-group, of records in the same window
// (R38).
//
// The interval join is an operator with two keyed inputs. The window operations have one input:
// both streams are tagged (TagLeft, TagRight), united and keyed by UnionKey, and the window
// operator does the rest.
package joining
