package metric

// Level grades the backpressure of a subtask by the share of samples in which it was found waiting
// for room in its outputs (R107).
type Level uint8

// The levels.
const (
	OK Level = iota
	Low
	High
)

// The shares up to which a subtask is OK, and Low.
const (
	okShare  = 0.10
	lowShare = 0.50
)

// LevelOf is the level of a share.
func LevelOf(share float64) Level {
	switch {
	case share <= okShare:
		return OK
	case share <= lowShare:
		return Low
	}
	return High
}

// String is the level's name, as Flink's REST interface writes it.
func (l Level) String() string { return [...]string{"ok", "low", "high"}[l] }
