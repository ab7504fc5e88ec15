package ssa

import (
	"fmt"
	"io"
	"strings"

	"github.com/gitopskit/gitopskit/internal/printable"
)

// symbols stand before objects in plans, as in other tools of the kind.
var symbols = map[Action]string{Create: "+", Update: "~", Recreate: "±", Prune: "-", Orphan: "o", Skip: ".", Unchanged: "=", Conflict: "!", None: "?"}

var colors = map[Action]string{Create: "\x1b[32m", Update: "\x1b[33m", Recreate: "\x1b[35m", Prune: "\x1b[31m", Conflict: "\x1b[31m"}

const colorEnd = "\x1b[0m"

// WriteText writes the plan for people, with colours if color is true. What
// stays as it is is counted and not listed. Nothing of the plan can drive a
// terminal: control characters are shown by their numbers.
func (p *Plan) WriteText(w io.Writer, color bool) error {
	var b strings.Builder
	for i := range p.Objects {
		o := &p.Objects[i]
		if o.Action == Unchanged && o.Error == "" {
			continue
		}
		begin, end := "", ""
		if c := colors[o.Action]; color && c != "" {
			begin, end = c, colorEnd
		}
		fmt.Fprintf(&b, "%s%s %s %s%s", begin, symbols[o.Action], o.Action, printable.Line(o.Ref().String()), end)
		if o.Reason != "" {
			fmt.Fprintf(&b, " (%s)", printable.Line(o.Reason))
		}
		b.WriteByte('\n')
		for _, c := range o.Diff {
			fmt.Fprintf(&b, "    %s\n", Change(c))
		}
		writeOwners(&b, "    ", o, printable.Line)
		if o.Error != "" {
			fmt.Fprintf(&b, "    error: %s\n", strings.ReplaceAll(printable.Text(o.Error), "\n", "\n      "))
		}
	}
	fmt.Fprintf(&b, "%s\n", p.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes the plan for a comment of a pull request. What comes from
// the cluster stands in it as code, which mentions nobody and has no links.
func (p *Plan) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", p.summary())
	for i := range p.Objects {
		o := &p.Objects[i]
		if o.Action == Unchanged && o.Error == "" {
			continue
		}
		fmt.Fprintf(&b, "\n- %s %s", o.Action, code(o.Ref().String()))
		if o.Reason != "" {
			fmt.Fprintf(&b, " (%s)", code(o.Reason))
		}
		b.WriteByte('\n')
		if len(o.Diff) > 0 {
			b.WriteString("\n  ```diff\n")
			for _, c := range o.Diff {
				writeDiffLines(&b, c)
			}
			b.WriteString("  ```\n")
		}
		writeOwners(&b, "  - ", o, code)
		if o.Error != "" {
			fmt.Fprintf(&b, "  - **error:** %s\n", code(o.Error))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// code returns text as Markdown's code, on one line.
func code(s string) string {
	s = printable.Line(strings.ReplaceAll(s, "\n", " "))
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " " // which Markdown takes away again
	}
	return fence + s + fence
}

// writeOwners says what changes hands.
func writeOwners(b *strings.Builder, indent string, o *PlanObject, form func(string) string) {
	if len(o.Taken) > 0 {
		fmt.Fprintf(b, "%stakes from others: %s\n", indent, form(joinOwners(o.Taken)))
	}
	if len(o.Yielded) > 0 {
		fmt.Fprintf(b, "%sleaves to others: %s\n", indent, form(joinOwners(o.Yielded)))
	}
}

func writeDiffLines(b *strings.Builder, c PlanChange) {
	line := func(sign string, v any) {
		if v != nil {
			fmt.Fprintf(b, "  %s %s: %s\n", sign, printable.Line(c.Path), short(v))
		}
	}
	line("-", c.Old)
	line("+", c.New)
}

func (p *Plan) summary() string {
	count := map[Action]int{}
	failed := 0
	for i := range p.Objects {
		if p.Objects[i].Error != "" {
			failed++
			continue
		}
		count[p.Objects[i].Action]++
	}
	var parts []string
	for _, a := range []Action{Create, Update, Recreate, Prune, Orphan, Unchanged, Skip} {
		if n := count[a]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n, a))
		}
	}
	if failed > 0 {
		parts = append(parts, fmt.Sprintf("%d refused", failed))
	}
	if len(parts) == 0 {
		return "Nothing to do"
	}
	text := strings.Join(parts, ", ")
	text = strings.NewReplacer(" to unchanged", " unchanged", " to skip", " left alone").Replace(text)
	return "Plan: " + text
}
