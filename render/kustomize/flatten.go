package kustomize

import (
	"bytes"
	"path"
)

// flatten lets the tree give folders whose kustomizations only list manifests as
// one manifest each: the library reads a resource as a file first, and is spared
// a whole kustomization a folder, which costs it as much as all of a small build.
// Not where origins are asked for, which would tell.
func (s *scanner) flatten(root string) {
	if s.origins {
		return
	}
	for dir := range s.lists {
		if dir != root {
			s.flat(dir)
		}
	}
}

// flat joins the manifests of a folder; nil is a folder that can't be joined.
func (s *scanner) flat(dir string) []byte {
	if data, done := s.tree.folders[dir]; done {
		return data
	}
	s.tree.folders[dir] = nil
	entries, ok := s.lists[dir]
	if !ok {
		return nil
	}
	var out bytes.Buffer
	for _, entry := range entries {
		data := s.flatEntry(path.Join(dir, entry))
		if data == nil {
			return nil
		}
		out.WriteString("---\n")
		out.Write(data)
		out.WriteString("\n")
	}
	s.tree.folders[dir] = out.Bytes()
	return out.Bytes()
}

func (s *scanner) flatEntry(p string) []byte {
	real, info, err := s.tree.resolve(p)
	if err != nil {
		return nil
	}
	if info.IsDir() {
		return s.flat(real)
	}
	data, err := s.tree.read(real)
	if err != nil || !isManifest(real) || bytes.HasPrefix(data, []byte("\ufeff")) ||
		bytes.HasPrefix(data, []byte("%")) || bytes.Contains(data, []byte("\n%")) || bytes.Contains(data, []byte("\n...")) {
		return nil
	}
	return data
}
