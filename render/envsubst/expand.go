package envsubst

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lookup gives the value of a variable; ok is false where it is not defined. A
// value that is empty but defined counts as set.
type Lookup func(name string) (value string, ok bool)

// Map is a Lookup in a map, which must not change while it is used.
func Map(vars map[string]string) Lookup {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

// Options of an expansion. The zero value is strict.
type Options struct {
	// AllowUndefined takes an undefined variable as empty instead of failing.
	AllowUndefined bool
	// MaxOutput bounds the expanded text and every intermediate value, in
	// bytes. Zero means 64 MiB.
	MaxOutput int
}

const (
	defaultMaxOutput = 64 << 20
	maxNesting       = 64
)

// Expand returns src with every ${…} replaced. An error is an *Error with the
// place of the expression that failed; the text is then empty.
func Expand(src string, lookup Lookup, o Options) (string, error) {
	if !strings.Contains(src, "$") {
		return src, nil
	}
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	if o.MaxOutput <= 0 {
		o.MaxOutput = defaultMaxOutput
	}
	e := &expander{src: src, lookup: lookup, o: o}
	var out strings.Builder
	out.Grow(len(src))
	if err := e.text(&out); err != nil {
		return "", err
	}
	return out.String(), nil
}

// expander walks the source once, from left to right.
type expander struct {
	src    string
	pos    int
	depth  int
	skip   bool // inside a default that is not needed: parse, do not evaluate
	lookup Lookup
	o      Options
}

// text copies src to out until its end, expanding on the way.
func (e *expander) text(out *strings.Builder) error {
	for e.pos < len(e.src) {
		i := strings.IndexByte(e.src[e.pos:], '$')
		if i < 0 {
			i = len(e.src) - e.pos
		}
		out.WriteString(e.src[e.pos : e.pos+i])
		e.pos += i
		switch {
		case e.pos >= len(e.src):
		case e.at("$$"):
			out.WriteByte('$')
			e.pos += 2
		case e.at("${"):
			v, err := e.expression()
			if err != nil {
				return err
			}
			out.WriteString(v)
		default:
			out.WriteByte('$')
			e.pos++
		}
		if out.Len() > e.o.MaxOutput {
			return e.fail(e.pos, "", fmt.Errorf("%w: more than %d bytes", ErrLimit, e.o.MaxOutput))
		}
	}
	return nil
}

func (e *expander) at(s string) bool { return strings.HasPrefix(e.src[e.pos:], s) }

func (e *expander) peek() byte {
	if e.pos < len(e.src) {
		return e.src[e.pos]
	}
	return 0
}

func (e *expander) fail(offset int, variable string, err error) error {
	return (&Error{Op: "expand", Offset: offset, Variable: variable, Err: err}).position(e.src)
}

func (e *expander) syntax(start int, want string) error {
	return e.fail(start, "", fmt.Errorf("%w: %s", ErrSyntax, want))
}

// expression evaluates the ${…} at pos and moves behind it.
func (e *expander) expression() (string, error) {
	start := e.pos
	e.pos += len("${")
	e.depth++
	defer func() { e.depth-- }()
	if e.depth > maxNesting {
		return "", e.fail(start, "", fmt.Errorf("%w: nested deeper than %d", ErrLimit, maxNesting))
	}
	if e.peek() == '#' {
		e.pos++
		return e.length(start)
	}
	name := e.name()
	if name == "" {
		return "", e.syntax(start, "no variable name after ${")
	}
	op := e.operator()
	if !isDefault(op) {
		return e.transform(start, name, op)
	}
	return e.withDefault(start, name)
}

func (e *expander) length(start int) (string, error) {
	name := e.name()
	if name == "" {
		return "", e.syntax(start, "no variable name after ${#")
	}
	if err := e.closeBrace(start); err != nil {
		return "", err
	}
	v, err := e.value(start, name)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(len(v)), nil
}

// name reads letters, digits and underscores.
func (e *expander) name() string {
	start := e.pos
	for e.pos < len(e.src) {
		r, n := utf8.DecodeRuneInString(e.src[e.pos:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		e.pos += n
	}
	return e.src[start:e.pos]
}

// operator reads what follows the name; empty before the closing brace.
func (e *expander) operator() string {
	rest := e.src[e.pos:]
	for _, op := range []string{
		":=", ":-", ":?", ":+", ":", "=", "##", "#", "%%", "%", "//", "/#", "/%", "/",
	} {
		if strings.HasPrefix(rest, op) {
			e.pos += len(op)
			return op
		}
	}
	n := 0
	for n < 2 && n < len(rest) && (rest[n] == ',' || rest[n] == '^') {
		n++
	}
	e.pos += n
	return rest[:n]
}

func isDefault(op string) bool {
	switch op {
	case "=", ":=", ":-", ":?", ":+":
		return true
	}
	return false
}

func (e *expander) value(start int, name string) (string, error) {
	if e.skip {
		return "", nil
	}
	v, ok := e.lookup(name)
	if !ok && !e.o.AllowUndefined {
		return "", e.fail(start, name, ErrUndefined)
	}
	return v, nil
}

// withDefault reads ${name:-…}: the default is evaluated only if it is needed.
func (e *expander) withDefault(start int, name string) (string, error) {
	var v string
	if !e.skip {
		v, _ = e.lookup(name)
	}
	outer := e.skip
	e.skip = outer || v != ""
	def, err := e.argument(start, isBrace, false)
	e.skip = outer
	if err != nil {
		return "", err
	}
	if err := e.closeBrace(start); err != nil {
		return "", err
	}
	if v != "" {
		return v, nil
	}
	return def, nil
}

// transform reads the arguments of op and applies it.
func (e *expander) transform(start int, name, op string) (string, error) {
	args, err := e.arguments(start, op)
	if err != nil {
		return "", err
	}
	if err := e.closeBrace(start); err != nil {
		return "", err
	}
	v, err := e.value(start, name)
	if err != nil || e.skip {
		return "", err
	}
	if size := replacedSize(v, op, args); size > e.o.MaxOutput {
		return "", e.fail(start, name, fmt.Errorf("%w: more than %d bytes", ErrLimit, e.o.MaxOutput))
	}
	return apply(v, op, args), nil
}

func (e *expander) closeBrace(start int) error {
	if e.peek() != '}' {
		return e.syntax(start, "no closing brace where one is expected")
	}
	e.pos++
	return nil
}
