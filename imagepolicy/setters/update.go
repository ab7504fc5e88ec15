package setters

import (
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// DefaultMaxBytes is Options.MaxBytes if that is zero: 64 MiB.
const DefaultMaxBytes = 64 << 20

// Options says what Update writes.
type Options struct {
	// Images are what the policies chose. A marker whose policy is not among them
	// is skipped.
	Images map[Policy]Image
	// DryRun reports the changes, and writes no file.
	DryRun bool
	// MaxBytes is the size above which a file is left alone and reported; zero
	// means DefaultMaxBytes.
	MaxBytes int64
}

// Update writes images into the YAML files of a folder and those below it,
// except .git. Files that it cannot read as YAML are in Result.Skipped, and do not
// stop it. Its error is about the options, the folder, or a file that could not
// be written; the changes until then, that file's among them, are in the result.
func Update(folder string, opts Options) (Result, error) {
	if err := checkImages(opts.Images); err != nil {
		return Result{}, err
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return Result{}, &Error{Op: "open", Ref: folder, Err: err}
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	var result Result
	err = eachYAML(root.FS(), &result, func(name string, entry fs.DirEntry) error {
		changed, mode, err := rewrite(root.FS(), name, entry, opts, &result)
		if err != nil || changed == nil || opts.DryRun {
			return err
		}
		if err := swap(root, name, changed, mode); err != nil {
			return &Error{Op: "write", Ref: name, Err: err}
		}
		return nil
	})
	return result, err
}

// Rewrite does what Update does with the YAML files of a file system, and returns
// the new content of those that change, by name, in place of writing them.
func Rewrite(files fs.FS, opts Options) (map[string][]byte, Result, error) {
	if err := checkImages(opts.Images); err != nil {
		return nil, Result{}, err
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	var result Result
	contents := map[string][]byte{}
	err := eachYAML(files, &result, func(name string, entry fs.DirEntry) error {
		changed, _, err := rewrite(files, name, entry, opts, &result)
		if changed != nil {
			contents[name] = changed
		}
		return err
	})
	return contents, result, err
}

// eachYAML goes through the YAML files. What cannot be listed is noted as skipped.
func eachYAML(files fs.FS, result *Result, do func(name string, entry fs.DirEntry) error) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return &Error{Op: "open", Ref: name, Err: err}
		case err != nil:
			result.Skipped = append(result.Skipped, Skipped{File: name, Err: &Error{Op: "read", Ref: name, Err: err}})
			return nil //nolint:nilerr // it is in the result
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case entry.IsDir() || !isYAML(name):
			return nil
		}
		return do(name, entry)
	})
}

func checkImages(images map[Policy]Image) error {
	for p, image := range images {
		if err := image.check(); err != nil {
			return &Error{Op: "options", Ref: "Images[" + p.String() + "]", Err: err}
		}
	}
	return nil
}

func isYAML(name string) bool {
	base := path.Base(name)
	return path.Ext(base) == ".yaml" || path.Ext(base) == ".yml" || base == "Kustomization"
}

// rewrite returns the new content of a file; nil if nothing changes. Files that
// cannot be read are noted as skipped.
func rewrite(files fs.FS, name string, entry fs.DirEntry, opts Options, result *Result) ([]byte, fs.FileMode, error) {
	skip := func(err error) { result.Skipped = append(result.Skipped, Skipped{File: name, Err: err}) }
	if !entry.Type().IsRegular() {
		skip(&Error{Op: "read", Ref: name, Err: fmt.Errorf("it is no regular file: %s", entry.Type())})
		return nil, 0, nil
	}
	content, mode, err := read(files, name, opts.MaxBytes)
	if err != nil {
		skip(&Error{Op: "read", Ref: name, Err: err})
		return nil, 0, nil //nolint:nilerr // it is in the result
	}
	changed, found, err := updateContent(name, content, opts.Images)
	result.Skipped = append(result.Skipped, found.Skipped...)
	if err != nil {
		skip(err)
		return nil, 0, nil
	}
	result.Changes = append(result.Changes, found.Changes...)
	if len(found.Changes) == 0 {
		return nil, 0, nil
	}
	return changed, mode, nil
}

func read(files fs.FS, name string, limit int64) ([]byte, fs.FileMode, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return content, info.Mode().Perm(), err
}

// swap puts a new file in the place of the old one at once.
func swap(root *os.Root, name string, content []byte, mode fs.FileMode) error {
	temporary := path.Join(path.Dir(name), ".setters-"+rand.Text())
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary) //nolint:errcheck // the first error is the one to tell
	}
	return err
}
