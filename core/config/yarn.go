package config

import "time"

// yarnOnly is why YARN's options change nothing elsewhere.
const yarnOnly = "read by YARN deployments only"

// Options of deployments on YARN.
var (
	YarnApplicationID = String("yarn.application.id", "",
		"Application that the command is for.", NoDefault(), NoEffect(yarnOnly))
	YarnApplicationName = String("yarn.application.name", "",
		"Name of the application. Unset: one that tells its mode.", NoDefault(),
		NoEffect(yarnOnly))
	YarnApplicationType = String("yarn.application.type", "Apache Flink",
		"Type of the application.", NoEffect(yarnOnly))
	YarnApplicationQueue = String("yarn.application.queue", "",
		"Queue of the application. Unset: YARN's default.", NoDefault(), NoEffect(yarnOnly))
	YarnApplicationPriority = Int("yarn.application.priority", -1,
		"Priority of the application. -1: YARN's default.", Min(-1), NoEffect(yarnOnly))
	YarnApplicationNodeLabel = String("yarn.application.node-label", "",
		"Node label of the application's containers.", NoDefault(), NoEffect(yarnOnly))
	YarnTaskManagerNodeLabel = String("yarn.taskmanager.node-label", "",
		"Node label of TaskManagers, in the place of the application's.", NoDefault(),
		NoEffect(yarnOnly))
	YarnTags = String("yarn.tags", "",
		"Tags of the application, separated by \",\".", NoDefault(), NoEffect(yarnOnly))
	YarnApplicationAttempts = Int("yarn.application-attempts", 1,
		"Attempts of the application. Unset with high availability: YARN's default.", Min(1),
		NoEffect(yarnOnly))
	YarnAttemptFailuresValidity = Int("yarn.application-attempt-failures-validity-interval",
		10000, "Milliseconds after which a failed attempt no longer counts; -1: it always does.",
		Min(-1), NoEffect(yarnOnly))
	YarnApplicationMasterVcores = Int("yarn.appmaster.vcores", 1,
		"Virtual cores of the JobManager's container.", Min(1), NoEffect(yarnOnly))
	YarnContainerVcores = Int("yarn.containers.vcores", -1,
		"Virtual cores of a TaskManager's container. -1: as many as slots.", Min(-1),
		NoEffect(yarnOnly))
	YarnApplicationMasterPort = String("yarn.application-master.port", "0",
		"Port, range or list of them of the JobManager. 0: any.", NoEffect(yarnOnly))
	YarnHeartbeatInterval = Duration("yarn.heartbeat.interval", 5*time.Second,
		"Time between heartbeats to the YARN ResourceManager.", BareUnit(time.Second),
		Deprecated("yarn.heartbeat-delay"), NoEffect(yarnOnly))
	YarnContainerRequestInterval = Duration("yarn.heartbeat.container-request-interval",
		500*time.Millisecond, "Time between heartbeats while containers are awaited.",
		NoEffect(yarnOnly))
	YarnFileReplication = Int("yarn.file-replication", -1,
		"Replication of staged files. -1: the file system's default.", Min(-1),
		NoEffect(yarnOnly))
	YarnStagingDirectory = String("yarn.staging-directory", "",
		"Directory for staged files. Unset: the user's home.", NoDefault(), NoEffect(yarnOnly))
	YarnShipFiles = List("yarn.ship-files", nil,
		"Files and directories that are shipped to all containers.", NoDefault(),
		Deprecated("yarn.ship-directories"), NoEffect(yarnOnly))
	YarnShipArchives = List("yarn.ship-archives", nil,
		"Archives that are shipped to all containers and unpacked there.", NoDefault(),
		NoEffect(yarnOnly))
	YarnProvidedLibDirectories = List("yarn.provided.lib.dirs", nil,
		"Remote directories whose files are used from there instead of being staged.",
		NoDefault(), NoEffect(yarnOnly))
	YarnProvidedUserDirectory = String("yarn.provided.usrlib.dir", "",
		"Remote directory with files of the user.", NoDefault(), NoEffect(yarnOnly))
	YarnDist = String("yarn.flink-dist-jar", "",
		"The engine's own binary. Unset: the one that runs the command.", NoDefault(),
		NoEffect(yarnOnly))
	YarnStartCommandTemplate = String("yarn.container-start-command-template",
		"%java% %jvmmem% %jvmopts% %logging% %class% %args% %redirects%",
		"Command that starts a process in its container; %java% and %class% stand for the "+
			"binary and its role.", NoEffect(yarnOnly))
	YarnPropertiesFileLocation = String("yarn.properties-file.location", "",
		"Directory of the file that names the user's session. Unset: the system's temporary one.",
		NoDefault(), NoEffect(yarnOnly))
	YarnViewACLs = String("yarn.view.acls", "",
		"Users and groups that may look at the application.", NoDefault(), NoEffect(yarnOnly))
	YarnModifyACLs = String("yarn.modify.acls", "",
		"Users and groups that may change the application.", NoDefault(), NoEffect(yarnOnly))
	YarnShipLocalKeytab = Bool("yarn.security.kerberos.ship-local-keytab", true,
		"Whether the local keytab is shipped to the containers.", NoEffect(yarnOnly))
	YarnLocalizedKeytabPath = String("yarn.security.kerberos.localized-keytab-path",
		"krb5.keytab", "Path of the keytab in a container.", NoEffect(yarnOnly))
	YarnApplicationMasterTokenServices = List(
		"yarn.security.appmaster.delegation.token.services", []string{"hadoopfs"},
		"Services whose delegation tokens the JobManager's container starts with.",
		NoEffect(yarnOnly))
	YarnRolledLogsInclude = String("yarn.rolled-logs.include-pattern", "",
		"Pattern of log files that YARN gathers while the application runs.", NoDefault(),
		NoEffect(yarnOnly))
	YarnRolledLogsExclude = String("yarn.rolled-logs.exclude-pattern", "",
		"Pattern of log files that YARN does not gather while the application runs.",
		NoDefault(), NoEffect(yarnOnly))

	YarnPassThrough = Map("flink.yarn", nil,
		"Settings of YARN's configuration, below flink.yarn.<key>.", NoDefault(),
		NoEffect(yarnOnly))
	ContainerMasterEnvironment = Map("containerized.master.env", nil,
		"Environment of the JobManager's container, below containerized.master.env.<name>.",
		NoDefault(), Deprecated("yarn.application-master.env"))
	ContainerTaskManagerEnvironment = Map("containerized.taskmanager.env", nil,
		"Environment of TaskManager containers, below containerized.taskmanager.env.<name>.",
		NoDefault(), Deprecated("yarn.taskmanager.env"))
)
