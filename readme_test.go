package gitopskit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	packageRow = regexp.MustCompile("(?m)^\\| `([a-z0-9/`, ]+)` \\| [^|]+ \\| ([^|]+) \\| [^|]+ \\|$")
	quoted     = regexp.MustCompile("`([A-Za-z0-9/]+)`")
)

// TestReadmeNamesPackagesThatAreThere keeps the README's table true: every
// package is there, has a doc.go, and exports the name to start at.
func TestReadmeNamesPackagesThatAreThere(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := packageRow.FindAllStringSubmatch(string(readme), -1)
	if len(rows) < 10 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		exported := map[string]bool{}
		for dir := range strings.SplitSeq(row[1], "`, `") {
			if _, err := os.Stat(filepath.Join(dir, "doc.go")); err != nil {
				t.Errorf("%s: %v", dir, err)
			}
			addExported(t, dir, exported)
		}
		for _, name := range quoted.FindAllStringSubmatch(row[2], -1) {
			if !exported[name[1]] {
				t.Errorf("%s exports no %s", row[1], name[1])
			}
		}
	}
}

func addExported(t *testing.T, dir string, into map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					into[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok {
						into[ts.Name.Name] = true
					}
				}
			}
		}
	}
}
