package writing

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"goflink/core/stream"
)

// Buckets assigns records to directories below the path of a file sink.
type Buckets[T any] struct {
	// New makes the assigner of one subtask and attempt, which may remember its last answer. The
	// assigner gets the record, its timestamp (or stream.NoTimestamp) and the processing time, and
	// returns a relative path such as "2024-05-17--13" or "dt=2024-05-17/hr=13".
	New func() func(v T, timestamp, now int64) string
}

// BucketBy puts records into the directory that f returns. f must be pure.
func BucketBy[T any](f func(v T) string) Buckets[T] {
	return Buckets[T]{func() func(T, int64, int64) string {
		return func(v T, _, _ int64) string { return f(v) }
	}}
}

// HourlyBuckets is the layout of one directory per hour, as Flink's DateTimeBucketAssigner has it.
const HourlyBuckets = "2006-01-02--15"

// BucketByTime puts records into the directory of the time at which they are written, by a layout
// of package time.
func BucketByTime[T any](layout string, zone *time.Location) Buckets[T] {
	return timeBuckets[T](layout, zone, func(_, now int64) int64 { return now })
}

// BucketByTimestamp is BucketByTime by the records' timestamps; records without one go by the time
// at which they are written.
func BucketByTimestamp[T any](layout string, zone *time.Location) Buckets[T] {
	return timeBuckets[T](layout, zone, func(timestamp, now int64) int64 {
		if timestamp == stream.NoTimestamp {
			return now
		}
		return timestamp
	})
}

func timeBuckets[T any](layout string, zone *time.Location, pick func(timestamp, now int64) int64,
) Buckets[T] {
	// Within a second the bucket is the same, unless the layout has fractions.
	step := int64(1000)
	for _, fraction := range []string{".0", ",0", ".9", ",9"} {
		if strings.Contains(layout, fraction) {
			step = 1
		}
	}
	return Buckets[T]{func() func(T, int64, int64) string {
		last, bucket := int64(0), ""
		return func(_ T, timestamp, now int64) string {
			at := pick(timestamp, now)
			second := at / step
			if at < 0 {
				second = (at+1)/step - 1
			}
			if bucket == "" || second != last {
				last, bucket = second, time.UnixMilli(at).In(zone).Format(layout)
			}
			return bucket
		}
	}}
}

// checkBucket verifies that a bucket is a path that stays below its parent.
func checkBucket(bucket string) error {
	if bucket == "" {
		return nil
	}
	for elem := range strings.SplitSeq(bucket, "/") {
		if err := checkName(elem); err != nil {
			return fmt.Errorf("bucket %q: %w; want a relative path such as 2024-05-17/eu", bucket,
				err)
		}
	}
	return nil
}

// checkName verifies that a string can be the name of a file.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q is no name of a file", name)
	case strings.ContainsAny(name, "/\x00"):
		return errors.New("the name of a file has no slash and no NUL byte")
	}
	return nil
}
