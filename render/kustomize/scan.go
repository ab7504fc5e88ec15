package kustomize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
)

// scanner walks the kustomizations of a build before the library does. It
// refuses what must not run, finds what the library would report without a
// place, and prepares what the library can't do: remote references and
// decryption.
type scanner struct {
	tree    *tree
	options Options
	remotes map[string]string // reference → virtual path
	// weight is, for each folder scanned, how many kustomizations a build of it
	// runs; zero while it is being scanned.
	weight map[string]int
	chain  []string
	// manifests are the files read as objects or patches, in order, with the
	// chain that leads to them.
	manifests []manifest
	// plaintexts is what was decrypted, which no message may show.
	plaintexts [][]byte
	// lists are the resources of folders that only list some; complex says that
	// another kustomization does more.
	lists   map[string][]string
	complex bool
	origins bool // origins or transformers are to be annotated
	// ownSchema says that a kustomization brings its own OpenAPI schema.
	ownSchema bool
}

type manifest struct {
	file  string
	chain []string
	patch bool
}

func newScanner(t *tree, o Options) *scanner {
	return &scanner{
		tree: t, options: o, remotes: map[string]string{}, weight: map[string]int{}, lists: map[string][]string{},
	}
}

// folder scans the kustomization in dir and all that it includes, and returns
// how many kustomizations that makes.
func (s *scanner) folder(ctx context.Context, dir string) (int, error) {
	s.chain = append(s.chain, dir)
	defer func() { s.chain = s.chain[:len(s.chain)-1] }()
	if len(s.chain) > s.tree.limits.Depth {
		return 0, s.fail("", "", fmt.Errorf("%w: more than %d kustomizations deep", ErrLimit, s.tree.limits.Depth))
	}
	if n, ok := s.weight[dir]; ok {
		return n, nil
	}
	s.weight[dir] = 0
	file, err := s.tree.kustomizationFile(dir)
	if err != nil {
		return 0, s.fail("", "", err)
	}
	content, err := s.tree.read(file)
	if err != nil {
		return 0, s.fail(file, "", err)
	}
	if err := s.tree.checkText(file, content); err != nil {
		return 0, s.fail(file, "", err)
	}
	k, err := parseKustomization(file, content)
	if err != nil {
		return 0, s.withChain(err)
	}
	n, err := s.kustomization(ctx, dir, file, k)
	if err != nil {
		return 0, err
	}
	if n > s.tree.limits.Kustomizations {
		return 0, s.fail(file, "", fmt.Errorf("%w: more than %d kustomizations to build", ErrLimit, s.tree.limits.Kustomizations))
	}
	s.weight[dir] = n
	return n, nil
}

// kustomizationFile finds the one kustomization file of a folder.
func (t *tree) kustomizationFile(dir string) (string, error) {
	var found []string
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if p := path.Join(dir, name); t.isFile(p) {
			found = append(found, p)
		}
	}
	if t.failure != nil {
		return "", t.failure
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: no kustomization.yaml in %s", ErrNotFound, display(dir))
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: %s and %s are both kustomizations of the same folder",
		ErrInvalid, path.Base(found[0]), path.Base(found[1]))
}

// kustomization goes through all that k refers to.
func (s *scanner) kustomization(ctx context.Context, dir, file string, k *types.Kustomization) (int, error) {
	if err := s.refuse(file, k); err != nil {
		return 0, err
	}
	if err := s.inline(dir, file, k); err != nil {
		return 0, err
	}
	total, rewrite := 1, false
	for _, r := range references(k) {
		if r.value == "" {
			continue
		}
		if isRemote(r.value) {
			local, err := s.mountRemote(ctx, dir, r.value)
			if err != nil {
				return 0, s.fail(file, r.field, err)
			}
			r.set(local)
			r.value, r.fetched, rewrite = local, true, true
		}
		n, err := s.reference(ctx, dir, file, r)
		if err != nil {
			return 0, err
		}
		if total += n; total > s.tree.limits.Kustomizations {
			return 0, s.fail(file, r.field, fmt.Errorf("%w: more than %d kustomizations to build", ErrLimit, s.tree.limits.Kustomizations))
		}
	}
	if len(k.OpenAPI) > 0 {
		s.ownSchema = true
	}
	s.origins = s.origins || len(k.BuildMetadata) > 0
	if onlyLists(k) {
		s.lists[dir] = append(slices.Clone(k.Resources), k.Bases...)
	} else {
		s.complex = true
	}
	if rewrite {
		return total, s.tree.replace(file, k)
	}
	return total, nil
}

// refuse fails on what never runs here.
func (s *scanner) refuse(file string, k *types.Kustomization) error {
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 {
		field := "helmCharts"
		if len(k.HelmCharts) == 0 {
			field = "helmChartInflationGenerator"
		}
		return s.fail(file, field, fmt.Errorf("%w: Helm charts in a kustomization; use a HelmRelease", ErrUnsupported))
	}
	return nil
}

// reference looks at one path that a kustomization names.
func (s *scanner) reference(ctx context.Context, dir, file string, r reference) (int, error) {
	if path.IsAbs(r.value) {
		return 0, s.fail(file, r.field, fmt.Errorf("%w: %s is absolute; write it relative to the kustomization", ErrOutside, r.value))
	}
	target := path.Join(dir, r.value)
	home, _, _ := s.tree.mountOf(dir)
	if root, _, err := s.tree.mountOf(target); err != nil || root != home && !r.fetched {
		return 0, s.fail(file, r.field, fmt.Errorf("%w: %s", ErrOutside, r.value))
	}
	real, info, err := s.tree.resolve(target)
	if err != nil {
		if s.tree.failure == nil && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %s", ErrNotFound, r.value)
		}
		return 0, s.fail(file, r.field, err)
	}
	switch {
	case info.IsDir() && r.use.folders():
		return s.includes(ctx, file, real, r)
	case info.IsDir():
		return 0, s.fail(file, r.field, fmt.Errorf("%w: %s is a folder, a file is wanted", ErrInvalid, r.value))
	case r.use == useComponent:
		return 0, s.fail(file, r.field, fmt.Errorf("%w: %s is a file, a folder is wanted", ErrInvalid, r.value))
	}
	return 0, s.fileReference(ctx, dir, file, real, r)
}

// includes follows a reference to another kustomization.
func (s *scanner) includes(ctx context.Context, file, dir string, r reference) (int, error) {
	for i, visited := range s.chain {
		if visited == dir {
			cycle := append(append([]string{}, s.chain[i:]...), dir)
			return 0, s.fail(file, r.field, fmt.Errorf("%w: %s", ErrCycle, strings.Join(displayAll(cycle), " → ")))
		}
		if strings.HasPrefix(visited, dir+"/") {
			return 0, s.fail(file, r.field, fmt.Errorf("%w: %s contains %s, which includes it", ErrCycle, display(dir), display(visited)))
		}
	}
	n, err := s.folder(ctx, dir)
	if err == nil && r.use == usePlugin {
		err = s.pluginFolder(s.chain[len(s.chain)-1], file, dir, r)
	}
	return n, err
}

// fileReference decrypts a file that may be encrypted and looks into one that
// is read as YAML.
func (s *scanner) fileReference(ctx context.Context, dir, file, real string, r reference) error {
	if s.options.Decrypter != nil && (r.use == useSecret || r.use == usePatch) {
		if err := s.decrypt(ctx, file, real, r); err != nil {
			return err
		}
	}
	if r.use == useData || r.use == useSecret {
		return nil
	}
	data, err := s.tree.read(real)
	if err != nil {
		return s.fail(file, r.field, err)
	}
	if err := s.tree.checkText(real, data); err != nil {
		return s.fail(real, "", err)
	}
	if v, ok := s.options.Decrypter.(FileVerifier); ok && r.use == useResource {
		if err := v.VerifyFile(ctx, display(real), data); err != nil {
			return s.fail(real, "", fmt.Errorf("%w: %w", ErrDecrypt, err))
		}
	}
	if r.use == useResource || r.use == usePatch {
		s.manifests = append(s.manifests, manifest{file: real, patch: r.use == usePatch, chain: displayAll(s.chain)})
	}
	if r.use == usePlugin {
		return s.pluginConfig(dir, file, data, r.field)
	}
	return nil
}

func (s *scanner) decrypt(ctx context.Context, file, real string, r reference) error {
	data, err := s.tree.read(real)
	if err != nil {
		return s.fail(file, r.field, err)
	}
	plain, err := s.options.Decrypter.DecryptFile(ctx, display(real), data)
	if err != nil {
		return s.fail(real, "", fmt.Errorf("%w: %w", ErrDecrypt, err))
	}
	s.tree.overlay[real] = plain
	if !bytes.Equal(plain, data) {
		s.plaintexts = append(s.plaintexts, plain)
	}
	return nil
}

// fail makes the error of something in file, with the line of field.
func (s *scanner) fail(file, field string, err error) error {
	if s.tree.failure != nil {
		err = s.tree.failure
	}
	var known *Error
	if errors.As(err, &known) {
		return s.withChain(err)
	}
	e := &Error{Op: "scan", Field: field, Err: err}
	if file != "" {
		e.File = display(file)
		if data, readErr := s.tree.read(file); readErr == nil && field != "" {
			e.Line = lineOf(data, field)
		}
	}
	return s.withChain(e)
}

func (s *scanner) withChain(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Chain == nil {
		e.Chain = displayAll(s.chain)
	}
	return err
}

func displayAll(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = display(p)
	}
	return out
}
