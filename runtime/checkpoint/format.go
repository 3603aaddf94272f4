package checkpoint

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// The format of a metadata file:
//
//	file    = magic, version (4 bytes), body, end magic, length of all before it (8 bytes), CRC
//	body    = the fields of Metadata in order
//
// Fixed numbers are little endian; the CRC is CRC-32C over all before it. In the body numbers are
// varints (of encoding/binary; signed ones zigzag), lists have their length before them. Texts
// repeat a lot (names, schemas, paths): each is written once, as the length of the prefix that it
// shares with the text written before it and the rest; later it is named by its number. Offsets
// are differences. So a handle costs a few dozen bytes, whatever the number of subtasks.
const (
	magic    = "goflCKPT"
	endMagic = "goflDONE"
	// Version is the version of the format. It changes with the meaning of any byte.
	Version = 1

	headerBytes  = len(magic) + 4
	trailerBytes = len(endMagic) + 8 + 4
)

// Limits of the format.
const (
	// MaxMetadataBytes is the largest metadata file that is read.
	MaxMetadataBytes = 2 << 30
	// MaxTextBytes is the largest name, schema or path.
	MaxTextBytes = 4 << 20
	// maxTextGrowth bounds what texts may grow to by shared prefixes: so many bytes per byte.
	maxTextGrowth = 64
)

// Errors of Decode; each is in the chain of what it returns.
var (
	// ErrNotMetadata says that a file is no checkpoint metadata at all.
	ErrNotMetadata = errors.New("this is no metadata file of a checkpoint")
	// ErrVersion says that the file was written by another version of the engine.
	ErrVersion = errors.New("unknown version of the checkpoint format")
	// ErrTruncated says that the end of the file is missing.
	ErrTruncated = errors.New("truncated checkpoint metadata")
	// ErrCorrupt says that the file is not as it was written.
	ErrCorrupt = errors.New("corrupt checkpoint metadata")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}

// Bits of a snapshot that say which of its lists are there.
const (
	hasKeyed = 1 << iota
	hasOperator
	hasRawKeyed
	hasRawOperator
	hasInputChannels
	hasOutputChannels
	allLists = 1<<iota - 1
)

// Bits of a blob.
const (
	blobInFile = 1 << iota
	blobExclusive
	allBlobBits = 1<<iota - 1
)
