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
// be written; the changes until then are in the result.
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
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			result.Skipped = append(result.Skipped, Skipped{File: name, Err: &Error{Op: "read", Ref: name, Err: err}})
			return nil //nolint:nilerr // it is in the result
		}
		if entry.IsDir() {
			if entry.Name() == ".git" {
				return fs.SkipDir
			}
			return nil
		}
		if !isYAML(name) {
			return nil
		}
		return updateFile(root, name, entry, opts, &result)
	})
	return result, err
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

// updateFile returns only the error of writing; all others are skipped files.
func updateFile(root *os.Root, name string, entry fs.DirEntry, opts Options, result *Result) error {
	skip := func(err error) { result.Skipped = append(result.Skipped, Skipped{File: name, Err: err}) }
	if !entry.Type().IsRegular() {
		skip(&Error{Op: "read", Ref: name, Err: fmt.Errorf("it is no regular file: %s", entry.Type())})
		return nil
	}
	content, mode, err := read(root, name, opts.MaxBytes)
	if err != nil {
		skip(&Error{Op: "read", Ref: name, Err: err})
		return nil //nolint:nilerr // it is in the result
	}
	changed, found, err := updateContent(name, content, opts.Images)
	result.Skipped = append(result.Skipped, found.Skipped...)
	if err != nil {
		skip(err)
		return nil
	}
	if len(found.Changes) > 0 && !opts.DryRun {
		if err := swap(root, name, changed, mode); err != nil {
			return &Error{Op: "write", Ref: name, Err: err}
		}
	}
	result.Changes = append(result.Changes, found.Changes...)
	return nil
}

func read(root *os.Root, name string, limit int64) ([]byte, fs.FileMode, error) {
	f, err := root.Open(name)
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
