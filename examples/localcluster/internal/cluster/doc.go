// Package cluster runs the components of a Kubernetes control plane as child
// processes of this one and keeps them running.
//
// [Up] prepares a data folder (certificates, ports, kubeconfigs), starts etcd
// and the API server, then the controller manager, the scheduler and KWOK, makes
// the nodes and the storage class, and returns when its context ends. A component
// that ends on its own is reported with the end of its log and started again;
// one that crashes again and again ends the whole instance. What runs is written
// to status.json in the data folder, process ids included, so that a test may
// kill one component and watch it come back. The file hold-NAME in the data
// folder keeps component NAME from being started again until it is removed.
//
// No component outlives the supervisor: on Linux the kernel kills it, and
// everywhere it ends when the pipe that is its standard input closes.
package cluster
