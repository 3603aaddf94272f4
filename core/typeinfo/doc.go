// Package typeinfo is the type system of the engine: serializers, keys, schemas and the text form
// of every Go type that a record, a key or a state value can have.
//
// A [Type] is built once per Go type by reflection and is from then on a compiled program of
// (offset, operation) steps that runs over unsafe pointers: no reflection, no boxing and no
// allocation for records of fixed size. Types and keys are immutable and safe for concurrent use.
//
// # Encoded form
//
// All numbers are little-endian. The layout of format version 1 is:
//
//	bool                    1 byte, 0 or 1
//	int8 … int64, uint8 …   1, 2, 4 or 8 bytes; int and uint always 8
//	float32/64, complex     4 or 8 bytes IEEE 754 bits; complex: real, imaginary
//	string                  uvarint length, bytes
//	slice, map              uvarint count, then elements (map: key, value, in no order)
//	array                   the elements
//	struct                  1 header byte, then the exported fields in order
//	tuple                   the fields, no header
//	pointer                 1 header byte with the nil flag, then the value; a pointer to a
//	                        struct shares the struct's header byte
//	option                  1 byte 0 or 1, then the value if 1
//	either                  1 byte 0 (left) or 1 (right), then that side
//	time.Time               8 bytes Unix seconds, 4 bytes nanoseconds, 4 bytes zone offset in
//	                        seconds: the instant is exact, the zone's name is lost, the
//	                        monotonic reading too; offset 0 is read back as UTC
//	own codec               uvarint length, bytes of AppendBinary or MarshalBinary
//	interface, gob type     1 tag byte, then the value; see [Register]
//
// A nil slice or map has count 0 in one byte; one that is empty but not nil has count 0 in two
// bytes (the overlong form 0x80 0x00), so that both come back as they were and a plain uvarint
// reader still sees 0. Values reached through several pointers are written once for each pointer.
//
// # What a type may be
//
// Named types go by their underlying kind. A type that has its own codec (AppendBinary or
// MarshalBinary together with UnmarshalBinary, see package encoding) is left to it, unless the
// methods come from an embedded field and would lose the other fields. Struct fields must be
// exported; the tag `flink:"name"` renames a field and `flink:"-"` leaves it out: such a field is
// zero after decoding, and Clone copies it as it is. An unexported field is refused, because it
// would be lost without a word. Channels, functions, uintptr and unsafe.Pointer are refused.
// Interfaces, and types that only know gob, use the generic fallback, which [WithoutGeneric]
// forbids. Recursive types work up to [MaxDepth].
//
// # Keys
//
// A key is its canonical bytes; see [Key]. Equality, key group and storage all go by them, and
// their order as bytes is the logical order of the keys.
package typeinfo
