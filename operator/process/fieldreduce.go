package process

import (
	"errors"
	"unsafe"

	"goflink/core/typeinfo"
	"goflink/internal/noescape"
)

// SumField returns a reduce function that sums a field: the other fields are those of its first
// argument. Fields are named as for Sum. It is what windows aggregate by.
func SumField[T any](info *typeinfo.Type[T], field string) (func(a, b T) T, error) {
	f, err := reducedField(info, field, "sum", "summed",
		func(k kernel) bool { return k.add != nil })
	if err != nil {
		return nil, err
	}
	add, off := f.add, f.offset
	return func(a, b T) T {
		add(fieldAt(&a, off), fieldAt(&b, off))
		return a
	}, nil
}

// MinField returns a reduce function that keeps the least value of a field: the other fields are
// those of its first argument.
func MinField[T any](info *typeinfo.Type[T], field string) (func(a, b T) T, error) {
	return reduceExtreme(info, field, "min", -1)
}

// MaxField is MinField for the greatest value.
func MaxField[T any](info *typeinfo.Type[T], field string) (func(a, b T) T, error) {
	return reduceExtreme(info, field, "max", 1)
}

// MinByField returns a reduce function that keeps the record whose field is least; ties says which
// one of two with equal fields.
func MinByField[T any](info *typeinfo.Type[T], field string, ties Ties) (func(a, b T) T, error) {
	return reduceRecord(info, field, "minBy", -1, ties)
}

// MaxByField is MinByField for the greatest value.
func MaxByField[T any](info *typeinfo.Type[T], field string, ties Ties) (func(a, b T) T, error) {
	return reduceRecord(info, field, "maxBy", 1, ties)
}

// fieldAt is the address of a field of a record, for the length of a kernel's call.
func fieldAt[T any](v *T, off uintptr) unsafe.Pointer {
	return unsafe.Add(noescape.Pointer(unsafe.Pointer(v)), off)
}

// reduceExtreme keeps the extreme of a field: sign is that of compare(b, a) for b's to replace a's.
func reduceExtreme[T any](info *typeinfo.Type[T], field, name string, sign int,
) (func(a, b T) T, error) {
	f, err := reducedField(info, field, name, "compared", ordered)
	if err != nil {
		return nil, err
	}
	compare, assign, off := f.compare, f.assign, f.offset
	return func(a, b T) T {
		kept, at := fieldAt(&a, off), fieldAt(&b, off)
		if compare(at, kept) == sign {
			assign(kept, at)
		}
		return a
	}, nil
}

// reduceRecord keeps the record with the extreme of a field.
func reduceRecord[T any](info *typeinfo.Type[T], field, name string, sign int, ties Ties,
) (func(a, b T) T, error) {
	f, err := reducedField(info, field, name, "compared", ordered)
	if err != nil {
		return nil, err
	}
	compare, off, last := f.compare, f.offset, ties == KeepLast
	return func(a, b T) T {
		c := compare(fieldAt(&b, off), fieldAt(&a, off))
		if c == sign || c == 0 && last {
			return b
		}
		return a
	}, nil
}

// reducedField finds the field of a reduce function.
func reducedField[T any](info *typeinfo.Type[T], name, aggregation, can string,
	usable func(k kernel) bool,
) (field, error) {
	if info == nil {
		return field{}, errors.New(aggregation + " by a field needs the type of the records")
	}
	return fieldOf(info, name, aggregation, can, usable)
}
