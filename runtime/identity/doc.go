// Package identity says who belongs to a cluster: each cluster has a certificate authority of its
// own, and every process of the cluster a certificate of it.
//
//	client ──Create──▶ directory: ca.crt ca.key join.secret rest.token
//	                       │ Load                        │ Launch (launch file of a worker)
//	                       ▼                             ▼
//	JobManager: Authority ──Issue──▶ Member    worker: JoinCluster ──Join──▶ Authority
//	            Join, Verify, Known                      └──▶ Member
//
// A [Member] has the TLS configurations of a process. All of them speak TLS 1.3 and check both
// sides, with one exception: the control port lets a process without a certificate through the
// handshake, since it has to call Join; package rpc asks [Authority.Verify] and [Authority.Known]
// about every other call.
//
// A certificate holds the process's name as common name, the cluster's id as organisation and the
// [Role] as organisational unit. The server name that clients ask for follows from the cluster's id
// and the role of the server, so addresses need not be known beforehand, and a worker cannot
// pretend to be the JobManager.
//
// Certificates are valid for ten years ([Validity]), which is longer than a cluster lives, and are
// neither renewed nor revoked: a process that the cluster has given up is refused by its worker id,
// and a cluster that was betrayed is replaced by one with another authority.
package identity
