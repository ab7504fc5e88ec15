package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// extractor writes entries below root. It remembers what it made, so that no
// entry is ever written through a link or over another entry.
type extractor struct {
	root      *os.Root
	skipLinks bool
	// windowsNames takes \ for /.
	windowsNames bool
	kinds        map[string]byte   // what was made at a path: tar.TypeReg, TypeDir or TypeSymlink
	links        map[string]string // targets of symbolic links
	stats        Stats
	buf          []byte
	digester     *digester // nil if nobody asks for digests
}

func (x *extractor) entry(hdr *tar.Header, r io.Reader) error {
	switch hdr.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
	default:
		return unsafef("an entry of tar type %q is no file, folder or link", hdr.Typeflag)
	}
	if x.windowsNames {
		hdr.Name = strings.ReplaceAll(hdr.Name, `\`, "/")
	}
	name, err := cleanName(hdr)
	if err != nil {
		return err
	}
	if name == "." {
		return nil
	}
	if err := x.folders(parent(name)); err != nil {
		return err
	}
	if hdr.Typeflag == tar.TypeDir {
		return x.folder(name)
	}
	if _, exists := x.kinds[name]; exists {
		return unsafef("the name comes twice")
	}
	switch hdr.Typeflag {
	case tar.TypeSymlink:
		return x.symlink(name, hdr.Linkname)
	case tar.TypeLink:
		return x.hardlink(name, hdr.Linkname)
	}
	return x.file(name, hdr, r)
}

// cleanName takes "./a" and "a/" for "a", and nothing else that is not clean.
func cleanName(hdr *tar.Header) (string, error) {
	name := strings.TrimPrefix(hdr.Name, "./")
	if hdr.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
		if name == "" || name == "." {
			return ".", nil
		}
	}
	return name, CheckPath(name)
}

// folders makes name and the folders above it.
func (x *extractor) folders(name string) error {
	if name == "" {
		return nil
	}
	if x.kinds[name] == tar.TypeDir {
		return nil
	}
	if err := x.folders(parent(name)); err != nil {
		return err
	}
	return x.folder(name)
}

func (x *extractor) folder(name string) error {
	switch kind, exists := x.kinds[name]; {
	case !exists:
	case kind == tar.TypeDir:
		return nil
	default:
		return unsafef("%q was a file or link before and is a folder now", name)
	}
	if err := x.root.Mkdir(name, 0o755); err != nil {
		return err
	}
	x.kinds[name] = tar.TypeDir
	x.stats.Folders++
	return nil
}

func (x *extractor) file(name string, hdr *tar.Header, r io.Reader) error {
	mode := fs.FileMode(0o644)
	if hdr.Mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := x.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	var n int64
	if x.digester != nil {
		n, err = x.digester.copy(f, r, name)
	} else {
		n, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, x.buffer())
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		var disk *fs.PathError
		if errors.As(err, &disk) {
			return err
		}
		return corrupt(err) // the stream's, not the disk's
	}
	x.kinds[name] = tar.TypeReg
	x.stats.Files++
	x.stats.Bytes += n
	return nil
}

// buffer is what files are copied with, one after the other.
func (x *extractor) buffer() []byte {
	if x.buf == nil {
		x.buf = make([]byte, 256<<10)
	}
	return x.buf
}

func (x *extractor) symlink(name, target string) error {
	if x.skipLinks {
		return nil
	}
	if err := checkTarget(target); err != nil {
		return err
	}
	// What the link means is known at the end only; what leaves the folder
	// by its words alone is refused at once.
	if to := path.Join(parent(name), target); to == ".." || strings.HasPrefix(to, "../") {
		return unsafef("symbolic link to %q leads outside the folder", target)
	}
	if err := x.root.Symlink(target, name); err != nil {
		return err
	}
	x.kinds[name] = tar.TypeSymlink
	x.links[name] = target
	x.stats.Links++
	return nil
}

func (x *extractor) hardlink(name, target string) error {
	if x.skipLinks {
		return nil
	}
	target = strings.TrimPrefix(target, "./")
	if err := CheckPath(target); err != nil {
		return fmt.Errorf("hard link to %q: %w", target, err)
	}
	if x.kinds[target] != tar.TypeReg {
		return unsafef("hard link to %q, which is no file of this archive", target)
	}
	if err := x.root.Link(target, name); err != nil {
		return err
	}
	x.kinds[name] = tar.TypeReg
	x.stats.Files++
	return nil
}

// checkLinks follows every symbolic link as the system would.
func (x *extractor) checkLinks() error {
	lookup := func(p string) (string, bool) { t, ok := x.links[p]; return t, ok }
	for name := range x.links {
		if _, err := ResolveLinks(name, lookup); err != nil {
			return fail("extract", name, err)
		}
	}
	return nil
}
