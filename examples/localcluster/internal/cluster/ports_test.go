package cluster

import (
	"net"
	"strings"
	"testing"
)

func silent(string, ...any) {}

func TestPorts(t *testing.T) {
	d := madeDir(t)
	first, err := d.choosePorts(0, silent)
	if err != nil {
		t.Fatal(err)
	}
	if first.APIServer == first.EtcdAPI || first.EtcdAPI == first.EtcdPeer || first.APIServer == first.EtcdPeer {
		t.Errorf("ports are not different: %+v", first)
	}

	again, err := d.choosePorts(0, silent)
	if err != nil {
		t.Fatal(err)
	}
	if again != first {
		t.Errorf("the second run has %+v, the first had %+v", again, first)
	}

	busy := occupy(t, strings.TrimPrefix(first.server(), "https://"))
	defer func() { _ = busy.Close() }()
	if _, err := d.choosePorts(first.APIServer, silent); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that was asked for and is busy: %v", err)
	}
	said := false
	other, err := d.choosePorts(0, func(string, ...any) { said = true })
	if err != nil {
		t.Fatal(err)
	}
	if other.APIServer == first.APIServer || other.EtcdAPI != first.EtcdAPI || !said {
		t.Errorf("got %+v after %+v with the API server's port busy, said: %t", other, first, said)
	}
}

func occupy(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
