package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitopskit/gitopskit/internal/parts"
	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.Main(m)) }

const lines = `{"involvedObject":{"kind":"Kustomization","apiVersion":"kustomize.toolkit.fluxcd.io/v1","namespace":"apps","name":"shop"},"severity":"error","timestamp":"2026-05-04T03:02:01Z","message":"build failed","reason":"BuildFailed"}
{"involvedObject":{"kind":"Kustomization","apiVersion":"kustomize.toolkit.fluxcd.io/v1","namespace":"apps","name":"shop"},"severity":"error","timestamp":"2026-05-04T03:03:01Z","message":"build failed","reason":"BuildFailed"}
{"involvedObject":{"kind":"Kustomization","apiVersion":"kustomize.toolkit.fluxcd.io/v1","namespace":"apps","name":"shop"},"severity":"info","timestamp":"2026-05-04T03:14:01Z","message":"applied","reason":"ReconciliationSucceeded","metadata":{"kustomize.toolkit.fluxcd.io/revision":"main@sha1:0123456789abcdef0123456789abcdef01234567"}}
`

func TestLinesToTheTerminal(t *testing.T) {
	t.Setenv("TZ", "UTC")
	var out bytes.Buffer
	if err := run(t.Context(), options{stdin: true}, strings.NewReader(lines), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"✗ Kustomization/apps/shop BuildFailed\n    build failed\n",
		"✓ Kustomization/apps/shop ReconciliationSucceeded (main@sha1:01234567)\n    applied\n    ready again after 12m\n",
		"terminal: 2 delivered, 0 not, 2 attempts\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := run(t.Context(), options{stdin: true}, strings.NewReader("{}\n"+lines), &out); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a bad line: %v", err)
	}
}

func TestTutorialToASlackWebhook(t *testing.T) {
	var mu sync.Mutex
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.URL.Path+" "+string(body))
	}))
	defer srv.Close()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "slack-webhook"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "slack-webhook", "address"), []byte(srv.URL+"/services/T0/B0/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(parts.SharedData(t), "tutorial", "notifications.yaml")
	o := options{stdin: true, file: file, secrets: dir, journal: t.TempDir()}
	var out bytes.Buffer
	if err := run(t.Context(), o, strings.NewReader(lines), &out); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 2 || !strings.HasPrefix(got[0], `/services/T0/B0/x {"channel":"alerts","attachments":[{"color":"danger","author_name":"kustomization/shop.apps"`) {
		t.Errorf("%q", got)
	}
	o.secrets = filepath.Join(dir, "none")
	if err := run(t.Context(), o, strings.NewReader(""), &out); err == nil || !strings.Contains(err.Error(), "-secrets") {
		t.Error(err)
	}
}

// seen is written to by the program while the test looks.
type seen struct {
	mu   sync.Mutex
	text strings.Builder
	want string
	done chan struct{}
	once sync.Once
}

func (s *seen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if strings.Contains(s.text.String(), s.want) {
		s.once.Do(func() { close(s.done) })
	}
	return len(p), nil
}

func TestWatchesACluster(t *testing.T) {
	c := testcluster.Shared(t)
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &seen{want: "Pod/default/alerts-example Fell\n    fell over", done: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, options{kubeconfig: c.Kubeconfig()}, nil, out) }()
	_, err = client.CoreV1().Events("default").Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "alerts-example-", Namespace: "default"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "alerts-example"},
		Type:           corev1.EventTypeWarning, Reason: "Fell", Message: "fell over", LastTimestamp: metav1.NewTime(time.Now().Add(time.Minute)),
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-out.done:
	case <-time.After(time.Minute):
		t.Error("the event was not shown")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
