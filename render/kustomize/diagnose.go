package kustomize

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/provider"
)

// diagnose finds the place of an error that the library reported: it reads the
// manifests of the build one by one, which the good case does without.
func (s *scanner) diagnose(root string, err error) error {
	if s.tree.failure != nil {
		err = s.tree.failure
	}
	var known *Error
	if errors.As(err, &known) && !errors.Is(err, ErrPanic) {
		return err
	}
	for _, m := range s.manifests {
		if m.patch && !errors.Is(err, ErrPanic) {
			continue
		}
		if e := s.tree.tryManifest(m); e != nil {
			return e
		}
	}
	if known != nil {
		known.Err, known.Chain = fmt.Errorf("%w: %s", ErrPanic, s.withoutSecrets(known.Err.Error())), displayAll([]string{root})
		return known
	}
	e := &Error{Op: "build", Err: fmt.Errorf("%w: %s", ErrInvalid, s.withoutSecrets(clean(err.Error())))}
	s.mentioned(e, err.Error())
	if e.File == "" {
		e.File, e.Chain = display(root), displayAll([]string{root})
	}
	return e
}

// tryManifest reads one file as the library does.
func (t *tree) tryManifest(m manifest) (found error) {
	data, err := t.read(m.file)
	if err != nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			found = &Error{Op: "build", File: display(m.file), Chain: m.chain, Err: fmt.Errorf("%w: %v", ErrPanic, p)}
		}
	}()
	_, err = provider.NewDefaultDepProvider().GetResourceFactory().SliceFromBytes(data)
	if err == nil {
		return nil
	}
	return &Error{
		Op: "build", File: display(m.file), Line: manifestLine(data, err), Field: manifestField(err), Chain: m.chain,
		Err: fmt.Errorf("%w: %s", ErrInvalid, clean(yamlPrefix.ReplaceAllString(err.Error(), ""))),
	}
}

var missingField = regexp.MustCompile(`missing (metadata\.name|kind|apiVersion)|(metadata\.name|kind|apiVersion) (?:is )?missing`)

func manifestField(err error) string {
	m := missingField.FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// manifestLine is the line of a syntax error, or of the document that lacks a
// field.
func manifestLine(data []byte, err error) int {
	field := manifestField(err)
	if field == "" {
		return max(syntaxLine(err), 1) // without a number the parser means the first
	}
	line := 1
	for _, doc := range splitDocuments(data) {
		if first := firstContent(doc); first >= 0 && lineOf(doc, field) == 0 {
			return line + first
		}
		line += strings.Count(string(doc), "\n") + 1
	}
	return 0
}

// firstContent is the index of the first line that is not blank, a comment or a
// separator, or -1.
func firstContent(doc []byte) int {
	for i, line := range strings.Split(string(doc), "\n") {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && !strings.HasPrefix(line, "---") {
			return i
		}
	}
	return -1
}

// mentioned fills in the file that the message names.
func (s *scanner) mentioned(e *Error, msg string) {
	best := 0
	for _, m := range s.manifests {
		name := display(m.file)
		base := name[strings.LastIndexByte(name, '/')+1:]
		if at := strings.LastIndex(msg, base); at > best {
			best, e.File, e.Chain = at, name, m.chain
		}
	}
}

var (
	virtualRoot = regexp.MustCompile(regexp.QuoteMeta(artifactRoot) + `(/|\b)`)
	triedAsFile = regexp.MustCompile(`accumulation err='accumulating resources from '[^']*': read [^:]*: ` + notRegular + `': `)
	triedAsDir  = regexp.MustCompile(`accumulation err='(.*)': must build at directory: '[^']*': file is not directory`)
	spaces      = regexp.MustCompile(`\s*\n\s*`)
)

// clean takes the virtual tree out of a message of the library and puts it on
// one line.
func clean(msg string) string {
	msg = triedAsFile.ReplaceAllString(msg, "")
	msg = triedAsDir.ReplaceAllString(msg, "$1")
	msg = strings.ReplaceAll(msg, "MalformedYAMLError: ", "")
	msg = virtualRoot.ReplaceAllString(msg, "")
	msg = strings.TrimSuffix(spaces.ReplaceAllString(strings.TrimSpace(msg), "; "), ";")
	if len(msg) > 2000 {
		msg = msg[:2000] + "…"
	}
	return msg
}
