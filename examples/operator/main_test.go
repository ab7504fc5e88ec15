package main

import (
	"context"
	"os"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/go-logr/logr"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }

var (
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// scene is a namespace in which the operator runs.
type scene struct {
	t      *testing.T
	client dynamic.Interface
	ns     string
}

func (s *scene) get(gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	s.t.Helper()
	u, err := s.client.Resource(gvr).Namespace(s.ns).Get(s.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *scene) patch(gvr schema.GroupVersionResource, name, patch string) {
	s.t.Helper()
	_, err := s.client.Resource(gvr).Namespace(s.ns).Patch(s.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) eventually(what string, f func() bool) {
	s.t.Helper()
	deadline := time.After(time.Minute)
	for !f() {
		select {
		case <-deadline:
			s.t.Fatalf("not within a minute: %s; the site: %v", what, s.get(sites, "shop"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ready returns the Ready condition at the site's generation.
func (s *scene) ready() string {
	site := s.get(sites, "shop")
	conditions, _, _ := unstructured.NestedSlice(site.Object, "status", "conditions")
	for _, c := range conditions {
		if m := c.(map[string]any); m["type"] == "Ready" && m["observedGeneration"] == site.GetGeneration() {
			return m["status"].(string) + ": " + m["message"].(string)
		}
	}
	return ""
}

func TestASiteOwnsItsChildren(t *testing.T) {
	c := testcluster.Shared(t)
	cfg := c.RESTConfig()
	ctrl.SetLogger(logr.Discard())
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := installDefinition(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, client: client, ns: c.Namespace(t)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg, s.ns) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	shop := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Site", "metadata": map[string]any{"name": "shop"},
		"spec": map[string]any{"image": "shop:1", "replicas": int64(2), "settings": map[string]any{"COLOR": "blue"}},
	}}
	if _, err := client.Resource(sites).Namespace(s.ns).Create(t.Context(), shop, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.eventually("everything is there and healthy", func() bool { return s.ready() == "True: everything is there and healthy" })
	if s.get(services, "shop") == nil || s.get(deployments, "shop") == nil {
		t.Error("a child is missing")
	}

	s.patch(configMaps, "shop", `{"data":{"COLOR":"red"}}`)
	s.eventually("a change by hand is put right", func() bool {
		v, _, _ := unstructured.NestedString(s.get(configMaps, "shop").Object, "data", "COLOR")
		return v == "blue"
	})
	s.patch(sites, "shop", `{"spec":{"settings":null}}`)
	s.eventually("what is no longer wanted is gone", func() bool { return s.get(configMaps, "shop") == nil })

	s.patch(sites, "shop", `{"spec":{"image":""}}`)
	s.eventually("a mistake is told", func() bool { return s.ready() == "False: spec.image is missing: name the image that serves the site" })
	if s.get(deployments, "shop") == nil {
		t.Error("a mistake has taken the Deployment away")
	}

	if err := client.Resource(sites).Namespace(s.ns).Delete(t.Context(), "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.eventually("the site is gone", func() bool { return s.get(sites, "shop") == nil })
	if s.get(deployments, "shop") != nil || s.get(services, "shop") != nil {
		t.Error("the site's children have outlived it")
	}
}
