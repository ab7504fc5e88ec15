package setters

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// UpdateContent returns content with the images written where markers ask for
// them, in new memory if anything changes. File is only named in the results. Its
// error wraps ErrYAML or ErrInvalid; content is then returned as it is.
func UpdateContent(file string, content []byte, images map[Policy]Image) ([]byte, Result, error) {
	if err := checkImages(images); err != nil {
		return content, Result{}, err
	}
	return updateContent(file, content, images)
}

func updateContent(file string, content []byte, images map[Policy]Image) ([]byte, Result, error) {
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return content, Result{}, &Error{Op: "parse", Ref: file, Err: fmt.Errorf("%w: it is in UTF-16", ErrYAML)}
	}
	if !hasMarker(content) {
		return content, Result{}, nil
	}
	documents, err := parse(content)
	if err != nil {
		return content, Result{}, &Error{Op: "parse", Ref: file, Err: err}
	}
	w := &walk{file: file, text: newText(content), images: images, used: map[int]bool{}}
	for _, d := range documents {
		w.node(d, place{})
	}
	w.unused()
	if len(w.result.Changes) == 0 {
		return content, w.result, nil
	}
	changed, err := replace(content, w.result.Changes)
	if err == nil {
		err = verify(changed, w)
	}
	if err != nil {
		return content, Result{Skipped: w.result.Skipped}, &Error{Op: "write", Ref: file, Err: err}
	}
	return changed, w.result, nil
}

func parse(content []byte) ([]*yaml.Node, error) {
	if !utf8.Valid(content) {
		return nil, fmt.Errorf("%w: it is not UTF-8", ErrYAML)
	}
	var documents []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrYAML, err)
		}
		documents = append(documents, &document)
	}
}

// replace makes the changes, which are of one content.
func replace(content []byte, changes []Change) ([]byte, error) {
	sorted := slices.SortedFunc(slices.Values(changes), func(a, b Change) int { return a.Offset - b.Offset })
	out := make([]byte, 0, len(content)+64*len(changes))
	from := 0
	for _, c := range sorted {
		end := c.Offset + len(c.OldText)
		if c.Offset < from || end > len(content) || string(content[c.Offset:end]) != c.OldText {
			return nil, fmt.Errorf("%w: byte %d is not the beginning of %s", ErrChanged, c.Offset, c.OldText)
		}
		out = append(out, content[from:c.Offset]...)
		out = append(out, c.NewText...)
		from = end
	}
	return append(out, content[from:]...), nil
}

// Undo takes back all changes of one file, as UpdateContent returned them, and
// returns the original bytes in new memory. Its error wraps ErrChanged when the
// content is not what the changes made.
func Undo(content []byte, changes []Change) ([]byte, error) {
	back := slices.SortedFunc(slices.Values(changes), func(a, b Change) int { return a.Offset - b.Offset })
	shift := 0
	for i, c := range back {
		back[i].Offset += shift
		back[i].OldText, back[i].NewText = c.NewText, c.OldText
		shift += len(c.NewText) - len(c.OldText)
	}
	out, err := replace(content, back)
	if err != nil {
		ref := ""
		if len(changes) > 0 {
			ref = changes[0].File
		}
		return nil, &Error{Op: "undo", Ref: ref, Err: err}
	}
	return out, nil
}

// verify reads changed content again: every node must be as it was, but for the
// scalars that changed.
func verify(changed []byte, before *walk) error {
	documents, err := parse(changed)
	if err != nil {
		return err
	}
	after := &walk{}
	for _, d := range documents {
		after.remember(d)
	}
	want := before.nodes
	for _, c := range before.result.Changes {
		want[c.node] = c.New
	}
	if !slices.Equal(want, after.nodes) {
		return fmt.Errorf("%w: the change would mean something else", ErrYAML)
	}
	return nil
}
