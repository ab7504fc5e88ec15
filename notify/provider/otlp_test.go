package provider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

// TestOTLPReceiver shows that the collector understands each field of what is
// sent: it writes down again what the golden files hold.
func TestOTLPReceiver(t *testing.T) {
	receiver := servers.NewOTLP(t)
	s := newProvider(t, provider.Config{Type: "otel", Address: "http://" + receiver.Addr, UID: "0c9c2e41"}, "").(notify.GroupSender)
	var sent []string
	for _, name := range []string{"info", "error", "bare"} {
		if err := s.Send(t.Context(), delivery(name)); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, name)
	}
	if err := s.SendGroup(t.Context(), []notify.Delivery{delivery("error"), delivery("info")}); err != nil {
		t.Fatal(err)
	}
	traces := receiver.Traces(t)
	if len(traces) != len(sent)+1 {
		t.Fatalf("the receiver took %d requests", len(traces))
	}
	for i, name := range sent {
		if diff := cmp.Diff(goldenJSON(t, "otel", name), readTraces(t, traces[i])); diff != "" {
			t.Errorf("%s: sent -, understood +\n%s", name, diff)
		}
	}
	group := readTraces(t, traces[len(sent)])
	both := append(goldenJSON(t, "otel", "error")["resourceSpans"].([]any), goldenJSON(t, "otel", "info")["resourceSpans"].([]any)...)
	if diff := cmp.Diff(both, group["resourceSpans"]); diff != "" {
		t.Errorf("a group: sent -, understood +\n%s", diff)
	}
}

func TestOTLPReceiverRefusesForGood(t *testing.T) {
	receiver := servers.NewOTLP(t)
	s := newProvider(t, provider.Config{Type: "otel", Address: "http://" + receiver.Addr + "/v1/elsewhere"}, "")
	err := s.Send(t.Context(), delivery("info"))
	var got *notify.SendError
	if !errors.As(err, &got) || got.Status != 404 || !got.Permanent {
		t.Errorf("got %v", err)
	}
}

// goldenJSON returns the body of a golden file.
func goldenJSON(t *testing.T, provider, event string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "golden", provider, event+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(text, []byte("\n\n"))
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// readTraces reads what the collector wrote and leaves out the empty fields that
// it adds.
func readTraces(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	withoutEmpty(v)
	return v
}

func withoutEmpty(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			withoutEmpty(e)
		}
	case map[string]any:
		for k, e := range v {
			withoutEmpty(e)
			if m, ok := e.(map[string]any); ok && len(m) == 0 || e == "" {
				delete(v, k)
			}
		}
	}
}
