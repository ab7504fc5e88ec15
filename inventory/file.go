package inventory

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a Store in one file on disk, in the format of Encode. Writes go to
// a temporary file beside it that is synced and renamed.
type File struct {
	Path string
	Perm fs.FileMode // permissions of a file that Save makes; default 0o600
}

// Load reads the file; a file that does not exist is an empty inventory.
func (f File) Load(ctx context.Context) (*Inventory, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return New(), nil
	}
	if err != nil {
		return nil, &Error{Op: "load", Ref: f.Path, Err: err}
	}
	inv, err := Decode(data)
	if err != nil {
		return nil, &Error{Op: "load", Ref: f.Path, Err: err}
	}
	return inv, nil
}

// Save writes inv to the file, making the folder that it is in if need be.
func (f File) Save(ctx context.Context, inv *Inventory) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := inv.Encode()
	if err == nil {
		err = f.replace(data)
	}
	if err != nil {
		return &Error{Op: "save", Ref: f.Path, Err: err}
	}
	return nil
}

func (f File) replace(data []byte) (err error) {
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(f.Path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	perm := f.Perm
	if perm == 0 {
		perm = 0o600
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(perm), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.Path)
}
