package ssa

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apiError turns an error of the API server into an *Error whose text is about
// the object's fields and not about the request.
func apiError(op string, o *object, err error) *Error {
	e := &Error{Op: op, Ref: o.ref, Origin: o.origin, Err: err}
	causes := causesOf(err)
	for _, c := range causes {
		if namesField(c) {
			e.Fields = append(e.Fields, c.Field)
		}
	}
	kind := classify(err)
	switch {
	case kind == nil:
	case isNotServed(err):
		text := fmt.Sprintf("the API server does not serve %s in %s at the moment; its definition may have been deleted", o.ref.Kind, o.gvk().GroupVersion())
		e.Err = &apiCause{kind: kind, text: text, err: err}
	case isSchemaError(err):
		text, fields := readSchemaError(err.Error())
		e.Fields = fields
		e.Err = &apiCause{kind: kind, text: text, err: err}
	default:
		e.Err = &apiCause{kind: kind, text: describe(err, causes), err: err}
	}
	return e
}

// An apiCause carries a sentinel, or an error that wraps one, a readable text
// where the sentinel does not say it all, and the API's error.
type apiCause struct {
	kind error
	text string
	err  error
}

func (c *apiCause) Error() string {
	if c.text == "" {
		return c.kind.Error()
	}
	return c.kind.Error() + ": " + c.text
}

func (c *apiCause) Unwrap() []error { return []error{c.kind, c.err} }

func classify(err error) error {
	switch {
	case isNotServed(err):
		return ErrUnknownKind
	case isImmutable(err):
		return ErrImmutable
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return ErrConflict
	case apierrors.HasStatusCause(err, "NamespaceTerminating"), isDefinitionTerminating(err):
		return ErrTerminating
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), isSchemaError(err), isTooLarge(err):
		return ErrInvalid
	case apierrors.IsForbidden(err):
		return ErrForbidden
	case isNamespaceMissing(err):
		return ErrNamespaceMissing
	}
	return nil
}

// isDefinitionTerminating tells the refusal to create a custom resource whose
// definition is being deleted.
func isDefinitionTerminating(err error) bool {
	return (apierrors.IsForbidden(err) || apierrors.IsMethodNotSupported(err)) && strings.Contains(err.Error(), "custom resource definition is terminating")
}

// isSchemaError tells failures to read a patch against the schema, which the
// API server reports as an internal error.
func isSchemaError(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "failed to create typed patch object")
}

// schemaField matches a field path at the head of a line of a schema error.
var schemaField = regexp.MustCompile(`(?m)^\s*\.([^\s:]+):`)

// readSchemaError returns what a schema error says without its preamble, which
// repeats the object's name, and the fields that it names.
func readSchemaError(text string) (message string, fields []string) {
	if _, after, ok := strings.Cut(text, "): "); ok {
		text = after
	}
	for _, m := range schemaField.FindAllStringSubmatch(text, -1) {
		fields = append(fields, m[1])
	}
	text = strings.TrimPrefix(text, "errors:")
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimSpace(l), ".")
	}
	return strings.TrimPrefix(strings.Join(lines, "; "), "; "), fields
}

// isTooLarge tells objects that the API server, or etcd, can't hold: the latter
// is reported as an internal error.
func isTooLarge(err error) bool {
	return apierrors.IsRequestEntityTooLargeError(err) || strings.Contains(err.Error(), "etcdserver: request is too large") ||
		strings.Contains(err.Error(), "trying to send message larger than max")
}

func isNamespaceMissing(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return status.Status().Details.Kind == "namespaces"
}

func causesOf(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	return status.Status().Details.Causes
}

func namesField(c metav1.StatusCause) bool {
	return c.Field != "" && c.Field != "<nil>" && c.Type != "UnexpectedServerResponse"
}

func describe(err error, causes []metav1.StatusCause) string {
	var parts []string
	for _, c := range causes {
		switch {
		case c.Message == "":
		case namesField(c):
			parts = append(parts, c.Field+": "+concise(c.Message))
		default:
			parts = append(parts, concise(c.Message))
		}
	}
	if len(parts) == 0 {
		return err.Error()
	}
	return strings.Join(parts, "; ")
}

// concise returns a message without the value that it is about, if that is a
// whole template of pods, say, and not without its end.
func concise(message string) string {
	const longValue, longMessage = 120, 500
	if value, ok := strings.CutPrefix(message, "Invalid value: "); ok && len(value) > longValue {
		at := -1
		for _, end := range []string{"}: ", "]: ", "\": "} {
			at = max(at, strings.LastIndex(value, end))
		}
		if at >= 0 {
			message = value[at+3:]
		}
	}
	if r := []rune(message); len(r) > longMessage {
		return string(r[:longMessage]) + "…"
	}
	return message
}

// immutableTexts are what the API server and its admission say of a field that
// must not change, in lower case; the API has no cause type of its own for it.
var immutableTexts = []string{
	"is immutable", // also what rules of definitions say by custom
	"immutable field",
	"updates to statefulset spec for fields other than",
	"pod updates may not change fields other than",
	"may not change once set",
	"may not be changed in an update",
	"cannot change roleref",
	"updates to parameters are forbidden",
	"updates to provisioner are forbidden",
	"updates to reclaimpolicy are forbidden",
	"updates to volumebindingmode are forbidden",
}

// isImmutable decides on the causes that the API names, never on the status
// code alone: a plain validation error must not lead to a deletion. Every
// cause has to be of this sort.
func isImmutable(err error) bool {
	causes := causesOf(err)
	if len(causes) == 0 {
		return deniedByWebhook(err) && mentionsImmutable(err.Error())
	}
	if !apierrors.IsInvalid(err) {
		return false
	}
	for _, c := range causes {
		if !mentionsImmutable(c.Message) {
			return false
		}
	}
	return true
}

// deniedByWebhook reports whether an admission webhook has refused an object:
// with whatever code it likes, and often with a message only.
func deniedByWebhook(err error) bool {
	refused := apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err)
	return refused && strings.HasPrefix(err.Error(), "admission webhook ") && strings.Contains(err.Error(), " denied the request")
}

func mentionsImmutable(message string) bool {
	message = strings.ToLower(message)
	for _, t := range immutableTexts {
		if strings.Contains(message, t) {
			return true
		}
	}
	return false
}
