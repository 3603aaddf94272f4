package typeinfo

import (
	"fmt"
	"math"
	"reflect"
	"sync/atomic"
	"time"
)

// timeBytes is the encoded size of a time.Time.
const timeBytes = 16

var (
	timeType     = reflect.TypeFor[time.Time]()
	locationType = reflect.TypeFor[*time.Location]()
)

// quarterHours is the number of zone offsets that are kept: every quarter of an hour from
// -14:00 to +14:00, which are all that are in use today.
const (
	quarterSeconds  = 15 * 60
	quarterHoursMax = 14 * 4
)

// zones caches the fixed zones by offset, so that reading a time does not allocate.
var zones [2*quarterHoursMax + 1]atomic.Pointer[time.Location]

// zone returns the location for an offset in seconds east of UTC.
func zone(offset int) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	i := offset/quarterSeconds + quarterHoursMax
	if offset%quarterSeconds != 0 || i < 0 || i >= len(zones) {
		return time.FixedZone("", offset)
	}
	if loc := zones[i].Load(); loc != nil {
		return loc
	}
	zones[i].CompareAndSwap(nil, time.FixedZone("", offset))
	return zones[i].Load()
}

func appendTime(dst []byte, t time.Time) ([]byte, error) {
	offset := 0
	if t.Location() != time.UTC {
		_, offset = t.Zone()
	}
	if offset < math.MinInt32 || offset > math.MaxInt32 {
		return nil, fmt.Errorf("time zone offset of %d seconds does not fit 32 bits", offset)
	}
	dst = le.AppendUint64(dst, uint64(t.Unix()))
	dst = le.AppendUint32(dst, uint32(t.Nanosecond()))
	return le.AppendUint32(dst, uint32(int32(offset))), nil
}

func decodeTime(src []byte, t *time.Time) ([]byte, error) {
	if len(src) < timeBytes {
		return nil, truncated("time", timeBytes, len(src))
	}
	sec, nsec := int64(le.Uint64(src)), le.Uint32(src[8:])
	if nsec >= 1e9 {
		return nil, corrupt("time with %d nanoseconds", nsec)
	}
	*t = time.Unix(sec, int64(nsec)).In(zone(int(int32(le.Uint32(src[12:])))))
	return src[timeBytes:], nil
}
