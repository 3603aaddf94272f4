package typeinfo_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// newRand returns a source of random values whose seed a failing test prints.
func newRand(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("random seed %d: replace the result of rand.Uint64 in newRand to replay", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

var letters = []string{"", "a", "b", "\x00", "\x01", "\xff", "ab", "\x00\xff", "z", "ü", "日本"}

// fill sets v to a random value with many zeros, extremes and repetitions.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(randomInt(r))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(randomInt(r)))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(randomInt(r)>>r.IntN(60)) / 8)
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(float64(r.IntN(5)), float64(r.IntN(5))))
	case reflect.String:
		s := ""
		for range r.IntN(4) {
			s += letters[r.IntN(len(letters))]
		}
		v.SetString(s)
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth)
		}
	case reflect.Slice:
		if depth > 6 || r.IntN(4) == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		if depth > 6 || r.IntN(4) == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, k, depth+1)
			fill(r, e, depth+1)
			v.SetMapIndex(k, e)
		}
	case reflect.Pointer:
		if depth > 6 || r.IntN(3) == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth+1)
	case reflect.Interface:
		v.Set(reflect.ValueOf(r.Int64()))
	case reflect.Struct:
		fillStruct(r, v, depth)
	}
}

func randomInt(r *rand.Rand) int64 {
	switch r.IntN(4) {
	case 0:
		return int64(r.IntN(5) - 2)
	case 1:
		return int64(1) << r.IntN(64)
	case 2:
		return -int64(1) << r.IntN(63)
	default:
		return int64(r.Uint64() >> r.IntN(64))
	}
}

// fillStruct keeps the rules of options and eithers: the side that is not there is zero.
func fillStruct(r *rand.Rand, v reflect.Value, depth int) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		at := time.Unix(randomInt(r)>>24, r.Int64N(1e9)).UTC()
		v.Set(reflect.ValueOf(at))
		return
	}
	flag := v.FieldByName("Valid")
	if side := v.FieldByName("IsRight"); side.IsValid() {
		side.SetBool(r.IntN(2) == 1)
		at := 0
		if side.Bool() {
			at = 1
		}
		fill(r, v.Field(at), depth)
		return
	}
	if flag.IsValid() {
		if r.IntN(3) > 0 {
			fill(r, v.Field(0), depth)
			flag.SetBool(true)
		}
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("flink") != "-" {
			fill(r, v.Field(i), depth)
		}
	}
}

// randomOf returns a random value of type T.
func randomOf[T any](r *rand.Rand) T {
	var v T
	fill(r, reflect.ValueOf(&v).Elem(), 0)
	return v
}
