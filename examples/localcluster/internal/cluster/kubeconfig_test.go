package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

func TestKubeconfigOfOthersIsKept(t *testing.T) {
	d := madeDir(t)
	file := filepath.Join(t.TempDir(), "config")
	mine := api.NewConfig()
	mine.Clusters["prod"] = &api.Cluster{Server: "https://prod.example.com"}
	mine.Contexts["prod"] = &api.Context{Cluster: "prod"}
	mine.CurrentContext = "prod"
	if err := writeKubeconfig(file, mine); err != nil {
		t.Fatal(err)
	}
	p := ports{APIServer: 1}
	if err := d.writeAccess(Options{Name: "a", Kubeconfig: file}, p); err != nil {
		t.Fatal(err)
	}
	got, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.CurrentContext != "prod" || got.Clusters["prod"] == nil {
		t.Errorf("the user's own context is lost: %+v", got)
	}
	if c := got.Clusters["localcluster-a"]; c == nil || c.Server != "https://127.0.0.1:1" || len(c.CertificateAuthorityData) == 0 || c.InsecureSkipTLSVerify {
		t.Errorf("cluster %+v", c)
	}
	if u := got.AuthInfos["localcluster-a-token"]; u == nil || len(u.Token) < 32 {
		t.Error("no token")
	}
	if err := removeContext(file, "a"); err != nil {
		t.Fatal(err)
	}
	got, err = clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Clusters) != 1 || got.CurrentContext != "prod" {
		t.Errorf("after removal: %+v", got)
	}
}

func TestKubeconfigOfOursIsRemoved(t *testing.T) {
	d := madeDir(t)
	file := filepath.Join(t.TempDir(), "sub", "config")
	if err := d.writeAccess(Options{Name: "a", Kubeconfig: file}, ports{APIServer: 1}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := removeContext(file, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}
