package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Memory is a size in bytes.
type Memory int64

// Units of memory. As in Flink all multiples are binary, whatever their spelling.
const (
	Byte     Memory = 1
	Kibibyte        = 1024 * Byte
	Mebibyte        = 1024 * Kibibyte
	Gibibyte        = 1024 * Mebibyte
	Tebibyte        = 1024 * Gibibyte
)

// memoryUnits maps each spelling of a unit to its size.
var memoryUnits = map[string]Memory{
	"b": Byte, "byte": Byte, "bytes": Byte,
	"k": Kibibyte, "kb": Kibibyte, "kib": Kibibyte, "kibibyte": Kibibyte, "kibibytes": Kibibyte,
	"m": Mebibyte, "mb": Mebibyte, "mib": Mebibyte, "mebibyte": Mebibyte, "mebibytes": Mebibyte,
	"g": Gibibyte, "gb": Gibibyte, "gib": Gibibyte, "gibibyte": Gibibyte, "gibibytes": Gibibyte,
	"t": Tebibyte, "tb": Tebibyte, "tib": Tebibyte, "tebibyte": Tebibyte, "tebibytes": Tebibyte,
}

// ParseMemory reads a size such as "1728m", "32 kb", "20 kib" or "1 gb": a whole number and a
// unit, case and spaces between them do not matter. A bare number is bytes. All units are powers
// of 1024.
func ParseMemory(s string) (Memory, error) { return ParseMemoryIn(s, Byte) }

// ParseMemoryIn is [ParseMemory] with another unit for bare numbers: the command line's
// container sizes, for instance, are MiB when they carry none.
func ParseMemoryIn(s string, bare Memory) (Memory, error) {
	number, unit := splitNumber(strings.TrimSpace(s))
	if number == "" {
		return 0, errors.New("does not start with a number")
	}
	factor := bare
	if unit != "" {
		f, ok := memoryUnits[strings.ToLower(unit)]
		if !ok {
			return 0, fmt.Errorf("unknown unit %q", clip(unit))
		}
		factor = f
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || factor <= 0 || n > math.MaxInt64/int64(factor) {
		return 0, errors.New("larger than 2^63-1 bytes")
	}
	return Memory(n) * factor, nil
}

// String returns the size with the largest unit that holds it without a fraction: "1728mb".
// [ParseMemory] reads it back.
func (m Memory) String() string {
	switch {
	case m == 0:
		return "0"
	case m == math.MaxInt64:
		return strconv.FormatInt(int64(m), 10) + "b"
	case m%Tebibyte == 0:
		return fmt.Sprintf("%dtb", m/Tebibyte)
	case m%Gibibyte == 0:
		return fmt.Sprintf("%dgb", m/Gibibyte)
	case m%Mebibyte == 0:
		return fmt.Sprintf("%dmb", m/Mebibyte)
	case m%Kibibyte == 0:
		return fmt.Sprintf("%dkb", m/Kibibyte)
	}
	return fmt.Sprintf("%db", int64(m))
}

// Bytes returns the size as a plain number of bytes.
func (m Memory) Bytes() int64 { return int64(m) }

// splitNumber splits leading decimal digits from the rest, without the space between them.
func splitNumber(s string) (number, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], strings.TrimSpace(s[i:])
}

// clip shortens text of the user for an error message.
func clip(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
