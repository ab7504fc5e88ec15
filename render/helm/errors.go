package helm

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Sentinels of this package, for errors.Is.
var (
	// ErrChart: the chart can't be read or is not valid.
	ErrChart = errors.New("invalid chart")
	// ErrDependency: a dependency of the chart is missing.
	ErrDependency = errors.New("missing dependency")
	// ErrValues: values can't be read or composed.
	ErrValues = errors.New("invalid values")
	// ErrSchema: the values do not meet the chart's schema.
	ErrSchema = errors.New("values do not meet the schema")
	// ErrTemplate: a template can't be parsed or fails.
	ErrTemplate = errors.New("template failed")
	// ErrManifest: what a template gives is no Kubernetes object.
	ErrManifest = errors.New("invalid manifest")
	// ErrKubeVersion: the chart does not allow the cluster's version.
	ErrKubeVersion = errors.New("the chart does not allow this version of Kubernetes")
	// ErrLimit: rendering needs more time or memory than allowed.
	ErrLimit = errors.New("limit exceeded")
	// ErrPostRender: the post-renderers failed.
	ErrPostRender = errors.New("post-rendering failed")
)

// Error says where something failed.
type Error struct {
	// Op is "load", "values", "template" or "postrender".
	Op string
	// Ref names the chart, as name-version, or the source of values.
	Ref string
	// File is the file of the chart, as templates are named: chart/templates/x.yaml.
	File string
	// Line counts from 1 in File; 0 where it is not known.
	Line int
	// Err is one of the sentinels, possibly wrapped.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("helm: ")
	if e.Ref != "" {
		b.WriteString(e.Ref + ": ")
	}
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	case e.File != "":
		b.WriteString(e.File + ": ")
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// templatePlace finds file and line in an error of text/template.
var templatePlace = regexp.MustCompile(`template: ([^:\s]+):(\d+)`)

// templateError makes an error of one of text/template, whose last place is the
// innermost.
func templateError(ref, file string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	e := &Error{Op: "template", Ref: ref, File: file}
	if m := templatePlace.FindAllStringSubmatch(err.Error(), -1); m != nil {
		e.File = m[len(m)-1][1]
		e.Line, _ = strconv.Atoi(m[len(m)-1][2])
	}
	msg := err.Error()
	if i := strings.LastIndex(msg, ">: "); i >= 0 {
		msg = msg[i+3:]
	}
	switch {
	case errors.Is(err, ErrLimit):
		e.Err = err
		var inner *limitError
		if errors.As(err, &inner) {
			e.Err = inner
		}
	default:
		e.Err = fmt.Errorf("%w: %s", ErrTemplate, msg)
	}
	return e
}

// limitError is an ErrLimit that passes through text/template.
type limitError struct{ what string }

func (l *limitError) Error() string { return ErrLimit.Error() + ": " + l.what }
func (l *limitError) Unwrap() error { return ErrLimit }
