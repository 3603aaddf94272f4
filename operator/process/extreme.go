package process

import (
	"errors"
	"unsafe"

	"goflink/core/state"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// Ties says which of several records with an equal extreme MinBy and MaxBy keep.
type Ties uint8

const (
	// KeepFirst keeps the record that came first.
	KeepFirst Ties = iota
	// KeepLast keeps the record that came last.
	KeepLast
)

// Sum returns the factory of a rolling sum of a field (R38): for each record it emits the key's
// first record with the sum in that field. field is a name that typeinfo.Type.Field knows, the
// position of a tuple's field, or empty if records are plain numbers. The sum has the field's type
// and wraps around at its limits.
func Sum[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], field string) (operator.Factory, error) {
	f, err := checkedField(by, info, field, "sum", "summed",
		func(k kernel) bool { return k.add != nil })
	if err != nil {
		return nil, err
	}
	add, off := f.add, f.offset
	return rollingField(by, info, func(o *rollingOp[T, K, T, T]) func(int, *T, bool) error {
		return func(i int, p *T, found bool) error {
			if found {
				add(unsafe.Add(unsafe.Pointer(p), off),
					unsafe.Add(unsafe.Pointer(&o.values[i]), off))
			} else {
				*p = o.values[i]
				info.CloneStrings(p)
			}
			o.b.Values[i] = *p
			return nil
		}
	}), nil
}

// Min returns the factory of a rolling minimum: for each record it emits the key's first record
// with the least value so far in the field. Fields are named as for Sum; numbers, strings, bools
// and times have an order, in which NaN is the greatest number.
func Min[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], field string) (operator.Factory, error) {
	return extremeField(by, info, field, "min", -1)
}

// Max is Min for the greatest value.
func Max[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], field string) (operator.Factory, error) {
	return extremeField(by, info, field, "max", 1)
}

// MinBy returns the factory of an operator that emits, for each record, that of the key's records
// so far whose field is least; ties says which one of several.
func MinBy[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], field string, ties Ties,
) (operator.Factory, error) {
	return extremeRecord(by, info, field, "minBy", -1, ties)
}

// MaxBy is MinBy for the greatest value.
func MaxBy[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], field string, ties Ties,
) (operator.Factory, error) {
	return extremeRecord(by, info, field, "maxBy", 1, ties)
}

// ordered reports whether values of a kernel have an order.
func ordered(k kernel) bool { return k.compare != nil }

// extremeField keeps the extreme of a field: sign is that of compare(v, kept) for a v to keep.
func extremeField[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], field, name string, sign int,
) (operator.Factory, error) {
	f, err := checkedField(by, info, field, name, "compared", ordered)
	if err != nil {
		return nil, err
	}
	compare, assign, off := f.compare, f.assign, f.offset
	return rollingField(by, info, func(o *rollingOp[T, K, T, T]) func(int, *T, bool) error {
		return func(i int, p *T, found bool) error {
			v := &o.values[i]
			if !found {
				*p = *v
				info.CloneStrings(p)
			} else {
				kept := unsafe.Add(unsafe.Pointer(p), off)
				if at := unsafe.Add(unsafe.Pointer(v), off); compare(at, kept) == sign {
					assign(kept, at)
				}
			}
			o.b.Values[i] = *p
			return nil
		}
	}), nil
}

// extremeRecord keeps the record with the extreme of a field.
func extremeRecord[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], field, name string, sign int,
	ties Ties,
) (operator.Factory, error) {
	f, err := checkedField(by, info, field, name, "compared", ordered)
	if err != nil {
		return nil, err
	}
	compare, off, last := f.compare, f.offset, ties == KeepLast
	return rollingField(by, info, func(o *rollingOp[T, K, T, T]) func(int, *T, bool) error {
		return func(i int, p *T, found bool) error {
			v := &o.values[i]
			if !found {
				*p = *v
			} else {
				c := compare(unsafe.Add(unsafe.Pointer(v), off), unsafe.Add(unsafe.Pointer(p), off))
				if c == sign || c == 0 && last {
					*p = *v
				}
			}
			o.b.Values[i] = *p
			return nil
		}
	}), nil
}

// checkedField checks what the factories of this file are given and finds the field.
func checkedField[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], name, aggregation, can string,
	usable func(k kernel) bool,
) (field, error) {
	if err := by.check(); err != nil {
		return field{}, err
	}
	if info == nil {
		return field{}, errors.New(aggregation + " by a field needs the type of the records")
	}
	return fieldOf(info, name, aggregation, can, usable)
}

// rollingField is the factory of a rolling operator whose update is made by a function.
func rollingField[T, K any](by KeyBy[T, K], info *typeinfo.Type[T],
	update func(o *rollingOp[T, K, T, T]) func(i int, p *T, found bool) error,
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		o := &rollingOp[T, K, T, T]{by: by}
		o.spec = statetable.NewSpec(rollingState, state.KindReducing, info)
		o.update = update(o)
		return o, nil
	})
}
