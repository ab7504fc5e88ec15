package servers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// NewNATS starts a nats-server with JetStream that ends with the test, and
// returns its host:port. The configuration is added to its own.
func NewNATS(t testing.TB, config string) string {
	t.Helper()
	program := build(t, "github.com/nats-io/nats-server/v2")
	dir, addr := t.TempDir(), freeAddr(t)
	file := filepath.Join(dir, "nats.conf")
	put(t, file, []byte("listen: "+addr+"\njetstream { store_dir: "+filepath.Join(dir, "js")+" }\n"+config))
	start(t, addr, exec.Command(program, "-c", file)) //nolint:gosec,noctx // ended by Cleanup
	return addr
}

// NewAlertmanager starts Prometheus Alertmanager that ends with the test, and
// returns its host:port.
func NewAlertmanager(t testing.TB) string {
	t.Helper()
	program := build(t, "github.com/prometheus/alertmanager/cmd/alertmanager")
	dir, addr := t.TempDir(), freeAddr(t)
	file := filepath.Join(dir, "config.yml")
	put(t, file, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"))
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"), //nolint:gosec,noctx // ended by Cleanup
		"--web.listen-address="+addr, "--cluster.listen-address=", "--cluster.advertise-address="+host+":0")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	start(t, addr, cmd)
	return addr
}

// OTLP is a running receiver of the OpenTelemetry collector.
type OTLP struct {
	// Addr is host:port; it listens for OTLP over HTTP.
	Addr string
	file string
}

// NewOTLP starts the OpenTelemetry collector's OTLP receiver that ends with the
// test.
func NewOTLP(t testing.TB) *OTLP {
	t.Helper()
	program := build(t, "./otelsink")
	o := &OTLP{Addr: freeAddr(t), file: filepath.Join(t.TempDir(), "traces")}
	start(t, o.Addr, exec.Command(program, o.Addr, o.file)) //nolint:gosec,noctx // ended by Cleanup
	return o
}

// Traces returns what the receiver understood of each request that it took, as
// the collector writes OTLP in JSON.
func (o *OTLP) Traces(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(o.file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
