package checkpoint

import (
	"goflink/core/id"
	"goflink/core/statebackend"
)

// oneFile is a checkpoint with one operator and one file.
func oneFile(checkpoint uint64, file string) Metadata {
	return Metadata{Checkpoint: checkpoint, Job: id.Job{7}, JobName: "old",
		Vertices: []VertexState{{Name: "src", MaxParallelism: 128,
			Operators: []OperatorInfo{{ID: id.OperatorFromUID("src"), UID: "src", Name: "src"}},
			Subtasks: []SubtaskState{{Operators: []statebackend.OperatorSnapshot{{
				Operator: []statebackend.OperatorStateHandle{{Name: "s", Offsets: []int64{0, 1},
					Contents: statebackend.Blob{File: file, Length: 1}}}}}}}}}}
}
