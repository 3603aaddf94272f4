package tuple

import "goflink/core/typeinfo"

// Option is a value that may be missing. The zero Option is None.
type Option[T any] struct {
	Value T    // zero if not Valid
	Valid bool // whether there is a value
}

// Some returns the option that holds v.
func Some[T any](v T) Option[T] { return Option[T]{v, true} }

// None returns the option without a value.
func None[T any]() Option[T] { return Option[T]{} }

// Get returns the value and whether there is one.
func (o Option[T]) Get() (v T, ok bool) { return o.Value, o.Valid }

// OrElse returns the value, or other if there is none.
func (o Option[T]) OrElse(other T) T {
	if o.Valid {
		return o.Value
	}
	return other
}

// TypeShape marks the type for package typeinfo.
func (Option[T]) TypeShape() string { return "option" }

// String returns "Some(x)" or "None".
func (o Option[T]) String() string { return typeinfo.Text(o) }

// Either is a value of one of two types. The zero Either is the left zero value.
type Either[L, R any] struct {
	Left    L    // zero if IsRight
	Right   R    // zero if not IsRight
	IsRight bool // which side it is
}

// Left returns the either that holds v on its left side.
func Left[L, R any](v L) Either[L, R] { return Either[L, R]{Left: v} }

// Right returns the either that holds v on its right side.
func Right[L, R any](v R) Either[L, R] { return Either[L, R]{Right: v, IsRight: true} }

// TypeShape marks the type for package typeinfo.
func (Either[L, R]) TypeShape() string { return "either" }

// String returns "Left(x)" or "Right(x)".
func (e Either[L, R]) String() string { return typeinfo.Text(e) }

func _[T any](v Option[T]) { var _ typeinfo.Shaped = v }

func _[L, R any](v Either[L, R]) { var _ typeinfo.Shaped = v }
