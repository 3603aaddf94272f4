package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Day is 24 hours, the unit "d".
const Day = 24 * time.Hour

// Forever is the longest duration. Longer ones, such as Flink's 9223372036854775807 ms, are read
// as Forever.
const Forever = time.Duration(math.MaxInt64)

// durationUnits maps each spelling of a unit to its length.
var durationUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "nano": time.Nanosecond, "nanos": time.Nanosecond,
	"nanosecond": time.Nanosecond, "nanoseconds": time.Nanosecond,
	"us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"micro": time.Microsecond, "micros": time.Microsecond,
	"microsecond": time.Microsecond, "microseconds": time.Microsecond,
	"ms": time.Millisecond, "milli": time.Millisecond, "millis": time.Millisecond,
	"millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"s": time.Second, "sec": time.Second, "secs": time.Second,
	"second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute,
	"minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": Day, "day": Day, "days": Day,
}

// ParseDuration reads a length of time as Flink writes it: a whole number and a unit, "10 s",
// "5min", "500 ms", "1 d"; case and spaces between them do not matter, a bare number is
// milliseconds. Go's own notation with several parts or a fraction ("1m30s", "1.5h") is read,
// too. What does not fit 292 years is [Forever]; negative durations are errors.
func ParseDuration(s string) (time.Duration, error) {
	return ParseDurationIn(s, time.Millisecond)
}

// ParseDurationIn is [ParseDuration] with another unit for bare numbers.
func ParseDurationIn(s string, bare time.Duration) (time.Duration, error) {
	text := strings.TrimSpace(s)
	number, unit := splitNumber(text)
	if number == "" {
		return 0, errors.New("does not start with a number")
	}
	length, known := durationUnits[strings.ToLower(unit)]
	if unit == "" {
		length, known = bare, bare > 0
	}
	if !known {
		if d, err := time.ParseDuration(text); err == nil && d >= 0 {
			return d, nil
		}
		return 0, fmt.Errorf("unknown unit %q", clip(unit))
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, errors.New("number larger than 2^63-1")
	}
	if n > math.MaxInt64/int64(length) {
		return Forever, nil
	}
	return time.Duration(n) * length, nil
}

// FormatDuration writes d as Flink does, with the largest unit that holds it without a
// fraction: "10 s". [ParseDuration] reads it back.
func FormatDuration(d time.Duration) string {
	units := []struct {
		length time.Duration
		name   string
	}{
		{Day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"},
		{time.Millisecond, "ms"}, {time.Microsecond, "us"},
	}
	if d == 0 {
		return "0 ms"
	}
	for _, u := range units {
		if d%u.length == 0 {
			return strconv.FormatInt(int64(d/u.length), 10) + " " + u.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + " ns"
}
