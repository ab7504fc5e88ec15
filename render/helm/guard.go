package helm

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"text/template/parse"
)

// budget bounds one rendering: time by its context, memory by what functions and
// templates produce.
type budget struct {
	ctx       context.Context //nolint:containedctx // of one rendering, ends with it
	most      int             // bytes of one value
	left      int             // bytes in all
	checks    int
	maxLength int // entries of one list
}

const checkFunc = "gitopskit_check"

func limited(format string, args ...any) error {
	return &limitError{fmt.Sprintf(format, args...)}
}

// check is called in each turn of a loop and at each included template.
func (b *budget) check() (string, error) {
	if b.checks++; b.checks%64 == 0 && b.ctx.Err() != nil {
		return "", limited("%v", context.Cause(b.ctx))
	}
	return "", nil
}

// spend accounts for a value that was made.
func (b *budget) spend(n int) error {
	if n > b.most {
		return limited("a value of %d bytes, %d are allowed", n, b.most)
	}
	if b.left -= n; b.left < 0 {
		return limited("more memory than allowed")
	}
	return nil
}

// builder is a strings.Builder within the budget.
type builder struct {
	strings.Builder
	b *budget
}

// Write implements io.Writer.
func (w *builder) Write(p []byte) (int, error) {
	if w.Len()+len(p) > w.b.most {
		return 0, limited("an output of more than %d bytes", w.b.most)
	}
	if err := w.b.spend(len(p)); err != nil {
		return 0, err
	}
	return w.Builder.Write(p)
}

// guardLoops puts a check into the body of each loop of a template, so that a
// loop without output ends too.
func guardLoops(list *parse.ListNode, check parse.Node) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.RangeNode:
			n.List.Nodes = append([]parse.Node{check}, n.List.Nodes...)
			guardLoops(n.List, check)
			guardLoops(n.ElseList, check)
		case *parse.IfNode:
			guardLoops(n.List, check)
			guardLoops(n.ElseList, check)
		case *parse.WithNode:
			guardLoops(n.List, check)
			guardLoops(n.ElseList, check)
		}
	}
}

// containsMap says whether v holds the map, by identity: putting it in would
// close a ring that printing follows for ever.
func containsMap(v any, m uintptr, depth int) bool {
	if depth > 1000 {
		return true
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Map:
		if rv.Pointer() == m {
			return true
		}
		for it := rv.MapRange(); it.Next(); {
			if containsMap(it.Value().Interface(), m, depth+1) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		if k := rv.Type().Elem().Kind(); k != reflect.Interface && k != reflect.Map && k != reflect.Slice {
			return false
		}
		for i := range rv.Len() {
			if containsMap(rv.Index(i).Interface(), m, depth+1) {
				return true
			}
		}
	}
	return false
}
