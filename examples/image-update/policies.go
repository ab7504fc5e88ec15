package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/imagepolicy/setters"
)

// object is an ImageRepository or an ImagePolicy.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec struct {
		// of an ImageRepository
		Image         string   `yaml:"image"`
		ExclusionList []string `yaml:"exclusionList"`
		Insecure      bool     `yaml:"insecure"`
		// of an ImagePolicy
		ImageRepositoryRef struct {
			Name      string `yaml:"name"`
			Namespace string `yaml:"namespace"`
		} `yaml:"imageRepositoryRef"`
		FilterTags struct {
			Pattern string `yaml:"pattern"`
			Extract string `yaml:"extract"`
		} `yaml:"filterTags"`
		DigestReflectionPolicy string `yaml:"digestReflectionPolicy"`
		Policy                 struct {
			SemVer       *struct{ Range string }  `yaml:"semver"`
			Alphabetical *struct{ Order string }  `yaml:"alphabetical"`
			Numerical    *struct{ Order string }  `yaml:"numerical"`
			Calendar     *struct{ Layout string } `yaml:"calendar"`
			Newest       *struct{}                `yaml:"newest"`
		} `yaml:"policy"`
	} `yaml:"spec"`
}

// wish is a policy and the repository that it is about.
type wish struct {
	name     setters.Policy
	policy   *imagepolicy.Policy
	image    string
	exclude  []string
	insecure bool
	digest   bool
}

// readWishes reads the objects in the YAML files of a file system.
func readWishes(files fs.FS, namespace string) ([]wish, error) {
	repositories, policies := map[setters.Policy]object{}, map[setters.Policy]object{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		}
		if ext := path.Ext(name); !entry.Type().IsRegular() || ext != ".yaml" && ext != ".yml" {
			return nil
		}
		data, err := fs.ReadFile(files, name)
		if err != nil || !bytes.Contains(data, []byte("image.toolkit.fluxcd.io")) {
			return err
		}
		return readObjects(name, data, func(o object) {
			if o.Metadata.Namespace == "" {
				o.Metadata.Namespace = namespace
			}
			id := setters.Policy{Namespace: o.Metadata.Namespace, Name: o.Metadata.Name}
			switch o.Kind {
			case "ImageRepository":
				repositories[id] = o
			case "ImagePolicy":
				policies[id] = o
			}
		})
	})
	if err != nil {
		return nil, err
	}
	return combine(repositories, policies)
}

func readObjects(name string, data []byte, found func(object)) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var head object
		if document.Decode(&head) != nil && !isOurs(&document) {
			continue // another kind, whose fields mean something else
		}
		if !strings.HasPrefix(head.APIVersion, "image.toolkit.fluxcd.io/") {
			continue
		}
		if err := document.Decode(&head); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found(head)
	}
}

// isOurs looks at nothing but the apiVersion.
func isOurs(document *yaml.Node) bool {
	var head struct {
		APIVersion string `yaml:"apiVersion"`
	}
	return document.Decode(&head) == nil && strings.HasPrefix(head.APIVersion, "image.toolkit.fluxcd.io/")
}

// combine makes wishes, in the order of their names.
func combine(repositories, policies map[setters.Policy]object) ([]wish, error) {
	var wishes []wish
	var errs []error
	for id, p := range policies {
		ref := setters.Policy{Namespace: p.Spec.ImageRepositoryRef.Namespace, Name: p.Spec.ImageRepositoryRef.Name}
		if ref.Namespace == "" {
			ref.Namespace = id.Namespace
		}
		repository, ok := repositories[ref]
		if !ok {
			errs = append(errs, fmt.Errorf("ImagePolicy %s: there is no ImageRepository %s", id, ref))
			continue
		}
		policy, err := imagepolicy.New(spec(p))
		if err != nil {
			errs = append(errs, fmt.Errorf("ImagePolicy %s: %w", id, err))
			continue
		}
		digest := p.Spec.DigestReflectionPolicy
		wishes = append(wishes, wish{
			name: id, policy: policy, image: repository.Spec.Image, exclude: repository.Spec.ExclusionList,
			insecure: repository.Spec.Insecure, digest: digest == "Always" || digest == "IfNotPresent",
		})
	}
	slices.SortFunc(wishes, func(a, b wish) int { return strings.Compare(a.name.String(), b.name.String()) })
	return wishes, errors.Join(errs...)
}

func spec(o object) imagepolicy.Spec {
	s := imagepolicy.Spec{Pattern: o.Spec.FilterTags.Pattern, Extract: o.Spec.FilterTags.Extract}
	switch p := o.Spec.Policy; {
	case p.SemVer != nil:
		s.Kind, s.Range = imagepolicy.Semver, p.SemVer.Range
	case p.Alphabetical != nil:
		s.Kind, s.Order = imagepolicy.Alphabetical, imagepolicy.Order(p.Alphabetical.Order)
	case p.Numerical != nil:
		s.Kind, s.Order = imagepolicy.Numerical, imagepolicy.Order(p.Numerical.Order)
	case p.Calendar != nil:
		s.Kind, s.Layout = imagepolicy.Calendar, p.Calendar.Layout
	case p.Newest != nil:
		s.Kind = imagepolicy.Newest
	}
	return s
}

// policyFiles opens what --policies names.
func policyFiles(name string) (fs.FS, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return os.DirFS(name), nil
	}
	return oneFile{os.DirFS(filepath.Dir(name)), filepath.Base(name)}, nil
}

// oneFile shows one file of a folder.
type oneFile struct {
	fs.FS
	name string
}

func (o oneFile) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() != o.name }), err
}
