package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gitopskit/gitopskit/ssa"
	"github.com/gitopskit/gitopskit/ssa/health"
	"github.com/gitopskit/gitopskit/ssa/progress"
)

// report is the result as JSON.
type report struct {
	Summary string          `json:"summary"`
	Changed bool            `json:"changed"`
	Objects []reported      `json:"objects"`
	Missing []reportMissing `json:"unhealthy,omitempty"`
	Error   string          `json:"error,omitempty"`
}

type reported struct {
	ssa.PlanObject
	Seconds float64 `json:"seconds,omitempty"`
}

type reportMissing struct {
	Object  string        `json:"object"`
	Status  health.Status `json:"status"`
	Message string        `json:"message,omitempty"`
}

// report writes the result in the form that was asked for.
func (j *job) report(result *ssa.Result, failure error) error {
	switch j.format {
	case "json":
		return writeJSON(j.out, result, failure)
	case "markdown":
		return writeMarkdown(j.out, result)
	}
	return j.writeText(result)
}

// writeText writes a line for each object that changed, and their numbers. What
// the progress has shown already is not shown again.
func (j *job) writeText(result *ssa.Result) error {
	if j.progress != "none" && isTerminal(j.out) && isTerminal(j.errs) {
		return nil
	}
	var b strings.Builder
	for _, o := range result.Objects {
		if j.progress != "none" || o.Err != nil || o.Action == ssa.Unchanged || o.Action == ssa.None {
			continue
		}
		fmt.Fprintln(&b, o)
		for _, c := range o.Diff {
			fmt.Fprintln(&b, "   ", c)
		}
	}
	fmt.Fprintln(&b, result.Summary())
	_, err := io.WriteString(j.out, progress.Printable(b.String()))
	return err
}

func writeJSON(w io.Writer, result *ssa.Result, failure error) error {
	r := report{Summary: result.Summary(), Changed: result.Changed(), Objects: []reported{}}
	for _, o := range result.Objects {
		p := reported{Seconds: o.Duration.Seconds(), PlanObject: ssa.PlanObject{
			Group: o.Ref.Group, Version: o.Version, Kind: o.Ref.Kind, Namespace: o.Ref.Namespace, Name: o.Ref.Name,
			Action: o.Action, Reason: o.Reason, UID: string(o.UID), ResourceVersion: o.ResourceVersion, Taken: o.Taken, Yielded: o.Yielded,
		}}
		for _, c := range o.Diff {
			p.Diff = append(p.Diff, ssa.PlanChange(c))
		}
		if o.Err != nil {
			p.Error = o.Err.Error()
		}
		r.Objects = append(r.Objects, p)
	}
	var unhealthy *health.WaitError
	if errors.As(failure, &unhealthy) {
		for _, m := range unhealthy.Missing {
			r.Missing = append(r.Missing, reportMissing{m.Ref.String(), m.Status, m.Message})
		}
	}
	if failure != nil {
		r.Error = failure.Error()
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// writeMarkdown writes the result for a comment or a job's summary.
func writeMarkdown(w io.Writer, result *ssa.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", result.Summary())
	for i, o := range changed(result) {
		if i == 0 {
			b.WriteString("\n| action | object | |\n|---|---|---|\n")
		}
		note := o.Reason
		if o.Err != nil {
			note = o.Err.Error()
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", o.Action, o.Ref, cell(note))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func changed(result *ssa.Result) []ssa.ObjectResult {
	var out []ssa.ObjectResult
	for _, o := range result.Objects {
		if o.Err != nil || o.Action != ssa.Unchanged && o.Action != ssa.None {
			out = append(out, o)
		}
	}
	return out
}

// cell returns text that stays within its cell of a table, as code.
func cell(text string) string {
	if text == "" {
		return ""
	}
	text = strings.NewReplacer("\n", " ", "|", `\|`, "`", "'").Replace(progress.Printable(text))
	return "`" + text + "`"
}
