package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"
	"unicode/utf8"
)

// Severity is how much an event matters.
type Severity string

// The severities, in rising order.
const (
	// SeverityTrace is for whoever debugs; only rules that ask for it match.
	SeverityTrace Severity = "trace"
	// SeverityInfo is the normal course.
	SeverityInfo Severity = "info"
	// SeverityError is a failure.
	SeverityError Severity = "error"
)

func (s Severity) rank() int {
	switch s {
	case SeverityTrace:
		return 1
	case SeverityInfo:
		return 2
	case SeverityError:
		return 3
	}
	return 0
}

// Limits of an event, those of Flux.
const (
	// MaxMessage is the longest message, in bytes; a longer one is cut.
	MaxMessage = 39_000
	// MaxEventBytes is the largest event that is read as JSON.
	MaxEventBytes = 3 << 20
)

// The metadata keys that the package itself reads or writes; see [Event.Meta].
const (
	MetaRevision       = "revision"
	MetaOriginRevision = "originRevision"
	MetaToken          = "token"
	MetaSummary        = "summary"
	MetaRecoveredAfter = "recoveredAfter"
	// EventGroup prefixes annotations of an object that are merged into the
	// metadata of its events.
	EventGroup = "event.toolkit.fluxcd.io"
)

// Object names what an event is about, with the JSON names of Kubernetes's
// ObjectReference.
type Object struct {
	APIVersion      string `json:"apiVersion,omitempty"`
	Kind            string `json:"kind,omitempty"`
	Namespace       string `json:"namespace,omitempty"`
	Name            string `json:"name,omitempty"`
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Group returns the API group: "" for the core group.
func (o Object) Group() string {
	group, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// String returns kind/namespace/name, or kind/name without a namespace.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + "/" + o.Name
	}
	return o.Kind + "/" + o.Namespace + "/" + o.Name
}

// lane keys what must stay in order: the same object, whatever its version.
func (o Object) lane() string {
	if o.UID != "" {
		return o.UID
	}
	return o.Group() + "/" + o.String()
}

// Event says what happened to an object; its JSON is that of Flux's events.
type Event struct {
	InvolvedObject Object `json:"involvedObject"`
	// Severity is info where empty.
	Severity Severity `json:"severity"`
	// Timestamp is when it happened; the dispatcher fills in now where zero.
	Timestamp time.Time `json:"timestamp"`
	// Message is for people: at most [MaxMessage] bytes.
	Message string `json:"message"`
	// Reason is one CamelCase word for programs, such as
	// ReconciliationSucceeded.
	Reason string `json:"reason"`
	// Metadata is more about it. Inside a cluster its keys carry the prefix
	// <group of the object>/ or [EventGroup]/; what a rule lets through has
	// them without.
	Metadata            map[string]string `json:"metadata,omitempty"`
	ReportingController string            `json:"reportingController"`
	ReportingInstance   string            `json:"reportingInstance,omitempty"`
	// Labels are the object's, for Source.MatchLabels. They are not sent.
	Labels map[string]string `json:"-"`
}

// MarshalJSON writes the time in UTC and whole seconds, as Kubernetes does.
func (e Event) MarshalJSON() ([]byte, error) {
	type plain Event
	e.Timestamp = e.Timestamp.UTC().Truncate(time.Second)
	return json.Marshal(plain(e))
}

// Meta returns a metadata value by its key without prefix: it looks for
// <group of the object>/key, then key, then [EventGroup]/key.
func (e Event) Meta(key string) string {
	if v, ok := e.Metadata[e.InvolvedObject.Group()+"/"+key]; ok {
		return v
	}
	if v, ok := e.Metadata[key]; ok {
		return v
	}
	return e.Metadata[EventGroup+"/"+key]
}

// Revision returns the revision that the event is about, or "".
func (e Event) Revision() string { return e.Meta(MetaRevision) }

// Key tells repetitions: events of one object with the same message, reason,
// severity, revision, origin revision and token have the same key. The time is
// not part of it.
func (e Event) Key() string { return hex.EncodeToString(e.key()) }

func (e Event) key() []byte {
	h := sha256.New()
	for _, s := range [...]string{
		e.InvolvedObject.Group(), e.InvolvedObject.String(), e.InvolvedObject.UID, string(e.Severity), e.Reason,
		e.Message, e.Revision(), e.Meta(MetaOriginRevision), e.Meta(MetaToken),
	} {
		var size [8]byte
		for i, n := 0, uint64(len(s)); i < 8; i, n = i+1, n>>8 {
			size[i] = byte(n)
		}
		_, _ = h.Write(size[:])
		_, _ = io.WriteString(h, s)
	}
	return h.Sum(nil)
}

// deliveryID is the same for the same event and destination, on every attempt
// and after every restart; another time makes another event. Its key is that of
// the event.
func (e Event) deliveryID(key []byte, destination string) string {
	text := make([]byte, 0, 128)
	text = append(text, key...)
	text = e.Timestamp.UTC().AppendFormat(text, time.RFC3339Nano)
	text = append(append(text, 0), destination...)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// Validate returns an error that wraps [ErrInvalid] and names each field that is
// missing or has no meaning.
func (e Event) Validate() error {
	var missing []string
	for _, f := range [...]struct{ name, value string }{
		{"involvedObject.kind", e.InvolvedObject.Kind}, {"involvedObject.name", e.InvolvedObject.Name},
		{"message", e.Message}, {"reason", e.Reason},
	} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: the event lacks %s", ErrInvalid, strings.Join(missing, ", "))
	}
	if e.Severity != "" && e.Severity.rank() == 0 {
		return fmt.Errorf("%w: severity %q is none of trace, info, error", ErrInvalid, e.Severity)
	}
	return nil
}

// complete returns a copy with defaults filled in and the message cut to size.
func (e Event) complete(now time.Time) Event {
	if e.Severity == "" {
		e.Severity = SeverityInfo
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = now
	}
	e.Message = cut(e.Message, MaxMessage)
	e.Metadata = maps.Clone(e.Metadata)
	return e
}

// cut shortens s to at most limit bytes, at a rune's edge, and says so by "…".
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	s = s[:max(limit-len(mark), 0)]
	for len(s) > 0 && !utf8.ValidString(s[len(s)-min(len(s), utf8.UTFMax):]) {
		r, size := utf8.DecodeLastRuneInString(s)
		if r != utf8.RuneError || size > 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + mark
}

// ReadEvent reads one event as JSON, at most [MaxEventBytes], and validates it.
// Its errors wrap [ErrTooLarge] or [ErrInvalid].
func ReadEvent(r io.Reader) (Event, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxEventBytes+1))
	if err != nil {
		return Event{}, &Error{Op: "read event", Err: err}
	}
	if len(data) > MaxEventBytes {
		return Event{}, &Error{Op: "read event", Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxEventBytes)}
	}
	var e Event
	if err := json.Unmarshal(data, &e); err != nil {
		return Event{}, &Error{Op: "read event", Err: errors.Join(ErrInvalid, err)}
	}
	if err := e.Validate(); err != nil {
		return Event{}, &Error{Op: "read event", Err: err}
	}
	return e, nil
}
