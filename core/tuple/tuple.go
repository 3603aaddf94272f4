package tuple

import "goflink/core/typeinfo"

// T1 is a tuple of one value, Flink's Tuple1.
type T1[A any] struct {
	F0 A
}

// New1 returns the tuple of its arguments.
func New1[A any](f0 A) T1[A] {
	return T1[A]{f0}
}

// TypeShape marks the type for package typeinfo.
func (T1[A]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T1[A]) String() string { return typeinfo.Text(t) }

func _[A any](v T1[A]) { var _ typeinfo.Shaped = v }

// T2 is a tuple of two values, Flink's Tuple2.
type T2[A, B any] struct {
	F0 A
	F1 B
}

// New2 returns the tuple of its arguments.
func New2[A, B any](f0 A, f1 B) T2[A, B] {
	return T2[A, B]{f0, f1}
}

// TypeShape marks the type for package typeinfo.
func (T2[A, B]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T2[A, B]) String() string { return typeinfo.Text(t) }

func _[A, B any](v T2[A, B]) { var _ typeinfo.Shaped = v }

// T3 is a tuple of three values, Flink's Tuple3.
type T3[A, B, C any] struct {
	F0 A
	F1 B
	F2 C
}

// New3 returns the tuple of its arguments.
func New3[A, B, C any](f0 A, f1 B, f2 C) T3[A, B, C] {
	return T3[A, B, C]{f0, f1, f2}
}

// TypeShape marks the type for package typeinfo.
func (T3[A, B, C]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T3[A, B, C]) String() string { return typeinfo.Text(t) }

func _[A, B, C any](v T3[A, B, C]) { var _ typeinfo.Shaped = v }

// T4 is a tuple of four values, Flink's Tuple4.
type T4[A, B, C, D any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
}

// New4 returns the tuple of its arguments.
func New4[A, B, C, D any](f0 A, f1 B, f2 C, f3 D) T4[A, B, C, D] {
	return T4[A, B, C, D]{f0, f1, f2, f3}
}

// TypeShape marks the type for package typeinfo.
func (T4[A, B, C, D]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T4[A, B, C, D]) String() string { return typeinfo.Text(t) }

func _[A, B, C, D any](v T4[A, B, C, D]) { var _ typeinfo.Shaped = v }

// T5 is a tuple of five values, Flink's Tuple5.
type T5[A, B, C, D, E any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
}

// New5 returns the tuple of its arguments.
func New5[A, B, C, D, E any](f0 A, f1 B, f2 C, f3 D, f4 E) T5[A, B, C, D, E] {
	return T5[A, B, C, D, E]{f0, f1, f2, f3, f4}
}

// TypeShape marks the type for package typeinfo.
func (T5[A, B, C, D, E]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T5[A, B, C, D, E]) String() string { return typeinfo.Text(t) }

func _[A, B, C, D, E any](v T5[A, B, C, D, E]) { var _ typeinfo.Shaped = v }

// T6 is a tuple of six values, Flink's Tuple6.
type T6[A, B, C, D, E, F any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
}

// New6 returns the tuple of its arguments.
func New6[A, B, C, D, E, F any](f0 A, f1 B, f2 C, f3 D, f4 E, f5 F) T6[A, B, C, D, E, F] {
	return T6[A, B, C, D, E, F]{f0, f1, f2, f3, f4, f5}
}

// TypeShape marks the type for package typeinfo.
func (T6[A, B, C, D, E, F]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T6[A, B, C, D, E, F]) String() string { return typeinfo.Text(t) }

func _[A, B, C, D, E, F any](v T6[A, B, C, D, E, F]) { var _ typeinfo.Shaped = v }

// T7 is a tuple of seven values, Flink's Tuple7.
type T7[A, B, C, D, E, F, G any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
	F6 G
}

// New7 returns the tuple of its arguments.
func New7[A, B, C, D, E, F, G any](
	f0 A, f1 B, f2 C, f3 D, f4 E, f5 F, f6 G,
) T7[A, B, C, D, E, F, G] {
	return T7[A, B, C, D, E, F, G]{f0, f1, f2, f3, f4, f5, f6}
}

// TypeShape marks the type for package typeinfo.
func (T7[A, B, C, D, E, F, G]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T7[A, B, C, D, E, F, G]) String() string { return typeinfo.Text(t) }

func _[A, B, C, D, E, F, G any](v T7[A, B, C, D, E, F, G]) { var _ typeinfo.Shaped = v }

// T8 is a tuple of eight values, Flink's Tuple8.
type T8[A, B, C, D, E, F, G, H any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
	F6 G
	F7 H
}

// New8 returns the tuple of its arguments.
func New8[A, B, C, D, E, F, G, H any](
	f0 A, f1 B, f2 C, f3 D, f4 E, f5 F, f6 G,
	f7 H,
) T8[A, B, C, D, E, F, G, H] {
	return T8[A, B, C, D, E, F, G, H]{f0, f1, f2, f3, f4, f5, f6, f7}
}

// TypeShape marks the type for package typeinfo.
func (T8[A, B, C, D, E, F, G, H]) TypeShape() string { return "tuple" }

// String returns the tuple as Flink prints it, "(a,b)".
func (t T8[A, B, C, D, E, F, G, H]) String() string { return typeinfo.Text(t) }

func _[A, B, C, D, E, F, G, H any](v T8[A, B, C, D, E, F, G, H]) { var _ typeinfo.Shaped = v }
