// Package tuple holds the generic composites of the API: tuples of one to eight values (T1 to T8,
// Flink's Tuple1 to Tuple8), Option and Either. They are plain values; package typeinfo knows
// their shapes and encodes them without any header.
package tuple
