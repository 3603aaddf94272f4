package statetable

import (
	"errors"
	"fmt"

	"goflink/core/keygroup"
)

// errTwice is about snapshots that hold one key twice, as overlapping ones would.
var errTwice = errors.New("the snapshot holds a key twice")

func outside(group int, groups keygroup.Range) error {
	return fmt.Errorf("a key of key group %d is in the state of an operator instance that "+
		"owns %v: the key selector may give different keys for one record", group, groups)
}
