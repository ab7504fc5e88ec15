package setters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Policy names an image policy.
type Policy struct{ Namespace, Name string }

// String returns namespace:name, as markers have it.
func (p Policy) String() string { return p.Namespace + ":" + p.Name }

// Part is what of an image a marker asks for.
type Part string

const (
	// Whole is name:tag, with @digest where the image has one.
	Whole Part = ""
	// Tag is the tag alone.
	Tag Part = "tag"
	// Name is the name alone, with the registry.
	Name Part = "name"
	// Digest is the digest alone.
	Digest Part = "digest"
)

const (
	policyKey = "$imagepolicy"
	refPrefix = "#/definitions/io.k8s.cli.setters."
)

// hasMarker says whether content may have a marker at all.
func hasMarker(content []byte) bool {
	return bytes.Contains(content, []byte(policyKey)) || bytes.Contains(content, []byte(refPrefix))
}

// parseMarker reads a comment, with its #. It reports false for a comment that is
// no marker.
func parseMarker(comment string) (Policy, Part, bool, error) {
	text := strings.TrimSpace(strings.TrimLeft(comment, "#"))
	if !strings.HasPrefix(text, "{") || !hasMarker([]byte(text)) {
		return Policy{}, "", false, nil
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return Policy{}, "", true, fmt.Errorf("the marker %s is not JSON: %w", text, err)
	}
	name, ok := fields[policyKey].(string)
	if !ok {
		ref, isString := fields["$ref"].(string)
		if name, ok = strings.CutPrefix(ref, refPrefix); !isString || !ok {
			return Policy{}, "", true, fmt.Errorf("the marker %s names no policy", text)
		}
	}
	words := strings.Split(name, ":")
	if len(words) < 2 || len(words) > 3 || words[0] == "" || words[1] == "" {
		return Policy{}, "", true, fmt.Errorf("the marker %q has not the form namespace:name or namespace:name:part", name)
	}
	policy, part := Policy{Namespace: words[0], Name: words[1]}, Whole
	if len(words) == 3 {
		part = Part(words[2])
		if part != Tag && part != Name && part != Digest {
			return Policy{}, "", true, fmt.Errorf("the marker %q asks for %q, which is none of tag, name, digest", name, part)
		}
	}
	return policy, part, true, nil
}
