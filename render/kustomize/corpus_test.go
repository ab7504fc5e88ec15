package kustomize

import (
	_ "embed"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
)

//go:embed testdata/corpus.txt
var corpusText string

type corpusCase struct {
	name  string
	files map[string]string
}

// corpus reads the cases. What plain text can't hold is put in here: line ends,
// a byte order mark and bytes that are no text.
func corpus() []corpusCase {
	var cases []corpusCase
	var common map[string]string
	for _, section := range strings.Split(corpusText, "\n=== ")[1:] {
		name, rest, _ := strings.Cut(section, "\n")
		files := map[string]string{}
		for k, v := range common {
			files[k] = v
		}
		for _, file := range strings.Split("\n"+rest, "\n--- ")[1:] {
			p, content, _ := strings.Cut(file, "\n")
			files[p] = content + "\n"
		}
		switch name {
		case "common":
			common = files
			continue
		case "windows line ends":
			files["app/one.yaml"] = strings.ReplaceAll(files["app/one.yaml"], "\n", "\r\n")
		case "a byte order mark":
			files["app/one.yaml"] = "\ufeff" + files["app/one.yaml"]
		case "config map with binary content":
			files["app/bin"] = "\xff\xfe\x00binary"
		}
		cases = append(cases, corpusCase{name, files})
	}
	return cases
}

func TestCorpusEqualsTheCommand(t *testing.T) {
	cases := corpus()
	if len(cases) < 60 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			dir := writeFiles(t, tc.files)
			text, wantErr := commandBuild(filepath.Join(dir, "app"), types.LoadRestrictionsNone)
			got, err := Build(t.Context(), memory(tc.files), "app", Options{LegacyOrder: true})
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("error %v, the command's is %v", err, wantErr)
			}
			if err != nil {
				t.Fatalf("a case must build: %v", err)
			}
			if diff := cmp.Diff(canonical(t, text), objectsText(t, got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTheShortWayEqualsTheLibrary builds each case by the short way, where it is
// one for it, and by the library.
func TestTheShortWayEqualsTheLibrary(t *testing.T) {
	short := 0
	for _, tc := range corpus() {
		for _, dir := range []string{"app", "base"} {
			tr := newTree(t.Context().Err, memory(tc.files), Limits{}.withDefaults())
			s := newScanner(tr, Options{})
			root := artifactRoot + "/" + dir
			if _, err := s.folder(t.Context(), root); err != nil {
				t.Fatal(err)
			}
			got, _, ok := s.short(root, Options{})
			if !ok {
				continue
			}
			short++
			m, err := runLibrary(tr, root, Options{}, false)
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			want, err := throughTexts(m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(objectsText(t, want), objectsText(t, got)); diff != "" {
				t.Errorf("%s: %s", tc.name, diff)
			}
		}
	}
	if short < 20 {
		t.Errorf("only %d cases took the short way", short)
	}
}

func throughTexts(m resmap.ResMap) (out []*unstructured.Unstructured, err error) {
	for _, r := range m.Resources() {
		obj, err := throughText(r)
		if err != nil {
			return nil, err
		}
		out = append(out, &unstructured.Unstructured{Object: obj})
	}
	return out, nil
}

// TestConvertEqualsTheLibrary compares the values themselves, types included.
func TestConvertEqualsTheLibrary(t *testing.T) {
	for _, tc := range corpus() {
		tr := newTree(t.Context().Err, memory(tc.files), Limits{}.withDefaults())
		own := strings.Contains(tc.files["app/kustomization.yaml"], "openapi:")
		m, err := runLibrary(tr, artifactRoot+"/app", Options{}, own)
		if err != nil {
			t.Fatal(err)
		}
		want, err := throughTexts(m)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := convert(m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if diff := cmp.Diff(want[i].Object, got[i].Object); diff != "" {
				t.Errorf("%s: %s", tc.name, diff)
			}
		}
	}
}
