package kustomize

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// pluginConfig looks into the configuration of a built-in transformer or
// generator, which can name files of its own, for what would be fetched.
func (s *scanner) pluginConfig(dir, file string, data []byte, field string) error {
	for _, doc := range splitDocuments(data) {
		var c struct {
			Path, Env    string
			Paths        []string
			Files, Envs  []string
			Replacements []types.ReplacementField
		}
		if err := yaml.Unmarshal(doc, &c); err != nil {
			continue // the library reports it; what it can't read names nothing
		}
		names := append([]string{c.Path, c.Env}, c.Paths...)
		names = append(names, c.Envs...)
		for _, f := range c.Files {
			names = append(names, f[strings.IndexByte(f, '=')+1:])
		}
		for _, r := range c.Replacements {
			names = append(names, r.Path)
		}
		for _, name := range names {
			if isRemote(name) {
				return s.fail(file, field, fmt.Errorf("%w in the configuration of a transformer: %s", ErrRemote, name))
			}
			if err := s.checkNamed(dir, name); err != nil {
				return s.fail(file, field, err)
			}
		}
	}
	return nil
}

// pluginFolder builds a folder whose result configures plugins, to look at what
// it comes to.
func (s *scanner) pluginFolder(base, file, dir string, r reference) error {
	m, err := runLibrary(s.tree, dir, Options{}, s.ownSchema)
	if err != nil {
		return s.fail(file, r.field, err)
	}
	text, err := m.AsYaml()
	if err != nil {
		return s.fail(file, r.field, err)
	}
	return s.pluginConfig(base, file, text, r.field)
}

// checkNamed looks at a file that a plugin's configuration names, if it is one.
func (s *scanner) checkNamed(dir, name string) error {
	p := path.Join(dir, name)
	if name == "" || isInline(name) || !s.tree.isFile(p) {
		return s.tree.failure
	}
	data, err := s.tree.read(p)
	if err != nil {
		return err
	}
	return s.tree.checkText(p, data)
}

// inline looks at the YAML that is written as text in k itself.
func (s *scanner) inline(dir, file string, k *types.Kustomization) error {
	texts := map[string]string{}
	for i, p := range k.Patches {
		texts[fmt.Sprintf("patches[%d].patch", i)] = p.Patch
	}
	for i, p := range k.PatchesJson6902 {
		texts[fmt.Sprintf("patchesJson6902[%d].patch", i)] = p.Patch
	}
	for i, p := range k.PatchesStrategicMerge {
		texts[fmt.Sprintf("patchesStrategicMerge[%d]", i)] = string(p)
	}
	for field, list := range map[string][]string{
		"generators": k.Generators, "transformers": k.Transformers, "validators": k.Validators,
	} {
		for i, text := range list {
			if !isInline(text) {
				continue
			}
			name := fmt.Sprintf("%s[%d]", field, i)
			texts[name] = text
			if err := s.pluginConfig(dir, file, []byte(text), name); err != nil {
				return err
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(texts)) {
		if err := s.tree.checkText("", []byte(texts[field])); err != nil {
			return s.fail(file, field, errors.Unwrap(err))
		}
	}
	return nil
}

// splitDocuments splits a YAML stream at its separators.
func splitDocuments(data []byte) [][]byte {
	var out [][]byte
	for _, doc := range strings.Split(string(data), "\n---") {
		out = append(out, []byte(doc))
	}
	return out
}
