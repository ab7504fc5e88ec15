// Package envsubst replaces ${variables} in text and in Kubernetes objects,
// with the function list of Flux's post-build substitution.
//
//	vars := map[string]string{"cluster": "prod", "zones": "a,b"}
//	text, err := envsubst.Expand("name: ${cluster}-${zone:-a}", envsubst.Map(vars), envsubst.Options{})
//	if err != nil {
//		log.Fatal(err) // envsubst: line 1, column 7: …
//	}
//	fmt.Println(text) // name: prod-a
//
// The forms are
//
//	${v}                     the value
//	${#v}                    its length in bytes
//	${v^} ${v^^} ${v,} ${v,,} first or all characters in upper or lower case
//	${v:n} ${v:n:len}        a substring; offsets and lengths are bytes, negative ones count from the end
//	${v#p} ${v##p}           without the shortest or longest prefix that matches the glob p
//	${v%p} ${v%%p}           without the shortest or longest suffix that matches the glob p
//	${v/a/b} ${v//a/b}       first or all occurrences of a replaced
//	${v/#a/b} ${v/%a/b}      a replaced at the start or at the end
//	${v=d} ${v:=d} ${v:-d}   d if the value is empty; d may hold further ${…}
//
// `:?` and `:+` act as a default too, as in Flux. `$$` writes one `$`, so that
// `$${v}` stays `${v}`; `$v` is left alone. In the pattern and the replacement
// `\/` writes a slash and `\\` a backslash.
//
// # What it guarantees
//
// Time and memory are linear in the size of the input and of the output, which
// is bounded (Options.MaxOutput), as is nesting. Values are inserted as they
// are, never expanded again. By default an undefined variable without a default
// is an error that names variable, line and column. Neither errors nor
// messages hold values.
//
// # What it does not do
//
// It does not read the environment, run commands or assign variables.
package envsubst
