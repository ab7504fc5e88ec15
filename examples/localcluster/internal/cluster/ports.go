package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	serviceRange = "10.96.0.0/12"
	podRange     = "10.244.0.0/16"

	// Ports are looked for below the range from which systems take the
	// ports of outgoing connections.
	firstPort = 20000
	lastPort  = 29999
)

// ports of one instance, kept from run to run so that a kubeconfig stays valid.
type ports struct {
	APIServer int `json:"apiserver"`
	EtcdAPI   int `json:"etcd"`
	EtcdPeer  int `json:"etcdPeer"`
}

func (p ports) server() string { return "https://127.0.0.1:" + strconv.Itoa(p.APIServer) }
func (p ports) etcd() string   { return "https://127.0.0.1:" + strconv.Itoa(p.EtcdAPI) }
func (p ports) peer() string   { return "https://127.0.0.1:" + strconv.Itoa(p.EtcdPeer) }

func firstServiceIP() net.IP { return net.IPv4(10, 96, 0, 1) }

// choosePorts returns the ports of the last run where they are still free. wanted
// is the API server's port if the user named one, else zero.
func (d dataDir) choosePorts(wanted int, say func(string, ...any)) (ports, error) {
	var p ports
	if err := readJSON(d.portsFile(), &p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if wanted != 0 {
		if !portFree(wanted) {
			return p, fmt.Errorf("port %d of 127.0.0.1 is in use by another program: choose another --port, or leave it out for any free one", wanted)
		}
		p.APIServer = wanted
	}
	taken := map[int]bool{}
	for _, port := range []*int{&p.APIServer, &p.EtcdAPI, &p.EtcdPeer} {
		last := *port
		if last != 0 && !taken[last] && portFree(last) {
			taken[last] = true
			continue
		}
		var err error
		if *port, err = freePort(taken); err != nil {
			return p, err
		}
		if last != 0 {
			say("port %d of the last run is in use by another program, taking %d", last, *port)
		}
	}
	return p, writeJSON(d.portsFile(), p)
}

func freePort(taken map[int]bool) (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if !taken[port] && portFree(port) {
			taken[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d on 127.0.0.1", firstPort, lastPort)
}

func portFree(port int) bool {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
