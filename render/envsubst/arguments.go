package envsubst

import (
	"fmt"
	"strings"
)

func isBrace(c byte) bool        { return c == '}' }
func isSlash(c byte) bool        { return c == '/' }
func isColonOrBrace(c byte) bool { return c == ':' || c == '}' }

// arguments reads what op takes, up to the closing brace.
func (e *expander) arguments(start int, op string) ([]string, error) {
	switch op {
	case "#", "##", "%", "%%":
		return e.one(start, op)
	case ":":
		return e.offsets(start)
	case "/", "//", "/#", "/%":
		return e.replacement(start)
	}
	return nil, nil
}

func (e *expander) one(start int, op string) ([]string, error) {
	if e.peek() == '}' {
		return nil, e.syntax(start, "no pattern after "+op)
	}
	arg, err := e.argument(start, isBrace, false)
	return []string{arg}, err
}

// offsets reads n or n:len.
func (e *expander) offsets(start int) ([]string, error) {
	if isColonOrBrace(e.peek()) {
		return nil, e.syntax(start, "no offset after :")
	}
	from, err := e.argument(start, isColonOrBrace, false)
	if err != nil || e.peek() == '}' {
		return []string{from}, err
	}
	for e.peek() == ':' {
		e.pos++
	}
	if e.peek() == '}' {
		return nil, e.syntax(start, "no length after the second :")
	}
	length, err := e.argument(start, isBrace, false)
	return []string{from, length}, err
}

// replacement reads a/b. The pattern may hold a closing brace, as in Flux.
func (e *expander) replacement(start int) ([]string, error) {
	if e.peek() == '/' {
		return nil, e.syntax(start, "no pattern before the slash")
	}
	pattern, err := e.argument(start, isSlash, true)
	if err != nil {
		return nil, err
	}
	if e.peek() != '/' {
		return nil, e.syntax(start, "no slash after the pattern")
	}
	for e.peek() == '/' {
		e.pos++
	}
	if e.peek() == '}' {
		return []string{pattern}, nil
	}
	with, err := e.argument(start, isBrace, true)
	return []string{pattern, with}, err
}

// argument reads text and nested expressions up to a byte that ends it.
func (e *expander) argument(start int, end func(byte) bool, escapes bool) (string, error) {
	var out strings.Builder
	for e.pos < len(e.src) && !end(e.src[e.pos]) {
		switch {
		case e.at("${"):
			v, err := e.expression()
			if err != nil {
				return "", err
			}
			out.WriteString(v)
		case escapes && (e.at("$$") || e.at(`\/`) || e.at(`\\`)):
			out.WriteByte(e.src[e.pos+1])
			e.pos += 2
		default:
			out.WriteByte(e.src[e.pos])
			e.pos++
		}
		if out.Len() > e.o.MaxOutput {
			return "", e.fail(start, "", fmt.Errorf("%w: more than %d bytes", ErrLimit, e.o.MaxOutput))
		}
	}
	if e.pos >= len(e.src) {
		return "", e.syntax(start, "no closing brace")
	}
	return out.String(), nil
}
