package config

// Options of clusters whose processes run on this machine.
var (
	ClusterID = String("cluster.id", "",
		"Id of a cluster of processes on this machine: the name of its directory. Unset: made up.",
		NoDefault())

	LocalJobManagers = Int("local.jobmanagers", 1,
		"Number of JobManagers of a cluster of processes on this machine. Of several, one leads "+
			"and the others stand by; they need high-availability.type filesystem.", Min(1),
		Max(16))

	LocalClusterDirectory = String("local.cluster.directory", "",
		"Directory with a directory for each cluster of processes on this machine, which only its "+
			"owner can read: its secrets, log files and processes. Unset: flink/clusters in the "+
			"user's cache directory.", NoDefault())
)
