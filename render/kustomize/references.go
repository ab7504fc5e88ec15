package kustomize

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

// use is what a kustomization does with a path that it names.
type use int

const (
	useResource  use = iota // a file of objects or a folder with a kustomization
	useComponent            // a folder with a component
	usePlugin               // configuration of generators, transformers, validators
	usePatch                // a patch
	useData                 // content of a ConfigMap
	useSecret               // content of a Secret
	useConfig               // configuration of kustomize itself: replacements, schemas
)

func (u use) folders() bool { return u == useResource || u == useComponent || u == usePlugin }

// reference is one path in a kustomization; set changes it there.
type reference struct {
	field, value string
	use          use
	set          func(string)
	fetched      bool // value leads to what was fetched
}

// references lists the paths that k names, in the order of its fields. What is
// written inline is no reference.
func references(k *types.Kustomization) []reference {
	var out []reference
	list := func(field string, values []string, u use) {
		for i := range values {
			if u == usePlugin && isInline(values[i]) {
				continue
			}
			out = append(out, reference{field: fmt.Sprintf("%s[%d]", field, i), value: values[i], use: u, set: func(v string) { values[i] = v }})
		}
	}
	list("resources", k.Resources, useResource)
	list("bases", k.Bases, useResource)
	list("components", k.Components, useComponent)
	list("crds", k.Crds, useConfig)
	list("configurations", k.Configurations, useConfig)
	list("generators", k.Generators, usePlugin)
	list("transformers", k.Transformers, usePlugin)
	list("validators", k.Validators, usePlugin)
	out = append(out, patchReferences(k)...)
	for i := range k.Replacements {
		r := &k.Replacements[i]
		out = append(out, reference{field: fmt.Sprintf("replacements[%d].path", i), value: r.Path, use: useConfig, set: func(v string) { r.Path = v }})
	}
	for i := range k.ConfigMapGenerator {
		field := fmt.Sprintf("configMapGenerator[%d]", i)
		out = append(out, dataReferences(field, &k.ConfigMapGenerator[i].KvPairSources, useData)...)
	}
	for i := range k.SecretGenerator {
		field := fmt.Sprintf("secretGenerator[%d]", i)
		out = append(out, dataReferences(field, &k.SecretGenerator[i].KvPairSources, useSecret)...)
	}
	if p, ok := k.OpenAPI["path"]; ok {
		out = append(out, reference{field: "openapi.path", value: p, use: useConfig, set: func(v string) { k.OpenAPI["path"] = v }})
	}
	return out
}

func patchReferences(k *types.Kustomization) []reference {
	var out []reference
	for i := range k.Patches {
		p := &k.Patches[i]
		out = append(out, reference{field: fmt.Sprintf("patches[%d].path", i), value: p.Path, use: usePatch, set: func(v string) { p.Path = v }})
	}
	for i := range k.PatchesJson6902 {
		p := &k.PatchesJson6902[i]
		out = append(out, reference{field: fmt.Sprintf("patchesJson6902[%d].path", i), value: p.Path, use: usePatch, set: func(v string) { p.Path = v }})
	}
	for i := range k.PatchesStrategicMerge {
		p := &k.PatchesStrategicMerge[i]
		if isInline(string(*p)) {
			continue
		}
		out = append(out, reference{
			field: fmt.Sprintf("patchesStrategicMerge[%d]", i), value: string(*p), use: usePatch,
			set: func(v string) { *p = types.PatchStrategicMerge(v) },
		})
	}
	return out
}

// dataReferences lists the files of a generator; a file may be written key=path.
func dataReferences(field string, kv *types.KvPairSources, u use) []reference {
	var out []reference
	for i := range kv.FileSources {
		key, file, named := strings.Cut(kv.FileSources[i], "=")
		if !named {
			key, file = "", kv.FileSources[i]
		} else {
			key += "="
		}
		out = append(out, reference{field: fmt.Sprintf("%s.files[%d]", field, i), value: file, use: u, set: func(v string) {
			if key == "" {
				key = file[strings.LastIndexByte(file, '/')+1:] + "="
			}
			kv.FileSources[i] = key + v
		}})
	}
	for i := range kv.EnvSources {
		out = append(out, reference{field: fmt.Sprintf("%s.envs[%d]", field, i), value: kv.EnvSources[i], use: u, set: func(v string) { kv.EnvSources[i] = v }})
	}
	return append(out, reference{field: field + ".env", value: kv.EnvSource, use: u, set: func(v string) { kv.EnvSource = v }})
}

// isInline says whether an entry that may be a path or YAML is YAML.
func isInline(s string) bool {
	return !isRemote(s) && (strings.Contains(s, "\n") || strings.Contains(s, ": ") || strings.HasPrefix(s, "{"))
}
