package gitopskit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	named := map[string]bool{".": true}
	for _, row := range rows {
		exported := map[string]bool{}
		for dir := range strings.SplitSeq(row[1], "`, `") {
			if _, err := os.Stat(filepath.Join(dir, "doc.go")); err != nil {
				t.Errorf("%s: %v", dir, err)
			}
			addExported(t, dir, exported)
			named[dir] = true
		}
		for _, name := range quoted.FindAllStringSubmatch(row[2], -1) {
			if !exported[name[1]] {
				t.Errorf("%s exports no %s", row[1], name[1])
			}
		}
	}
	for _, dir := range publicPackages(t) {
		if !named[dir] {
			t.Errorf("%s is not in the table", dir)
		}
	}
}

// publicPackages returns the folders of what can be imported and has a doc.go.
func publicPackages(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"internal", "examples", "bench", "tools", "testdata"}, name)):
			return filepath.SkipDir
		case name == "doc.go":
			out = append(out, filepath.ToSlash(filepath.Dir(path)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
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
