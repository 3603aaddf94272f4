package config

import "strings"

// Keys of Flink that are accepted, so that a file written for Flink starts, and change nothing.
// Each list is given with the reason that [Configuration.Notices] tells; a key that ends in ".*"
// stands for all keys below it. An option of the same name with an effect goes before these.

// withoutEffect registers such keys. Those that stand below "akka." are registered below "pekko.",
// too: Flink renamed the library.
func withoutEffect(why string, keys ...string) struct{} {
	for _, key := range keys {
		registerSilent(key, why)
		if rest, ok := strings.CutPrefix(key, "akka."); ok {
			registerSilent("pekko."+rest, why)
		}
	}
	return struct{}{}
}

var _ = withoutEffect("made for the JVM, which is not used",
	"env.java.*", "jmx.*", "classloader.*", "plugin.classloader.*", "library-cache-manager.*",
	"taskmanager.jvm-exit-on-oom", "taskmanager.debug.memory.*",
	"taskmanager.exit-on-fatal-akka-error", "taskmanager.memory.preallocate",
	"taskmanager.memory.off-heap", "jobmanager.memory.enable-jvm-direct-memory-limit",
	"cluster.intercept-user-system-exit", "cluster.processes.halt-on-fatal-error",
	"cluster.uncaught-exception-handling", "cluster.thread-dump.*", "pipeline.classpaths",
	"yarn.classpath.include-user-jar", "yarn.per-job-cluster.include-user-jar")

var _ = withoutEffect("about Akka, which is not used",
	"akka.ask.callstack", "akka.client-socket-worker-pool.*", "akka.client.*",
	"akka.fork-join-executor.*", "akka.jvm-exit-on-fatal-error", "akka.log.*",
	"akka.lookup.timeout", "akka.remote-fork-join-executor.*", "akka.retry-gate-closed-for",
	"akka.server-socket-worker-pool.*", "akka.ssl.enabled", "akka.startup-timeout",
	"akka.tcp.timeout", "akka.throughput", "akka.transport.*", "akka.watch.*",
	"metrics.internal.query-service.*")

var _ = withoutEffect("about Java serializers; types are written by Go code",
	"pipeline.force-avro", "pipeline.force-kryo", "pipeline.force-kryo-avro",
	"pipeline.default-kryo-serializers", "pipeline.registered-kryo-types",
	"pipeline.registered-pojo-types", "pipeline.closure-cleaner-level",
	"pipeline.serialization-config")

var _ = withoutEffect("records are immutable once emitted, so there is nothing to reuse",
	"pipeline.object-reuse")

var _ = withoutEffect("about RocksDB and ForSt; Pebble takes its sizes from managed memory",
	"state.backend.rocksdb.*", "state.backend.forst.*")

var _ = withoutEffect("there is no changelog state backend",
	"state.backend.changelog.*", "state.changelog.*", "dstl.*")

var _ = withoutEffect("about Netty, which is not used",
	"taskmanager.network.netty.*", "taskmanager.data.ssl.enabled",
	"taskmanager.network.tcp-connection.*")

var _ = withoutEffect("shuffle files have one form",
	"taskmanager.network.blocking-shuffle.type", "taskmanager.network.sort-shuffle.*",
	"taskmanager.network.hybrid-shuffle.*", "taskmanager.network.compression.codec",
	"taskmanager.network.memory.exclusive-buffers-request-timeout-ms",
	"taskmanager.network.memory.read-buffer.*", "taskmanager.network.numberOfBuffers",
	"taskmanager.network.bounded-blocking-subpartition-type",
	"taskmanager.network.partition-request-timeout", "taskmanager.runtime.*",
	"shuffle-service-factory.*", "jobmanager.shuffle.*", "jobmanager.partition.*")

var _ = withoutEffect("there are no Kubernetes deployments", "kubernetes.*",
	"high-availability.kubernetes.*", "job.autoscaler.*")

var _ = withoutEffect("ZooKeeper is not needed: leadership lies in high-availability.storageDir",
	"high-availability.zookeeper.quorum", "high-availability.zookeeper.path.root",
	"high-availability.zookeeper.path.jobgraphs", "high-availability.zookeeper.path.checkpoints",
	"high-availability.zookeeper.path.latch", "high-availability.zookeeper.path.leader",
	"high-availability.zookeeper.path.running-registry",
	"high-availability.zookeeper.path.checkpoint-counter",
	"high-availability.zookeeper.client.*", "zookeeper.*")

var _ = withoutEffect("about Mesos, which is retired", "mesos.*")

var _ = withoutEffect("Python programs cannot be run", "python.*")

var _ = withoutEffect("read by tables and SQL only", "table.*", "lookup.*", "sql-client.*",
	"sql-gateway.*", "optimizer.*", "compiler.*", "algorithm.*")

var _ = withoutEffect("read by a history server only", "historyserver.*",
	"jobmanager.archive.*")

var _ = withoutEffect("about scripts that are not used", "env.ssh.*", "env.pid.dir",
	"env.stdout-err.*", "env.hbase.conf.dir", "env.log.max")

var _ = withoutEffect("about file systems that do not exist here",
	"s3.*", "s3a.*", "s3n.*", "presto.*", "fs.s3.*", "fs.s3a.*", "fs.s3n.*", "fs.oss.*",
	"fs.gs.*", "gs.*", "fs.azure.*", "fs.adl.*", "fs.allowed-fallback-filesystems",
	"fs.hdfs.hdfsdefault", "fs.hdfs.hdfssite")

var _ = withoutEffect("there is one scheduler and one way to run batch jobs",
	"jobmanager.adaptive-scheduler.*", "jobmanager.adaptive-batch-scheduler.*",
	"execution.batch.*", "execution.sort.*", "slow-task-detector.*", "scheduler-mode",
	"fine-grained.*", "cluster.fine-grained-resource-management.*",
	"cluster.declarative-resource-management.*", "job-event.*")

var _ = withoutEffect("classes named in a configuration cannot be loaded",
	"execution.job-listeners", "execution.job-status-changed-listeners",
	"execution.program-config.*", "jobmanager.failure-enrichers", "security.context.*",
	"security.module.*", "events.*", "traces.*", "catalog-store.*")

var _ = withoutEffect("Java key stores are not read",
	"security.ssl.enabled", "security.ssl.key-password", "security.ssl.keystore",
	"security.ssl.keystore-password", "security.ssl.keystore-type", "security.ssl.truststore",
	"security.ssl.truststore-password", "security.ssl.truststore-type",
	"security.ssl.algorithms", "security.ssl.provider",
	"security.ssl.internal.cert.fingerprint", "security.ssl.internal.close-notify-flush-timeout",
	"security.ssl.internal.handshake-timeout", "security.ssl.internal.key-password",
	"security.ssl.internal.keystore", "security.ssl.internal.keystore-password",
	"security.ssl.internal.keystore-type", "security.ssl.internal.session-cache-size",
	"security.ssl.internal.session-timeout", "security.ssl.internal.truststore",
	"security.ssl.internal.truststore-password", "security.ssl.internal.truststore-type",
	"security.ssl.rest.cert.fingerprint", "security.ssl.rest.key-password",
	"security.ssl.rest.keystore", "security.ssl.rest.keystore-password",
	"security.ssl.rest.keystore-type", "security.ssl.rest.truststore",
	"security.ssl.rest.truststore-password", "security.ssl.rest.truststore-type")

var _ = withoutEffect("decided by the engine itself",
	"execution.checkpointing.cleaner.parallel-mode", "state.checkpoint.cleaner.parallel-mode",
	"execution.checkpointing.file-merging.across-checkpoint-boundary",
	"execution.checkpointing.file-merging.max-subtasks-per-file",
	"execution.checkpointing.file-merging.max-space-amplification",
	"execution.checkpointing.file-merging.pool-blocking",
	"execution.checkpointing.unaligned.interruptible-timers.enabled",
	"execution.checkpointing.recover-without-channel-state.*",
	"execution.checkpointing.prefer-checkpoint-for-recovery",
	"execution.state-recovery.without-channel-state.*", "state.backend.heap.*",
	"state.backend.latency-track.state-name-as-variable",
	"state.latency-track.state-name-as-variable", "state.size-track.*",
	"state.backend.fs.create-subdirs", "cluster.registration.*", "cluster.services.*",
	"cluster.io-pool.*", "jobmanager.future-pool.*", "jobmanager.io-pool.*",
	"jobmanager.resource-id", "jobmanager.retrieve-taskmanager-hostname",
	"jobmanager.execution.attempts-history-size", "jobmanager.tdd.*",
	"taskmanager.network.bind-policy", "taskmanager.rpc.bind-port",
	"taskmanager.collect-sink.*", "taskmanager.slot.migration.*", "web.ssl.enabled",
	"web.log.path", "web.history", "web.backpressure.num-threads", "blob.client.*",
	"blob.fetch.*", "blob.service.*", "resourcemanager.rpc.port",
	"resourcemanager.standalone.*", "cleanup-strategy", "cleanup-strategy.*", "artifact.*",
	"user.artifacts.*", "$internal.*", "internal.*", "query.*", "queryable-state.*", "mdc.*",
	"rest.server.numThreads", "metrics.job.*", "containerized.heap-cutoff-min",
	"containerized.heap-cutoff-ratio",
	"yarn.maximum-failed-containers", "yarn.reallocate-failed")
