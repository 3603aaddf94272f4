package dataplane

import "sync/atomic"

// Traffic counts batches and their bytes.
type Traffic struct{ Batches, Bytes int64 }

// traffic is a Traffic that one goroutine adds to and any may read.
type traffic struct{ batches, bytes atomic.Int64 }

func (t *traffic) add(bytes int64) {
	t.batches.Add(1)
	t.bytes.Add(bytes)
}

func (t *traffic) load() Traffic { return Traffic{t.batches.Load(), t.bytes.Load()} }
