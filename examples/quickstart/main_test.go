package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }

func TestQuickstartFollowsAFolder(t *testing.T) {
	c := testcluster.Shared(t)
	ns := c.Namespace(t)
	repo := gitserver.New(t, gitserver.Options{}).Repo("app")
	manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: " + ns + "}\ndata: {color: blue}\n"
	repo.Commit(map[string]string{"deploy/one.yaml": manifest, "deploy/two.yaml": strings.Replace(manifest, "name: one", "name: two", 1)})
	t.Setenv("KUBECONFIG", c.Kubeconfig())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())

	client, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	configMaps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(ns)
	color := func(name string) string {
		u, err := configMaps.Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "gone"
		}
		if err != nil {
			t.Fatal(err)
		}
		return u.Object["data"].(map[string]any)["color"].(string)
	}
	ctx, stop := context.WithCancel(t.Context())
	var out bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- run(ctx, &out, 50*time.Millisecond, repo.URL(), "deploy") }()
	eventually(t, func() bool { return color("one") == "blue" && color("two") == "blue" })

	repo.Remove("deploy/two.yaml")
	repo.Commit(map[string]string{"deploy/one.yaml": strings.Replace(manifest, "blue", "green", 1)})
	eventually(t, func() bool { return color("one") == "green" && color("two") == "gone" })

	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, want := range []string{"2 created", "1 updated, 1 pruned"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not say %q:\n%s", want, out.String())
		}
	}
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatal("it did not happen within 30 s")
		case <-tick.C:
		}
	}
}
