package config

import "time"

// Time characteristics of a program, the values of [PipelineTimeCharacteristic].
const (
	ProcessingTime = "ProcessingTime"
	IngestionTime  = "IngestionTime"
	EventTime      = "EventTime"
)

// Options of how a program is turned into a job.
var (
	PipelineName = String("pipeline.name", "",
		"Name of the job; the argument of Execute wins.", NoDefault())

	PipelineMaxParallelism = Int("pipeline.max-parallelism", -1,
		"Number of key groups of operators that set none themselves, and so the highest "+
			"parallelism they can ever have. -1 derives it from the parallelism: the power of two "+
			"at or above 1.5 times it, at least 128, at most 32768.", Min(-1), Max(32768))

	PipelineOperatorChaining = Bool("pipeline.operator-chaining.enabled", true,
		"Whether neighbouring operators of equal parallelism are joined into one task.",
		Deprecated("pipeline.operator-chaining"))

	PipelineChainDifferentMaxParallelism = Bool(
		"pipeline.operator-chaining.chain-operators-with-different-max-parallelism", true,
		"Whether operators with different maximal parallelism may be chained.")

	PipelineAutoWatermarkInterval = Duration("pipeline.auto-watermark-interval",
		200*time.Millisecond, "How often periodic watermark generators are asked. 0 turns "+
			"periodic watermarks off.")

	PipelineTimeCharacteristic = Enum("pipeline.time-characteristic", ProcessingTime,
		[]string{ProcessingTime, IngestionTime, EventTime},
		"The time that windows without an explicit kind of time use.",
		Synonym("processing-time", ProcessingTime), Synonym("ingestion-time", IngestionTime),
		Synonym("event-time", EventTime))

	PipelineGenericTypes = Bool("pipeline.generic-types", true,
		"Whether types that only the generic serializer can write are accepted; if false, a "+
			"program that uses one is refused.")

	PipelineCheckMutation = Bool("pipeline.check-mutation", false,
		"Whether tasks check that records and state values are not changed after they were "+
			"handed on, which costs much time. For tests.")

	PipelineAutoGenerateUIDs = Bool("pipeline.auto-generate-uids", true,
		"Whether operators without a uid get one derived from their place in the graph; if "+
			"false, a program with such an operator is refused.")

	PipelineGlobalJobParameters = Map("pipeline.global-job-parameters", nil,
		"Values that every function of the job can read.", NoDefault())

	PipelineCachedFiles = List("pipeline.cached-files", nil,
		"Files handed to every task under a name, each as name:file1,path:'hdfs:///tmp/file1'.",
		NoDefault())

	PipelineParallelismOverrides = Map("pipeline.jobvertex-parallelism-overrides", nil,
		"Parallelism by job vertex id; it replaces that of the submitted job.", NoDefault())

	PipelineVertexDescriptionMode = Enum("pipeline.vertex-description-mode", "TREE",
		[]string{"TREE", "CASCADING"},
		"How the operators of a chain are listed in its description.")

	PipelineVertexIndexPrefix = Bool("pipeline.vertex-name-include-index-prefix", false,
		"Whether the name of a vertex starts with its topological index.")

	PipelineAllowUnalignedSourceSplits = Bool(
		"pipeline.watermark-alignment.allow-unaligned-source-splits", false,
		"Whether watermark alignment lets the splits of a source run apart whose reader cannot "+
			"pause single splits; if false, such a source is refused.")

	PipelineJars = List("pipeline.jars", nil,
		"The program's artifact: path or URL of the binary.", NoDefault())
)
