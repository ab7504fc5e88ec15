package testcluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Namespace makes a namespace with a name of its own, which begins with the
// test's, and deletes it when the test ends, without waiting for its content to go.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	client, err := c.core()
	if err != nil {
		t.Fatal(err)
	}
	name := namespaceName(t.Name())
	body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q}}`, name)
	err = client.Post().Resource("namespaces").Body([]byte(body)).
		SetHeader("Content-Type", "application/json").Do(t.Context()).Error()
	if err != nil {
		t.Fatalf("make namespace %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := client.Delete().Resource("namespaces").Name(name).Do(ctx).Error(); err != nil {
			t.Logf("delete namespace %s: %v", name, err)
		}
		closeIdle(client)
	})
	return name
}

// core returns a client of the core group with connections of its own.
func (c *Cluster) core() (*rest.RESTClient, error) {
	cfg := c.RESTConfig()
	cfg.APIPath = "/api"
	cfg.GroupVersion = &schema.GroupVersion{Version: "v1"}
	cfg.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	cfg.Proxy = http.ProxyFromEnvironment // keeps the transport out of client-go's cache
	return rest.RESTClientFor(cfg)
}

func closeIdle(client *rest.RESTClient) {
	if client.Client != nil {
		client.Client.CloseIdleConnections()
	}
}

// namespaceName turns a test's name into a DNS label that nothing else has.
func namespaceName(test string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(test) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && !strings.HasSuffix(s, "-") {
			b.WriteByte('-')
		}
	}
	unique := make([]byte, 5)
	_, _ = rand.Read(unique)
	stem := b.String()
	return strings.Trim(stem[:min(len(stem), 48)], "-") + "-" + hex.EncodeToString(unique)
}
