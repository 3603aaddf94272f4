package config

import "time"

// RestAuthenticationKind says how clients of the REST interface prove who they are.
type RestAuthenticationKind string

// The ways to prove it.
const (
	RestToken RestAuthenticationKind = "token"
	RestNone  RestAuthenticationKind = "none"
)

// RestReadsKind says who may read over the REST interface.
type RestReadsKind string

// Who may read: everybody, or who has the token.
const (
	RestReadsOpen  RestReadsKind = "open"
	RestReadsToken RestReadsKind = "token"
)

// Options of Hadoop, Kerberos, delegation tokens and TLS.
var (
	HadoopConfDirectory = String("env.hadoop.conf.dir", "",
		"Directory of Hadoop's configuration. Unset: HADOOP_CONF_DIR.", NoDefault(),
		Deprecated("fs.hdfs.hadoopconf"))
	YarnConfDirectory = String("env.yarn.conf.dir", "",
		"Directory of YARN's configuration. Unset: YARN_CONF_DIR, then that of Hadoop.",
		NoDefault())
	HadoopPassThrough = Map("flink.hadoop", nil,
		"Settings of Hadoop's configuration, below flink.hadoop.<key>.", NoDefault())

	KerberosPrincipal = String("security.kerberos.login.principal", "",
		"Principal of the keytab.", NoDefault())
	KerberosKeytab = String("security.kerberos.login.keytab", "",
		"Keytab to log in with.", NoDefault())
	KerberosUseTicketCache = Bool("security.kerberos.login.use-ticket-cache", true,
		"Whether the user's ticket cache is used where no keytab is set.")
	KerberosContexts = String("security.kerberos.login.contexts", "",
		"JAAS contexts that use the login, separated by \",\": Client, KafkaClient.",
		NoDefault())
	KerberosKrb5Conf = String("security.kerberos.krb5-conf.path", "",
		"Path of krb5.conf. Unset: KRB5_CONFIG, then the system's.", NoDefault())
	KerberosReloginPeriod = Duration("security.kerberos.relogin.period", time.Minute,
		"Time between two checks of whether a new login is due.",
		Min(int64(time.Second)))
	KerberosHadoopFileSystems = List("security.kerberos.access.hadoopFileSystems", nil,
		"Further Hadoop file systems for which delegation tokens are obtained.", NoDefault(),
		Deprecated("yarn.security.kerberos.additionalFileSystems"))

	DelegationTokensEnabled = Bool("security.delegation.tokens.enabled", true,
		"Whether delegation tokens are obtained and handed to TaskManagers.",
		Deprecated("security.kerberos.fetch.delegation-token"))
	DelegationTokensRetryBackoff = Duration("security.delegation.tokens.renewal.retry.backoff",
		time.Hour, "Time after which failed obtaining of tokens is tried again.",
		Min(int64(time.Second)), Deprecated("security.kerberos.tokens.renewal.retry.backoff"))
	DelegationTokensTimeRatio = Float("security.delegation.tokens.renewal.time-ratio", 0.75,
		"Share of a token's life time after which a new one is obtained.", Between(0.01, 1),
		Deprecated("security.kerberos.tokens.renewal.time-ratio"))
	DelegationTokenProvider = Map("security.delegation.token.provider", nil,
		"Settings of the services tokens are obtained from, below "+
			"security.delegation.token.provider.<service>: enabled.", NoDefault(),
		Deprecated("security.kerberos.token.provider"))

	SSLInternalEnabled = Bool("security.ssl.internal.enabled", true,
		"Whether the processes of a cluster use mutual TLS among themselves. On, unlike in "+
			"Flink.")
	SSLRestEnabled = Bool("security.ssl.rest.enabled", false,
		"Whether the REST interface uses TLS.")
	SSLRestAuthentication = Bool("security.ssl.rest.authentication-enabled", false,
		"Whether clients of the REST interface need a certificate.")
	SSLVerifyHostname = Bool("security.ssl.verify-hostname", true,
		"Whether a server's certificate must name its host.")
	SSLProtocol = Enum("security.ssl.protocol", "TLSv1.2", []string{"TLSv1.2", "TLSv1.3"},
		"Lowest version of TLS.")

	RestAuthentication = Enum("security.rest.authentication", RestToken,
		[]RestAuthenticationKind{RestToken, RestNone},
		"What requests to the REST interface that change something must carry: the cluster's "+
			"token, or nothing.")
	RestReads = Enum("security.rest.reads", RestReadsOpen,
		[]RestReadsKind{RestReadsOpen, RestReadsToken},
		"What requests to the REST interface that only read must carry: nothing (open), or the "+
			"cluster's token.")

	ExternalResources = List("external-resources", nil,
		"Names of external resources, each set up below external-resource.<name>.",
		NoDefault())
	ExternalResource = Map("external-resource", nil,
		"Settings of external resources, below external-resource.<name>: amount, "+
			"yarn.config-key, param.<key>.", NoDefault())
)
