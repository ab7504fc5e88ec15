package provider

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gitopskit/gitopskit/notify"
)

// pair is a metadata entry.
type pair struct{ key, value string }

// pairs returns the metadata sorted by key, the summary left out.
func pairs(e notify.Event) []pair {
	var out []pair
	for _, k := range slices.Sorted(maps.Keys(e.Metadata)) {
		if k != notify.MetaSummary {
			out = append(out, pair{k, e.Metadata[k]})
		}
	}
	return out
}

// heading is kind/name.namespace.
func heading(e notify.Event) string {
	o := e.InvolvedObject
	s := strings.ToLower(o.Kind) + "/" + o.Name
	if o.Namespace != "" {
		s += "." + o.Namespace
	}
	return s
}

// body is the summary, if any, and the message.
func body(e notify.Event) string {
	if s := e.Metadata[notify.MetaSummary]; s != "" {
		return s + "\n" + e.Message
	}
	return e.Message
}

func isError(e notify.Event) bool { return e.Severity == notify.SeverityError }

// pick returns bad for an error and good for all else.
func pick(e notify.Event, good, bad string) string {
	if isError(e) {
		return bad
	}
	return good
}

// clip cuts a text to so many characters, the last being "…" where some went.
func clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return s[:i] + "…"
		}
	}
	return s
}

// words turns ReconciliationSucceeded into "reconciliation succeeded".
func words(camel string) string {
	var b strings.Builder
	rs := []rune(camel)
	for i, r := range rs {
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// htmlText escapes what would be a tag.
func htmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// cutBytes cuts a text to so many bytes, at the edge of a character.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
