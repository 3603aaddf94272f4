package typeinfo

// skipSteps returns what lies behind a value without reading it into memory. It needs no Go
// type: the steps may come from a schema alone.
func skipSteps(src []byte, steps []step, depth int) ([]byte, error) {
	for i := range steps {
		s := &steps[i]
		var err error
		switch s.op {
		case opHeader:
			if len(src) < 1 || src[0] != headerPresent {
				return nil, atPath(s.path, headerError(src))
			}
			src = src[1:]
		case opBool:
			if len(src) < 1 || src[0] > 1 {
				return nil, atPath(s.path, flagError("bool", src))
			}
			src = src[1:]
		case opRaw1, opRaw2, opRaw4, opRaw8, opRaw:
			if len(src) < s.n {
				return nil, atPath(s.path, truncated("value", s.n, len(src)))
			}
			src = src[s.n:]
		default:
			if src, err = s.node.skip(src, depth); err != nil {
				return nil, atPath(s.path, err)
			}
		}
	}
	return src, nil
}

func (n *node) skip(src []byte, depth int) ([]byte, error) {
	switch n.op {
	case opString, opOwn:
		length, rest, err := readLen(src)
		if err != nil {
			return nil, err
		}
		return rest[length:], nil
	case opTime:
		if len(src) < timeBytes {
			return nil, truncated("time", timeBytes, len(src))
		}
		return src[timeBytes:], nil
	case opSlice:
		return n.skipSlice(src, depth+1)
	case opArray:
		return n.elem.skipRun(src, n.length, depth)
	case opMap:
		return n.skipMap(src, depth+1)
	case opPtr:
		return n.skipPtr(src, depth+1)
	case opOption:
		if len(src) == 0 || src[0] > 1 {
			return nil, flagError("option", src)
		}
		if src[0] == 0 {
			return src[1:], nil
		}
		return skipSteps(src[1:], n.elem.steps, depth)
	case opEither:
		if len(src) == 0 || src[0] > 1 {
			return nil, flagError("either", src)
		}
		return skipSteps(src[1:], n.fields[src[0]].node.steps, depth)
	case opGeneric:
		return skipGeneric(src, depth+1)
	default:
		return skipSteps(src, n.steps, depth)
	}
}

func (n *node) skipRun(src []byte, count, depth int) ([]byte, error) {
	if n.fixed == 0 {
		return src, nil
	}
	if n.raw {
		if count > len(src)/n.fixed {
			return nil, truncated("values", count*n.fixed, len(src))
		}
		return src[count*n.fixed:], nil
	}
	var err error
	for i := range count {
		if src, err = skipSteps(src, n.steps, depth); err != nil {
			return nil, atIndex(i, err)
		}
	}
	return src, nil
}

func (n *node) skipSlice(src []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	count, _, src, err := readCount(src, n.elem.min)
	if err != nil {
		return nil, err
	}
	return n.elem.skipRun(src, count, depth)
}

func (n *node) skipMap(src []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	minBytes := n.key.min + n.elem.min
	count, _, src, err := readCount(src, minBytes)
	if err != nil {
		return nil, err
	}
	if minBytes == 0 && count > 1 {
		return nil, corrupt("map with %d entries whose keys take no bytes", count)
	}
	for range count {
		if src, err = skipSteps(src, n.key.steps, depth); err != nil {
			return nil, atPath("[key]", err)
		}
		if src, err = skipSteps(src, n.elem.steps, depth); err != nil {
			return nil, atPath("[value]", err)
		}
	}
	return src, nil
}

func (n *node) skipPtr(src []byte, depth int) ([]byte, error) {
	if len(src) > 0 && src[0] == headerNil {
		return src[1:], nil
	}
	if len(src) == 0 || src[0] != headerPresent {
		return nil, headerError(src)
	}
	if depth > MaxDepth {
		return nil, errDepth
	}
	if n.elem.op != opStruct {
		src = src[1:]
	}
	return skipSteps(src, n.elem.steps, depth)
}
