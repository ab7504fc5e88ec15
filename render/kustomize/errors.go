package kustomize

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels of this package, for errors.Is.
var (
	// ErrNotFound: the folder to build, or a file or folder that a kustomization names, is not there.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: a kustomization, a manifest, a patch or an option is not valid.
	ErrInvalid = errors.New("invalid")
	// ErrCycle: a kustomization includes itself, directly or through others.
	ErrCycle = errors.New("cycle of kustomizations")
	// ErrOutside: a path or a symbolic link leads out of the artifact.
	ErrOutside = errors.New("leads out of the artifact")
	// ErrRemote: a kustomization names something remote and Options.Remote does not allow it.
	ErrRemote = errors.New("remote references are not allowed")
	// ErrUnsupported: a kustomization asks for a plugin or for Helm inflation, which never run here.
	ErrUnsupported = errors.New("not supported")
	// ErrLimit: the build needs more than Options.Limits allows.
	ErrLimit = errors.New("limit exceeded")
	// ErrPanic: the build library panicked; the process goes on.
	ErrPanic = errors.New("the build panicked")
	// ErrDecrypt: Options.Decrypter failed.
	ErrDecrypt = errors.New("decryption failed")
)

// Error says where a build failed.
type Error struct {
	// Op is "open", "scan", "build", "decrypt", "substitute" or "convert".
	Op string
	// Ref is the path that was asked for.
	Ref string
	// File is the file concerned, relative to the artifact; empty where it is not known.
	File string
	// Line counts from 1 in File; 0 where it is not known.
	Line int
	// Field is the path of the field in File, such as "resources[2]"; empty where it is not known.
	Field string
	// Chain holds the folders from the one asked for to the one concerned,
	// which is the last.
	Chain []string
	// Err is the cause: one of the sentinels, possibly wrapped.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("kustomize: ")
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	case e.File != "":
		b.WriteString(e.File + ": ")
	case e.Ref != "":
		b.WriteString(e.Ref + ": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Err.Error())
	if len(e.Chain) > 1 {
		b.WriteString(" (" + strings.Join(e.Chain, " → ") + ")")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// asError returns err as the package's error, filling what it lacks from e.
func asError(err error, e Error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		if known.Ref == "" {
			known.Ref = e.Ref
		}
		return err
	}
	e.Err = err
	return &e
}
