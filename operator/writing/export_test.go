package writing

import (
	"goflink/core/typeinfo"
	"goflink/operator"
)

// CollectWithin is Collect with other limits, in bytes.
func CollectWithin[T any](typ *typeinfo.Type[T], held, window, page, record int) operator.Factory {
	return collectWithin(typ, collectLimits{held, window, page, record})
}
