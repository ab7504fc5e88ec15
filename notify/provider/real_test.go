package provider_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

func TestNATSServer(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	addr := servers.NewNATS(t, `authorization { users: [
		{user: flux, password: "s3cr3t-t0ken"}
		{nkey: `+public+`, permissions: {publish: ["events.>", "$JS.>"]}}
	] }`)
	conn, err := nats.Connect(addr, nats.UserInfo("flux", "s3cr3t-t0ken"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := conn.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}}); err != nil {
		t.Fatal(err)
	}
	sub, err := conn.SubscribeSync("events.flux")
	if err != nil {
		t.Fatal(err)
	}
	byPassword := newProvider(t, provider.Config{Type: "nats", Address: "nats://" + addr, Channel: "events.flux", Username: "flux", Password: "s3cr3t-t0ken"}, "")
	byKey := newProvider(t, provider.Config{Type: "nats", Address: "nats://" + addr, Channel: "events.flux", NATS: provider.NATS{NKey: seed}}, "")
	for _, s := range []notify.Sender{byPassword, byKey} { // the same delivery twice
		if err := s.Send(t.Context(), delivery("error")); err != nil {
			t.Fatal(err)
		}
		msg, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		validate(t, "nats", recorded{method: http.MethodPost, body: msg.Data})
		var got notify.Event
		if err := json.Unmarshal(msg.Data, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(events()["error"], got); diff != "" || msg.Header.Get("Nats-Msg-Id") != delivery("error").ID {
			t.Error(msg.Header, diff)
		}
	}
	info, err := js.StreamInfo("EVENTS")
	if err != nil || info.State.Msgs != 1 {
		t.Errorf("JetStream keeps %d messages, %v", info.State.Msgs, err)
	}
	refusedByNATS(t, addr, seed)
}

func refusedByNATS(t *testing.T, addr string, seed []byte) {
	t.Helper()
	for name, c := range map[string]provider.Config{
		"a wrong password":    {Channel: "events.flux", Username: "flux", Password: "wr0ng-passw0rd"},
		"a forbidden subject": {Channel: "elsewhere", NATS: provider.NATS{NKey: seed}},
	} {
		c.Type, c.Address = "nats", "nats://"+addr
		err := newProvider(t, c, "").Send(t.Context(), delivery("info"))
		var got *notify.SendError
		if !errors.As(err, &got) || !got.Permanent || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAlertmanagerServer(t *testing.T) {
	addr := servers.NewAlertmanager(t)
	s := newProvider(t, provider.Config{Type: "alertmanager", Address: "http://" + addr + "/api/v2/alerts"}, "").(notify.GroupSender)
	now := time.Now().UTC()
	bad, good := delivery("error"), delivery("info")
	bad.Event.Timestamp, good.Event.Timestamp = now, now
	for range 2 { // the second is the same alert
		if err := s.Send(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SendGroup(t.Context(), []notify.Delivery{bad, good}); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/api/v2/alerts", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var alerts []struct {
		Labels, Annotations map[string]string
		StartsAt            time.Time
	}
	if err := json.Unmarshal(text, &alerts); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, a := range alerts {
		names[a.Labels["alertname"]] = a.Annotations["message"]
	}
	want := map[string]string{"FluxKustomizationBuildFailed": bad.Event.Message, "FluxKustomizationReconciliationSucceeded": good.Event.Message}
	if diff := cmp.Diff(want, names); diff != "" || len(alerts) != 2 {
		t.Errorf("%s\n%s", diff, text)
	}
}
