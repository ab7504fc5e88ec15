package notify

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Mask is what stands where a secret was.
const Mask = "*****"

// minSecret is the length from which a value is masked: shorter ones would
// blacken ordinary words.
const minSecret = 4

// Masker replaces secrets by [Mask], also where they appear URL-encoded, in
// base64 (at any offset of a longer text), in hex, JSON-escaped, quoted by Go or
// HTML-escaped. The zero value and nil mask nothing. Many goroutines may use it.
type Masker struct {
	replacer *strings.Replacer
	values   []string
}

// NewMasker returns a masker of these values; those shorter than four bytes are
// left out. Of a value that is a URL, its path with query, its password and the
// values of its query are secrets too.
func NewMasker(secrets ...string) *Masker {
	set := map[string]bool{}
	var values []string
	for _, s := range secrets {
		if s = strings.TrimSpace(s); len(s) < minSecret {
			continue
		}
		values = append(values, s)
		for _, part := range append(secretParts(s), s) {
			for _, form := range forms(part) {
				if len(form) >= minSecret {
					set[form] = true
				}
			}
		}
	}
	// The longest form wins where several begin at one place.
	list := slices.SortedFunc(maps.Keys(set), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	pairs := make([]string, 0, 2*len(list))
	for _, s := range list {
		pairs = append(pairs, s, Mask)
	}
	return &Masker{replacer: strings.NewReplacer(pairs...), values: values}
}

// With returns a masker of these secrets and the receiver's.
func (m *Masker) With(secrets ...string) *Masker {
	if m == nil {
		return NewMasker(secrets...)
	}
	return NewMasker(append(slices.Clone(m.values), secrets...)...)
}

// secretParts are what a URL gives away when it is printed in pieces.
func secretParts(s string) []string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return nil
	}
	var out []string
	if p := strings.Trim(u.EscapedPath(), "/"); len(p) >= 8 {
		out = append(out, p)
	}
	if u.RawQuery != "" {
		out = append(out, u.RequestURI())
		for _, vs := range u.Query() {
			for _, v := range vs {
				if len(v) >= 8 {
					out = append(out, v)
				}
			}
		}
	}
	if password, ok := u.User.Password(); ok {
		out = append(out, password, u.User.String())
	}
	// net/url prints a password as xxxxx, and then the rest of the address.
	return append(out, u.Redacted())
}

// forms returns the ways in which s may be written.
func forms(s string) []string {
	out := []string{s, strings.Trim(strconv.Quote(s), `"`), html.EscapeString(s), hex.EncodeToString([]byte(s))}
	for _, escaped := range []string{url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), (&url.URL{Path: s}).EscapedPath()} {
		out = append(out, escaped, lowerEscapes(escaped))
	}
	if b, err := json.Marshal(s); err == nil {
		out = append(out, string(b[1:len(b)-1]))
		var plain strings.Builder
		enc := json.NewEncoder(&plain)
		enc.SetEscapeHTML(false)
		if enc.Encode(s) == nil {
			p := strings.TrimSuffix(plain.String(), "\n")
			out = append(out, p[1:len(p)-1], strings.ReplaceAll(p[1:len(p)-1], "/", `\/`))
		}
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			core := base64Core(enc, s, shift)
			out = append(out, core, url.QueryEscape(core))
		}
	}
	return out
}

// base64Core returns the characters that s alone decides when it stands behind
// shift other bytes in a longer text.
func base64Core(enc *base64.Encoding, s string, shift int) string {
	full := enc.EncodeToString([]byte("\x00\x00"[:min(shift, 2)] + s))
	from := []int{0, 2, 3}[shift]
	to := (shift + len(s)) * 8 / 6
	if core := full[from:max(from, to)]; len(core) >= 6 {
		return core
	}
	return ""
}

// lowerEscapes turns %2F into %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			b[i+1], b[i+2] = lower(b[i+1]), lower(b[i+2])
		}
	}
	return string(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

// String returns s with the secrets masked.
func (m *Masker) String(s string) string {
	if m == nil || m.replacer == nil {
		return s
	}
	return m.replacer.Replace(s)
}

// Event returns e with the secrets in its message, reason and metadata masked.
func (m *Masker) Event(e Event) Event {
	if m == nil || len(m.values) == 0 {
		return e
	}
	e.Message, e.Reason = m.String(e.Message), m.String(e.Reason)
	if len(e.Metadata) > 0 {
		meta := make(map[string]string, len(e.Metadata))
		for k, v := range e.Metadata {
			meta[m.String(k)] = m.String(v)
		}
		e.Metadata = meta
	}
	return e
}

// Error returns an error that prints with the secrets masked. errors.Is sees
// through it; errors.As finds a *SendError, whose cause is masked too, and
// nothing else, since other causes may hold what was masked.
func (m *Masker) Error(err error) error {
	if err == nil {
		return nil
	}
	out := &maskedError{text: m.String(err.Error()), err: err}
	var send *SendError
	if errors.As(err, &send) {
		masked := *send
		masked.Err = &maskedError{text: out.text, err: err}
		return &masked
	}
	return out
}

type maskedError struct {
	text string
	err  error
}

func (e *maskedError) Error() string { return e.text }

// Is lets errors.Is find the causes without handing them out.
func (e *maskedError) Is(target error) bool { return errors.Is(e.err, target) }
