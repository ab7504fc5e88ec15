package envsubst

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// apply runs the operator op on the value v.
func apply(v, op string, args []string) string {
	switch op {
	case "^":
		return firstRune(v, unicode.ToUpper)
	case "^^":
		return strings.ToUpper(v)
	case ",":
		return firstRune(v, unicode.ToLower)
	case ",,":
		return strings.ToLower(v)
	case ":":
		return substring(v, args)
	case "#", "##":
		return trimPrefix(v, args[0], op == "##")
	case "%", "%%":
		return trimSuffix(v, args[0], op == "%%")
	case "/", "//":
		return strings.Replace(v, args[0], argument(args, 1), replacements(op))
	case "/#":
		if rest, ok := strings.CutPrefix(v, args[0]); ok && len(args) == 2 {
			return args[1] + rest
		}
	case "/%":
		if rest, ok := strings.CutSuffix(v, args[0]); ok && len(args) == 2 {
			return rest + args[1]
		}
	}
	return v
}

func argument(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

func replacements(op string) int {
	if op == "//" {
		return -1
	}
	return 1
}

// replacedSize is the size that apply's result can have at most, so that a
// multiplication is refused before it is made.
func replacedSize(v, op string, args []string) int {
	if op != "//" {
		return len(v)
	}
	n := strings.Count(v, args[0])
	return len(v) + n*(len(argument(args, 1))-len(args[0]))
}

func firstRune(s string, change func(rune) rune) string {
	if s == "" {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(change(r)) + s[n:]
}

// substring follows bash with byte offsets: a number that cannot be read leaves
// the value as it is, an offset behind the end gives nothing.
func substring(s string, args []string) string {
	from, err := strconv.Atoi(args[0])
	if err != nil {
		return s
	}
	if from < 0 {
		from = max(0, len(s)+from)
	}
	end := len(s)
	if len(args) == 2 {
		length, err := strconv.Atoi(args[1])
		switch {
		case err != nil:
			return s
		case length < 0:
			end = len(s) + length
		case from < len(s) && length < len(s)-from:
			end = from + length
		}
	}
	if from >= len(s) || end < from {
		return ""
	}
	return s[from:end]
}
