package envsubst

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var vars = map[string]string{
	"v": "abcABC123ABCabc", "file": "path/to/file.tar.gz", "slash": "foo/bar/baz",
	"empty": "", "n": "3", "umlaut": "äöü", "dot": "foo.bar", "raw": "${v}",
}

func TestExpand(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"text without expressions":              {"a b: c", "a b: c"},
		"a value":                               {"x-${v}-y", "x-abcABC123ABCabc-y"},
		"an empty value counts as set":          {"[${empty}]", "[]"},
		"values are not expanded again":         {"${raw}", "${v}"},
		"length in bytes":                       {"${#v} ${#umlaut}", "15 6"},
		"first character upper":                 {"${v^}", "AbcABC123ABCabc"},
		"first character upper, not ASCII":      {"${umlaut^}", "Äöü"},
		"all upper":                             {"${v^^}", "ABCABC123ABCABC"},
		"first character lower":                 {"${v,}", "abcABC123ABCabc"},
		"all lower":                             {"${v,,}", "abcabc123abcabc"},
		"substring from":                        {"${v:6}", "123ABCabc"},
		"substring from with length":            {"${v:6:3}", "123"},
		"substring from the end":                {"${v:-3}", "abcABC123ABCabc"},
		"substring with a negative length":      {"${v:1:-1}", "bcABC123ABCab"},
		"substring crossed":                     {"${v:10:-10}", ""},
		"substring behind the end":              {"${v:99}", ""},
		"substring longer than the value":       {"${v:12:99}", "abc"},
		"substring with a huge length":          {"${v:12:9223372036854775807}", "abc"},
		"substring, number not readable":        {"${v: -3}", "abcABC123ABCabc"},
		"substring with a nested offset":        {"${v:${n}}", "ABC123ABCabc"},
		"shortest prefix":                       {"${file#*/}", "to/file.tar.gz"},
		"longest prefix":                        {"${file##*/}", "file.tar.gz"},
		"shortest suffix":                       {"${file%.*}", "path/to/file.tar"},
		"longest suffix":                        {"${file%%.*}", "path/to/file"},
		"prefix that does not match":            {"${file#x*}", "path/to/file.tar.gz"},
		"prefix with any rune":                  {"${umlaut#?}", "öü"},
		"suffix with any rune":                  {"${umlaut%?}", "äö"},
		"prefix with a class":                   {"${v##[a-z]}", "bcABC123ABCabc"},
		"suffix with a negated class":           {"${v%[^A-Z]}", "abcABC123ABCab"},
		"prefix with a malformed class":         {"${v#[a}", "abcABC123ABCabc"},
		"default with =":                        {"${none=x}", "x"},
		"default with :=":                       {"${none:=x}", "x"},
		"default with :-":                       {"${none:-x}", "x"},
		":? is a default":                       {"${none:?x}", "x"},
		":+ is a default":                       {"${none:+x} ${n:+x}", "x 3"},
		"default for an empty value":            {"${empty:-x}", "x"},
		"default not needed":                    {"${n:-x}", "3"},
		"default empty":                         {"[${none:-}]", "[]"},
		"default nested":                        {"${none:-a${other:-b${n}c}d}", "ab3cd"},
		"default not needed is not evaluated":   {"${n:-${none}}", "3"},
		"dollars in a default stay":             {"${none:-a$$b$c}", "a$$b$c"},
		"first occurrence":                      {"${v/abc/x}", "xABC123ABCabc"},
		"all occurrences":                       {"${v//abc/x}", "xABC123ABCx"},
		"at the start":                          {"${v/#abc/x}", "xABC123ABCabc"},
		"at the end":                            {"${v/%abc/x}", "abcABC123ABCx"},
		"not at the start":                      {"${v/#ABC/x}", "abcABC123ABCabc"},
		"removed":                               {"${dot/./}", "foobar"},
		"escaped slash":                         {`${slash/\//-}`, "foo-bar/baz"},
		"all escaped slashes":                   {`${slash//\//-}`, "foo-bar-baz"},
		"escaped backslash":                     {`${dot/./\\}`, `foo\bar`},
		"nested pattern and replacement":        {"${v/${none:-abc}/${n}}", "3ABC123ABCabc"},
		"double dollar":                         {"$${v} $$ a$$", "${v} $ a$"},
		"three dollars":                         {"$$${n}", "$3"},
		"double dollar keeps what follows":      {"$${x=${n}}", "${x=3}"},
		"a dollar without brace":                {"$v $ $1", "$v $ $1"},
		"backslashes outside of expressions":    {`\\a ${n}`, `\\a 3`},
		"a brace without dollar":                {"{v} }", "{v} }"},
		"mixed as in the reference of the list": {"some text ${n}$${var$${n}$n${n}", "some text 3${var${n}$n3"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Expand(tc.in, Map(vars), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExpandErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		in           string
		want         error
		line, column int
	}{
		"undefined":                   {"a: 1\nb: ${none}", ErrUndefined, 2, 4},
		"undefined, column in runes":  {"ä: ${none}", ErrUndefined, 1, 4},
		"undefined, length":           {"${#none}", ErrUndefined, 1, 1},
		"undefined, case":             {"${none^^}", ErrUndefined, 1, 1},
		"undefined, substring":        {"${none:1}", ErrUndefined, 1, 1},
		"undefined, replacement":      {"${none/a/b}", ErrUndefined, 1, 1},
		"undefined, trimmed":          {"${none%x}", ErrUndefined, 1, 1},
		"undefined inside a default":  {"${none:-${other}}", ErrUndefined, 1, 9},
		"no name":                     {"${}", ErrSyntax, 1, 1},
		"no name after #":             {"${#}", ErrSyntax, 1, 1},
		"a name with a dash":          {"${a-b}", ErrSyntax, 1, 1},
		"bare -":                      {"${none-x}", ErrSyntax, 1, 1},
		"bare +":                      {"${none+x}", ErrSyntax, 1, 1},
		"bare ?":                      {"${none?x}", ErrSyntax, 1, 1},
		"no closing brace":            {"x ${v", ErrSyntax, 1, 3},
		"no closing brace in default": {"x ${none:-a", ErrSyntax, 1, 3},
		"no pattern":                  {"${v#}", ErrSyntax, 1, 1},
		"no offset":                   {"${v:}", ErrSyntax, 1, 1},
		"no length":                   {"${v:1:}", ErrSyntax, 1, 1},
		"no slash":                    {"${v/a}", ErrSyntax, 1, 1},
		"too deep":                    {strings.Repeat("${x:-", 100) + strings.Repeat("}", 100), ErrLimit, 1, 321},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Expand(tc.in, Map(vars), Options{})
			if !errors.Is(err, tc.want) || got != "" {
				t.Fatalf("got %q, %v; want %v", got, err, tc.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			if diff := cmp.Diff([]int{tc.line, tc.column}, []int{e.Line, e.Column}); diff != "" {
				t.Errorf("place: %s", diff)
			}
		})
	}
}

func TestExpandLenient(t *testing.T) {
	got, err := Expand("[${none}] [${#none}] [${none/a/b}] [${none:-d}]", nil, Options{AllowUndefined: true})
	if want := "[] [0] [] [d]"; err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestExpandIsBounded(t *testing.T) {
	big := map[string]string{"a": strings.Repeat("x", 1000)}
	bomb := "${a//x/${a//x/${a//x/${a//x/${a}}}}}"
	if _, err := Expand(bomb, Map(big), Options{MaxOutput: 1 << 20}); !errors.Is(err, ErrLimit) {
		t.Fatalf("multiplication: %v", err)
	}
	if _, err := Expand(strings.Repeat("${a}", 100), Map(big), Options{MaxOutput: 1 << 10}); !errors.Is(err, ErrLimit) {
		t.Fatalf("output: %v", err)
	}
}

func TestErrorsDoNotShowValues(t *testing.T) {
	secret := map[string]string{"s": "hunter2"}
	for _, in := range []string{"${s}${none}", "${s", "${s/a}", "${none:-${s}${other}}"} {
		if _, err := Expand(in, Map(secret), Options{}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", in, err)
		}
	}
}
