package update

import (
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// DefaultMessage is Options.Message if that is empty.
const DefaultMessage = "Update from image update automation"

// maxText is the most that a template may become, in bytes.
const maxText = 1 << 20

// functions are those of sprig that give the same for the same input on every
// machine; those that could fill the memory are bounded.
func functions() template.FuncMap {
	all := sprig.HermeticTxtFuncMap()
	all["repeat"] = func(n int, s string) (string, error) {
		if n < 0 || len(s)*n > maxText {
			return "", fmt.Errorf("repeat %d times is too much", n)
		}
		return strings.Repeat(s, n), nil
	}
	all["until"] = func(n int) ([]int, error) { return steps(0, n, 1) }
	all["untilStep"] = steps
	return all
}

func steps(from, to, step int) ([]int, error) {
	const most = 10_000
	var out []int
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if len(out) == most {
			return nil, fmt.Errorf("more than %d steps", most)
		}
		out = append(out, i)
	}
	return out, nil
}

// text is a template of one of the options.
type text struct {
	field string
	tmpl  *template.Template
}

func parse(field, source string) (text, error) {
	tmpl, err := template.New(field).Funcs(functions()).Parse(source)
	if err != nil {
		return text{}, templateError(field, err)
	}
	return text{field, tmpl}, nil
}

// fill returns the text, which must not be empty.
func (t text) fill(d Data) (string, error) {
	var out limited
	err := t.tmpl.Execute(&out, d)
	if err == nil && strings.TrimSpace(out.String()) == "" {
		err = errors.New("nothing comes out of it")
	}
	if err != nil {
		return "", templateError(t.field, err)
	}
	return out.String(), nil
}

func templateError(field string, err error) error {
	return &Error{Op: "template", Ref: field, Err: fmt.Errorf("%w: %w", ErrTemplate, err)}
}

type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxText {
		return 0, fmt.Errorf("it becomes more than %d bytes", maxText)
	}
	return l.Builder.Write(p)
}
