package kustomize

import (
	"context"
	"io/fs"
	"log/slog"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/render/envsubst"
)

// Options is what a build can be asked for beside its folder. The zero value
// builds the folder as it is. All but the last group overlay the kustomization
// of the folder that is built, the way Flux's Kustomization does.
type Options struct {
	// TargetNamespace replaces the namespace of the root kustomization.
	TargetNamespace string
	// NamePrefix and NameSuffix replace those of the root kustomization.
	NamePrefix, NameSuffix string
	// Patches, strategic merge or JSON 6902, are added behind those of the root.
	Patches []Patch
	// PatchesStrategicMerge are YAML or JSON texts: the older field of
	// Kustomization v1beta2.
	PatchesStrategicMerge []string
	// PatchesJSON6902 is the other older field of Kustomization v1beta2.
	PatchesJSON6902 []Patch
	// Images are merged into those of the root by name: NewName replaces alone,
	// NewTag and Digest as a pair.
	Images []Image
	// Components are folders relative to the root, added behind its own.
	Components []string
	// IgnoreMissingComponents leaves out Components that are not there.
	IgnoreMissingComponents bool
	// BuildMetadata replaces the root's: originAnnotations,
	// transformerAnnotations, managedByLabel.
	BuildMetadata []string
	// LegacyOrder sorts the result as the kustomize command does: namespaces
	// and definitions first, webhooks last. The default is the order of the
	// files. The field sortOptions of a kustomization wins over it.
	LegacyOrder bool

	// Decrypter decrypts inputs and objects. Nil leaves them as they are.
	Decrypter Decrypter
	// Substitute replaces variables in the objects after the build and their
	// decryption. The zero value has no variables and does nothing.
	Substitute envsubst.Substitution
	// CommonLabels and CommonAnnotations are set on every object's metadata
	// after the substitution, and nowhere else; they override.
	CommonLabels, CommonAnnotations map[string]string

	// Remote fetches what kustomizations name by URL. Nil refuses: ErrRemote.
	Remote Remote
	// Limits bounds the build; zero fields take their defaults.
	Limits Limits
	// Logger hears of warnings. Nil discards.
	Logger *slog.Logger
}

// Patch is a strategic merge patch or a list of JSON 6902 operations, in YAML or
// JSON.
type Patch struct {
	// Patch is the text.
	Patch string
	// Target selects objects. A strategic merge patch without target applies to
	// the object that it names; a JSON 6902 patch needs one.
	Target *Selector
}

// Selector selects objects; empty fields match all. Name, namespace, group,
// version and kind are anchored regular expressions.
type Selector struct {
	Group, Version, Kind, Namespace, Name string
	// LabelSelector and AnnotationSelector are in the syntax of label selectors.
	LabelSelector, AnnotationSelector string
}

// Image replaces parts of image references whose name is Name.
type Image struct {
	Name, NewName, NewTag, Digest string
}

// Decrypter turns encrypted input into plaintext, in memory. Package
// render/sops has one.
type Decrypter interface {
	// DecryptFile is given the content of a file that feeds a secretGenerator or
	// is a patch. It returns data as it is where nothing is encrypted.
	DecryptFile(ctx context.Context, path string, data []byte) ([]byte, error)
	// DecryptObject is given an object after the build. It returns obj where
	// nothing is encrypted, else a new object; obj is not changed.
	DecryptObject(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error)
}

// FileVerifier is an optional ability of a Decrypter: it is shown each file of
// resources as it is, before the build changes its objects, and fails where the
// file was tampered with.
type FileVerifier interface {
	VerifyFile(ctx context.Context, path string, data []byte) error
}

// Remote fetches what a kustomization names by URL.
type Remote interface {
	// FetchRemote returns a file system and the path in it that ref means: the
	// folder of a kustomization, or a file. ref is as it is written in the
	// kustomization, for instance
	// https://github.com/org/repo//deploy?ref=v1.2.3.
	FetchRemote(ctx context.Context, ref string) (fsys fs.FS, path string, err error)
}

// RemoteFunc is a Remote as a function.
type RemoteFunc func(ctx context.Context, ref string) (fs.FS, string, error)

// FetchRemote calls f.
func (f RemoteFunc) FetchRemote(ctx context.Context, ref string) (fs.FS, string, error) {
	return f(ctx, ref)
}

// Limits bounds one build.
type Limits struct {
	// FileSize is the size of one file, in bytes. Zero means 32 MiB.
	FileSize int64
	// TotalSize is the size of all that is read, in bytes. Zero means 256 MiB.
	TotalSize int64
	// Depth is the longest chain of kustomizations. Zero means 50.
	Depth int
	// Kustomizations is how many kustomizations are built, those included twice
	// counted twice. Zero means 5000.
	Kustomizations int
	// YAMLNodes is how many nodes a document has once its aliases are expanded.
	// Zero means 2,000,000.
	YAMLNodes int
}

func (l Limits) withDefaults() Limits {
	l.FileSize = orDefault(l.FileSize, 32<<20)
	l.TotalSize = orDefault(l.TotalSize, 256<<20)
	l.Depth = orDefault(l.Depth, 50)
	l.Kustomizations = orDefault(l.Kustomizations, 5000)
	l.YAMLNodes = orDefault(l.YAMLNodes, 2_000_000)
	return l
}

func orDefault[T int | int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
