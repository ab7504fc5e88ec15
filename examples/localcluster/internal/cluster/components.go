package cluster

import (
	"strconv"
)

// ComponentCommand is the first argument with which the binary starts itself as
// a component; the second is the component's name.
const ComponentCommand = "__component"

// component is one child process.
type component struct {
	name string
	args []string
}

func etcdComponent(d dataDir, o Options, p ports) component {
	c := component{name: Etcd, args: []string{
		"--name=localcluster",
		"--data-dir=" + d.etcd(),
		"--listen-client-urls=" + p.etcd(),
		"--advertise-client-urls=" + p.etcd(),
		"--listen-peer-urls=" + p.peer(),
		"--initial-advertise-peer-urls=" + p.peer(),
		"--initial-cluster=localcluster=" + p.peer(),
		"--cert-file=" + d.cert("etcd"),
		"--key-file=" + d.key("etcd"),
		"--client-cert-auth=true",
		"--trusted-ca-file=" + d.cert("ca"),
		"--peer-cert-file=" + d.cert("etcd"),
		"--peer-key-file=" + d.key("etcd"),
		"--peer-client-cert-auth=true",
		"--peer-trusted-ca-file=" + d.cert("ca"),
		"--quota-backend-bytes=4294967296",
		"--log-level=warn",
	}}
	if o.UnsafeNoFsync {
		c.args = append(c.args, "--unsafe-no-fsync=true")
	}
	return c
}

func apiserverComponent(d dataDir, o Options, p ports) component {
	return component{name: APIServer, args: []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.APIServer),
		"--endpoint-reconciler-type=none", // a loopback address is no endpoint
		"--etcd-servers=" + p.etcd(),
		"--etcd-cafile=" + d.cert("ca"),
		"--etcd-certfile=" + d.cert("apiserver-etcd"),
		"--etcd-keyfile=" + d.key("apiserver-etcd"),
		"--tls-cert-file=" + d.cert("apiserver"),
		"--tls-private-key-file=" + d.key("apiserver"),
		"--client-ca-file=" + d.cert("ca"),
		"--token-auth-file=" + d.tokens(),
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + d.key("service-account"),
		"--service-account-signing-key-file=" + d.key("service-account"),
		"--requestheader-client-ca-file=" + d.cert("ca"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + d.cert("front-proxy"),
		"--proxy-client-key-file=" + d.key("front-proxy"),
		"--enable-aggregator-routing=true", // there is no kube-proxy behind a ClusterIP
		"--allow-privileged=true",
		"--profiling=false",
		"--max-requests-inflight=4000",
		"--max-mutating-requests-inflight=2000",
		"--delete-collection-workers=8",
		verbosity(o),
	}}
}

func controllerManagerComponent(d dataDir, o Options) component {
	return component{name: ControllerManager, args: []string{
		"--kubeconfig=" + d.access(ControllerManager),
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
		"--root-ca-file=" + d.cert("ca"),
		"--service-account-private-key-file=" + d.key("service-account"),
		"--cluster-signing-cert-file=" + d.cert("ca"),
		"--cluster-signing-key-file=" + d.key("ca"),
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--concurrent-deployment-syncs=10",
		"--concurrent-replicaset-syncs=10",
		"--concurrent-namespace-syncs=20",
		"--concurrent-job-syncs=10",
		"--concurrent-statefulset-syncs=10",
		"--pvclaimbinder-sync-period=5s",
		"--node-monitor-grace-period=2m",
		verbosity(o),
	}}
}

func schedulerComponent(d dataDir, o Options) component {
	return component{name: Scheduler, args: []string{
		"--kubeconfig=" + d.access(Scheduler),
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		verbosity(o),
	}}
}

// kwokComponent plays the kubelets. Node leases are off: a KWOK that was killed
// would hold them for their whole life, and its successor could do nothing.
func kwokComponent(d dataDir, o Options) component {
	return component{name: Kwok, args: []string{
		"--kubeconfig=" + d.access(Kwok),
		"--config=" + d.stages(),
		"--manage-all-nodes=true",
		"--node-lease-duration-seconds=0",
		"--cidr=" + podRange,
		"--node-ip=127.0.0.1",
		"--v=" + kwokLevel(o.Verbosity),
	}}
}

func verbosity(o Options) string { return "--v=" + strconv.Itoa(o.Verbosity) }

// kwokLevel turns a klog verbosity into one of KWOK's log levels: warnings,
// information, debugging.
func kwokLevel(v int) string {
	return strconv.Itoa(max(4-4*v, -4))
}
