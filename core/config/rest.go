package config

import "time"

// Options of the REST interface and the dashboard.
var (
	RestAddress = String("rest.address", "",
		"Host of the REST interface, for clients.", NoDefault(), Deprecated("web.address"))

	RestPort = Int("rest.port", 8081,
		"Port of the REST interface, for clients; and for the server where rest.bind-port is "+
			"unset.", Min(0), Max(65535), Deprecated("web.port"))

	RestBindAddress = String("rest.bind-address", "",
		"Address at which the REST interface listens. Unset: localhost.", NoDefault())

	RestBindPort = String("rest.bind-port", "8081",
		"Port, range or list of them at which the REST interface listens; 0: any.")

	RestURLPrefix = String("rest.url-prefix", "/", "Path in front of all REST paths.")

	RestAwaitLeaderTimeout = Duration("rest.await-leader-timeout", 30*time.Second,
		"Time for which a client waits for a leading JobManager.", Min(0))

	RestConnectionTimeout = Duration("rest.connection-timeout", 15*time.Second,
		"Time within which a client must have connected.", Min(0))

	RestIdlenessTimeout = Duration("rest.idleness-timeout", 5*time.Minute,
		"Time after which an idle connection is closed.", Min(0))

	RestRetryMaxAttempts = Int("rest.retry.max-attempts", 20,
		"Attempts of a client for one call.", Min(1), Max(10000))

	RestRetryDelay = Duration("rest.retry.delay", 3*time.Second,
		"Time between attempts of a client.", Min(0))

	RestServerMaxContentLength = MemorySize("rest.server.max-content-length", 100*Mebibyte,
		"Largest request that the server reads.", Min(1))

	RestClientMaxContentLength = MemorySize("rest.client.max-content-length", 100*Mebibyte,
		"Largest answer that a client reads.", Min(1))

	RestAsyncStoreDuration = Duration("rest.async.store-duration", 5*time.Minute,
		"Time for which the result of an asynchronous operation is kept.", Min(0))

	RestCacheCheckpointStatisticsTimeout = Duration("rest.cache.checkpoint-statistics.timeout",
		3*time.Second, "Time for which checkpoint statistics are served from a cache.",
		Min(0))

	RestProfilingEnabled = Bool("rest.profiling.enabled", false,
		"Whether processes can be profiled over REST.")

	RestProfilingDuration = Duration("rest.profiling.duration-max", 5*time.Minute,
		"Longest profile.", Min(1))

	RestProfilingHistorySize = Int("rest.profiling.history-size", 10,
		"Number of profiles kept per process.", Min(0), Max(1000))

	RestFlameGraphEnabled = Bool("rest.flamegraph.enabled", false,
		"Whether flame graphs of tasks are sampled when asked for.")

	RestFlameGraphSamples = Int("rest.flamegraph.num-samples", 100,
		"Samples of one flame graph.", Min(1), Max(100000))

	RestFlameGraphDelay = Duration("rest.flamegraph.delay-between-samples",
		50*time.Millisecond, "Time between samples of a flame graph.", Min(1))

	RestFlameGraphRefresh = Duration("rest.flamegraph.refresh-interval", time.Minute,
		"Time after which a flame graph is sampled anew.", Min(1))

	RestFlameGraphCleanUp = Duration("rest.flamegraph.cleanup-interval", 10*time.Minute,
		"Time after which flame graphs nobody asks for are dropped.", Min(1))

	WebSubmitEnabled = Bool("web.submit.enable", true,
		"Whether programs can be submitted over REST.")

	WebCancelEnabled = Bool("web.cancel.enable", true,
		"Whether the dashboard can cancel jobs.")

	WebRescaleEnabled = Bool("web.rescale.enable", true,
		"Whether the dashboard can change the parallelism of jobs.")

	WebUploadDirectory = String("web.upload.dir", "",
		"Directory of uploaded programs. Unset: below web.tmpdir.", NoDefault())

	WebTemporaryDirectory = String("web.tmpdir", "",
		"Directory for temporary files of the REST server. Unset: the system's.", NoDefault())

	WebTimeout = Duration("web.timeout", 10*time.Minute,
		"Time after which a call of the REST server to the cluster fails.", Min(1))

	WebRefreshInterval = Duration("web.refresh-interval", 3*time.Second,
		"Time after which the dashboard refreshes itself.", Min(int64(100*time.Millisecond)))

	WebCheckpointsHistory = Int("web.checkpoints.history", 10,
		"Number of latest checkpoints whose details are kept per job.", Min(0), Max(100000))

	WebExceptionHistorySize = Int("web.exception-history-size", 16,
		"Number of latest failures that are kept per job.", Min(1), Max(100000))

	WebAccessControlAllowOrigin = String("web.access-control-allow-origin", "*",
		"Access-Control-Allow-Origin header of all answers.")

	BackpressureSamples = Int("web.backpressure.num-samples", 100,
		"Samples of one measurement of backpressure.", Min(1), Max(100000))

	BackpressureDelay = Duration("web.backpressure.delay-between-samples", 50*time.Millisecond,
		"Time between samples of backpressure.", Min(int64(time.Millisecond)))

	BackpressureRefreshInterval = Duration("web.backpressure.refresh-interval", time.Minute,
		"Time after which a measurement of backpressure is made anew.",
		Min(int64(time.Millisecond)))

	BackpressureCleanUpInterval = Duration("web.backpressure.cleanup-interval", 10*time.Minute,
		"Time after which measurements nobody asks for are dropped.", Min(1))

	JobStoreExpirationTime = Duration("jobstore.expiration-time", time.Hour,
		"Time for which ended jobs are kept.", Min(0), BareUnit(time.Second))

	JobStoreMaxCapacity = Int("jobstore.max-capacity", 2147483647,
		"Most ended jobs that are kept.", Min(0), Max(2147483647))

	JobStoreCacheSize = MemorySize("jobstore.cache-size", 52428800,
		"Memory for ended jobs; others are on disk.", Min(0))

	JobStoreType = Enum("jobstore.type", "File", []string{"File", "Memory"},
		"Where ended jobs are kept: on disk or in memory.")
)

// Options of metrics.
var (
	MetricsLatencyInterval = Duration("metrics.latency.interval", 0,
		"Time between latency markers that sources send through the job. 0: none.",
		NegativeOff())

	MetricsLatencyGranularity = Enum("metrics.latency.granularity", "operator",
		[]string{"single", "operator", "subtask"}, "Whether latency is told apart by nothing, "+
			"by source operator, or by source subtask.")

	MetricsLatencyHistorySize = Int("metrics.latency.history-size", 128,
		"Number of latencies that are kept per operator.", Min(1), Max(1000000))

	MetricsReporters = String("metrics.reporters", "",
		"Names of the reporters that are used, separated by \",\". Unset: all that are "+
			"configured.", NoDefault())

	MetricsReporter = Map("metrics.reporter", nil,
		"Settings of reporters, below metrics.reporter.<name>.", NoDefault())

	MetricsFetcherUpdateInterval = Duration("metrics.fetcher.update-interval", 10*time.Second,
		"Time between two collections of metrics for the dashboard; 0: at each request.", Min(0))

	MetricsScopeDelimiter = String("metrics.scope.delimiter", ".",
		"What joins the parts of a metric's name.")

	MetricsScopeJobManager = String("metrics.scope.jm", "<host>.jobmanager",
		"Name of the JobManager's metrics.")
	MetricsScopeJobManagerJob = String("metrics.scope.jm-job", "<host>.jobmanager.<job_name>",
		"Name of a job's metrics at the JobManager.", Deprecated("metrics.scope.jm.job"))
	MetricsScopeJobManagerOperator = String("metrics.scope.jm-operator",
		"<host>.jobmanager.<job_name>.<operator_name>",
		"Name of the metrics of an operator's coordinator.")
	MetricsScopeTaskManager = String("metrics.scope.tm", "<host>.taskmanager.<tm_id>",
		"Name of a TaskManager's metrics.")
	MetricsScopeTaskManagerJob = String("metrics.scope.tm-job",
		"<host>.taskmanager.<tm_id>.<job_name>", "Name of a job's metrics at a TaskManager.",
		Deprecated("metrics.scope.tm.job"))
	MetricsScopeTask = String("metrics.scope.task",
		"<host>.taskmanager.<tm_id>.<job_name>.<task_name>.<subtask_index>",
		"Name of a task's metrics.")
	MetricsScopeOperator = String("metrics.scope.operator",
		"<host>.taskmanager.<tm_id>.<job_name>.<operator_name>.<subtask_index>",
		"Name of an operator's metrics.")

	MetricsSystemResource = Bool("metrics.system-resource", false,
		"Whether figures of the whole machine are reported.")

	MetricsSystemResourceInterval = Duration("metrics.system-resource-probing-interval",
		5*time.Second, "Time between two readings of the machine's figures.", Min(1))
)
