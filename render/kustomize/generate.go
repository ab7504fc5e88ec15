package kustomize

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"
)

// prepare makes sure that dir has a kustomization with what the options ask
// for, in memory. built is false where there is nothing to build.
func (t *tree) prepare(dir string, o Options) (built bool, err error) {
	file, k, err := t.rootKustomization(dir)
	if err != nil {
		return false, err
	}
	generated := k != nil
	if k == nil {
		content, err := t.read(file)
		if err != nil {
			return false, err
		}
		if err := t.checkText(file, content); err != nil {
			return false, err
		}
		if k, err = parseKustomization(file, content); err != nil {
			return false, err
		}
	}
	if !generated && !o.overlays() && !isEmpty(k) {
		return true, nil
	}
	if err := t.overlayOptions(dir, k, o); err != nil {
		return false, err
	}
	if isEmpty(k) || generated && len(k.Resources)+len(k.Components) == 0 {
		return false, nil
	}
	return true, t.replace(file, k)
}

// rootKustomization finds the kustomization of dir, or generates k from its
// manifests.
func (t *tree) rootKustomization(dir string) (file string, k *types.Kustomization, err error) {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if p := path.Join(dir, name); t.isFile(p) {
			return p, nil, nil
		}
	}
	if t.failure != nil {
		return "", nil, t.failure
	}
	resources, err := t.manifestsBelow(dir)
	if err != nil {
		return "", nil, err
	}
	return path.Join(dir, konfig.DefaultKustomizationFileName()), &types.Kustomization{Resources: resources}, nil
}

// isEmpty says whether k asks for nothing, which the library refuses.
func isEmpty(k *types.Kustomization) bool {
	c := *k
	c.FixKustomization()
	return c.CheckEmpty() != nil
}

func (o Options) overlays() bool {
	return o.TargetNamespace != "" || o.NamePrefix != "" || o.NameSuffix != "" ||
		len(o.Patches)+len(o.PatchesStrategicMerge)+len(o.PatchesJSON6902)+
			len(o.Images)+len(o.Components)+len(o.BuildMetadata) > 0
}

// manifestsBelow lists the YAML files below dir, and the folders that have a
// kustomization of their own, which it does not enter.
func (t *tree) manifestsBelow(dir string) ([]string, error) {
	root, name, err := t.mountOf(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	err = fs.WalkDir(t.mounts[root], name, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := t.alive(); err != nil {
			return err
		}
		switch {
		case p == name:
		case d.IsDir():
			if _, err := t.kustomizationFile(path.Join(root, p)); err == nil {
				found = append(found, relative(name, p))
				return fs.SkipDir
			}
		case isManifest(p) && !t.isDir(path.Join(root, p)):
			found = append(found, relative(name, p))
		}
		return t.failure
	})
	return found, err
}

func relative(dir, p string) string {
	if dir == "." {
		return p
	}
	return strings.TrimPrefix(p, dir+"/")
}

func isManifest(p string) bool {
	ext := path.Ext(p)
	return ext == ".yaml" || ext == ".yml"
}

// overlayOptions changes k as the options ask.
func (t *tree) overlayOptions(dir string, k *types.Kustomization, o Options) error {
	setIfGiven(&k.Namespace, o.TargetNamespace)
	setIfGiven(&k.NamePrefix, o.NamePrefix)
	setIfGiven(&k.NameSuffix, o.NameSuffix)
	if len(o.BuildMetadata) > 0 {
		k.BuildMetadata = slices.Clone(o.BuildMetadata)
	}
	for _, p := range o.Patches {
		k.Patches = append(k.Patches, p.library())
	}
	for _, p := range o.PatchesStrategicMerge {
		k.PatchesStrategicMerge = append(k.PatchesStrategicMerge, types.PatchStrategicMerge(p))
	}
	for _, p := range o.PatchesJSON6902 {
		k.PatchesJson6902 = append(k.PatchesJson6902, p.library())
	}
	mergeImages(k, o.Images)
	return t.addComponents(dir, k, o)
}

func setIfGiven(field *string, v string) {
	if v != "" {
		*field = v
	}
}

func (p Patch) library() types.Patch {
	out := types.Patch{Patch: p.Patch}
	if s := p.Target; s != nil {
		out.Target = &types.Selector{
			ResId: resid.ResId{
				Gvk:  resid.Gvk{Group: s.Group, Version: s.Version, Kind: s.Kind},
				Name: s.Name, Namespace: s.Namespace,
			},
			LabelSelector: s.LabelSelector, AnnotationSelector: s.AnnotationSelector,
		}
	}
	return out
}

// mergeImages merges by name; a tag or a digest replaces both, so that an old
// digest does not win over a new tag.
func mergeImages(k *types.Kustomization, images []Image) {
	k.Images = append(k.Images, k.ImageTags...)
	k.ImageTags = nil
	for _, image := range images {
		i := slices.IndexFunc(k.Images, func(have types.Image) bool { return have.Name == image.Name })
		if i < 0 {
			k.Images = append(k.Images, types.Image{
				Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest,
			})
			continue
		}
		setIfGiven(&k.Images[i].NewName, image.NewName)
		if image.NewTag != "" || image.Digest != "" {
			k.Images[i].NewTag, k.Images[i].Digest = image.NewTag, image.Digest
		}
	}
}

func (t *tree) addComponents(dir string, k *types.Kustomization, o Options) error {
	for i, c := range o.Components {
		field := fmt.Sprintf("Options.Components[%d]", i)
		if isRemote(c) || path.IsAbs(c) {
			return &Error{Op: "open", Field: field, Err: fmt.Errorf("%w: %s: components must be local and relative", ErrInvalid, c)}
		}
		if _, _, err := t.resolve(path.Join(dir, c)); err != nil {
			if t.failure != nil {
				return &Error{Op: "open", Field: field, Err: t.failure}
			}
			if o.IgnoreMissingComponents {
				continue
			}
			return &Error{Op: "open", Field: field, Err: fmt.Errorf("%w: component %s", ErrNotFound, c)}
		}
		k.Components = append(k.Components, c)
	}
	return nil
}

// replace overlays a kustomization file with k.
func (t *tree) replace(file string, k *types.Kustomization) error {
	asJSON, err := json.Marshal(k)
	if err != nil {
		return err
	}
	data, err := yaml.JSONToYAML(asJSON)
	if err != nil {
		return err
	}
	t.overlay[file] = data
	return nil
}
