package ssa

import (
	"fmt"
	"io"
	"strings"
)

// symbols stand before objects in plans, as in other tools of the kind.
var symbols = map[Action]string{Create: "+", Update: "~", Recreate: "±", Prune: "-", Orphan: "o", Skip: ".", Unchanged: "=", Conflict: "!", None: "?"}

var colors = map[Action]string{Create: "\x1b[32m", Update: "\x1b[33m", Recreate: "\x1b[35m", Prune: "\x1b[31m", Conflict: "\x1b[31m"}

const colorEnd = "\x1b[0m"

// WriteText writes the plan for people, with colours if color is true. What
// stays as it is is counted and not listed.
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
		fmt.Fprintf(&b, "%s%s %s %s%s", begin, symbols[o.Action], o.Action, o.Ref(), end)
		if o.Reason != "" {
			fmt.Fprintf(&b, " (%s)", o.Reason)
		}
		b.WriteByte('\n')
		for _, c := range o.Diff {
			fmt.Fprintf(&b, "    %s\n", Change(c))
		}
		writeOwners(&b, "    ", o)
		if o.Error != "" {
			fmt.Fprintf(&b, "    error: %s\n", o.Error)
		}
	}
	fmt.Fprintf(&b, "%s\n", p.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes the plan for a comment of a pull request.
func (p *Plan) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", p.summary())
	for i := range p.Objects {
		o := &p.Objects[i]
		if o.Action == Unchanged && o.Error == "" {
			continue
		}
		fmt.Fprintf(&b, "\n- %s `%s`", o.Action, o.Ref())
		if o.Reason != "" {
			fmt.Fprintf(&b, " (%s)", o.Reason)
		}
		b.WriteByte('\n')
		if len(o.Diff) > 0 {
			b.WriteString("\n  ```diff\n")
			for _, c := range o.Diff {
				writeDiffLines(&b, c)
			}
			b.WriteString("  ```\n")
		}
		writeOwners(&b, "  - ", o)
		if o.Error != "" {
			fmt.Fprintf(&b, "  - **error:** %s\n", strings.ReplaceAll(o.Error, "\n", " "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeOwners says what changes hands.
func writeOwners(b *strings.Builder, indent string, o *PlanObject) {
	if len(o.Taken) > 0 {
		fmt.Fprintf(b, "%stakes from others: %s\n", indent, joinOwners(o.Taken))
	}
	if len(o.Yielded) > 0 {
		fmt.Fprintf(b, "%sleaves to others: %s\n", indent, joinOwners(o.Yielded))
	}
}

func writeDiffLines(b *strings.Builder, c PlanChange) {
	line := func(sign string, v any) {
		if v != nil {
			fmt.Fprintf(b, "  %s %s: %s\n", sign, c.Path, strings.ReplaceAll(short(v), "\n", "⏎"))
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
