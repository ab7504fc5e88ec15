package provider

import (
	"strconv"
	"strings"

	"github.com/gitopskit/gitopskit/notify"
)

type otelValue struct {
	String string `json:"stringValue"`
}

type otelAttribute struct {
	Key   string    `json:"key"`
	Value otelValue `json:"value"`
}

type otelStatus struct {
	Message string `json:"message,omitempty"`
	Code    int    `json:"code"`
}

type otelSpan struct {
	TraceID    string          `json:"traceId"`
	SpanID     string          `json:"spanId"`
	ParentID   string          `json:"parentSpanId,omitempty"`
	Name       string          `json:"name"`
	Kind       int             `json:"kind"`
	Start      string          `json:"startTimeUnixNano"`
	End        string          `json:"endTimeUnixNano"`
	Attributes []otelAttribute `json:"attributes"`
	Status     otelStatus      `json:"status"`
}

type otelScope struct {
	Name string `json:"name"`
}

type otelScopeSpans struct {
	Scope otelScope  `json:"scope"`
	Spans []otelSpan `json:"spans"`
}

type otelResource struct {
	Attributes []otelAttribute `json:"attributes"`
}

type otelResourceSpans struct {
	Resource   otelResource     `json:"resource"`
	ScopeSpans []otelScopeSpans `json:"scopeSpans"`
}

type otelTraces struct {
	ResourceSpans []otelResourceSpans `json:"resourceSpans"`
}

// otel sends a span to an OTLP/HTTP endpoint in JSON: Address is
// https://HOST/v1/traces; Token, or Username and Password, logs in. Spans that
// belong to one revision under one provider (UID) share a trace, whose root is
// the source's span.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
func otel(c *Config) (notify.Sender, error) {
	u, err := parseAddress(c)
	if err != nil {
		return nil, err
	}
	if u.Path == "" || u.Path == "/" {
		u = u.JoinPath("v1/traces")
	}
	send := func(ds []notify.Delivery) (request, error) {
		var out otelTraces
		for _, d := range ds {
			out.ResourceSpans = append(out.ResourceSpans, otelResourceSpans{
				Resource:   otelResource{[]otelAttribute{{"service.name", otelValue{serviceName(d.Event)}}}},
				ScopeSpans: []otelScopeSpans{{otelScope{"gitopskit"}, []otelSpan{otelSpanOf(c, d)}}},
			})
		}
		r, err := asJSON(u.String(), out)
		return r.login(c), err
	}
	p, err := simple(c, func(d notify.Delivery) (request, error) { return send([]notify.Delivery{d}) })
	if err != nil {
		return nil, err
	}
	return &grouper{poster: p, group: send}, nil
}

func serviceName(e notify.Event) string {
	if e.ReportingController != "" {
		return e.ReportingController
	}
	return "gitopskit"
}

func otelSpanOf(c *Config, d notify.Delivery) otelSpan {
	e := d.Event
	revision := e.Meta(notify.MetaOriginRevision)
	if revision == "" {
		revision = e.Revision()
	}
	nanos := strconv.FormatInt(e.Timestamp.UnixNano(), 10)
	s := otelSpan{
		TraceID: hash(c.UID + "\x00" + revision)[:32], SpanID: hash(d.ID)[:16], Kind: 1,
		Name: e.InvolvedObject.Kind + ": " + e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name, Start: nanos, End: nanos,
		Status: otelStatus{Code: 1},
	}
	if isError(e) {
		s.Status = otelStatus{e.Message, 2}
	}
	root := hash(c.UID + "\x00" + revision + "\x00root")[:16]
	if isSource(e.InvolvedObject) {
		s.SpanID = root
	} else {
		s.ParentID = root
	}
	add := func(k, v string) {
		if v != "" {
			s.Attributes = append(s.Attributes, otelAttribute{k, otelValue{v}})
		}
	}
	add("object.uid", e.InvolvedObject.UID)
	add("object.kind", e.InvolvedObject.Kind)
	add("object.name", e.InvolvedObject.Name)
	add("object.namespace", e.InvolvedObject.Namespace)
	add("event.reason", e.Reason)
	add("event.severity", string(e.Severity))
	add("event.message", e.Message)
	for _, p := range pairs(e) {
		add("metadata."+p.key, p.value)
	}
	return s
}

func isSource(o notify.Object) bool {
	switch o.Kind {
	case "GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart", "ExternalArtifact":
		return strings.HasPrefix(o.APIVersion, "source.")
	}
	return false
}
