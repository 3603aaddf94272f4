package entrypoint

const (
	// Version is the version of this engine.
	Version = "0.1.0"
	// FlinkVersion is the version of Apache Flink whose interfaces this engine follows; clients of
	// the REST interface look at it.
	FlinkVersion = "2.1.0"
)
