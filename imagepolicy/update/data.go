package update

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/gitopskit/gitopskit/imagepolicy/setters"
)

// Name names an object. It prints as namespace/name.
type Name struct{ Namespace, Name string }

// String returns namespace/name.
func (n Name) String() string { return n.Namespace + "/" + n.Name }

// Data is what templates are filled in with. Its fields and methods have the names
// that templates written for Flux use: Changed is the model of today, Updated that
// of v1beta1 and of many tutorials.
type Data struct {
	// AutomationObject is Options.Automation.
	AutomationObject Name
	// Values is Options.Values.
	Values map[string]string
	// Changed tells of the changes by file and object, with old and new values.
	Changed Changed
	// Updated tells of the images by file and object.
	Updated Updated
	// ID names the update: twelve hex digits that are the same for the same
	// changes of the same files, such as for a branch for each update.
	ID string
}

// ObjectIdentifier names an object in a file. Its Name may be empty, as in a
// kustomization.yaml.
type ObjectIdentifier struct{ APIVersion, Kind, Namespace, Name string }

// Change is a scalar that was written.
type Change struct {
	OldValue, NewValue string
	// Setter is what the marker names: namespace:name, or namespace:name:part.
	Setter string
}

// ObjectChanges are the changes by object.
type ObjectChanges map[ObjectIdentifier][]Change

// Changed are the changes of an update.
type Changed struct {
	// FileChanges are the changes by the file's name and by object.
	FileChanges map[string]ObjectChanges
	// ImageResult is the same as Data.Updated.
	ImageResult Updated

	list []Change
}

// Changes returns all changes, each once, in the order of the files.
func (c Changed) Changes() []Change { return c.list }

// Objects returns the changes by object, whatever file it is in.
func (c Changed) Objects() ObjectChanges {
	all := ObjectChanges{}
	for _, objects := range c.FileChanges {
		for id, changes := range objects {
			all[id] = append(all[id], changes...)
		}
	}
	return all
}

// FileResult are the images that were written into a file, by object.
type FileResult struct {
	Objects map[ObjectIdentifier][]ImageRef
}

// Updated are the images of an update.
type Updated struct {
	// Files are the images by the file's name.
	Files map[string]FileResult

	list []ImageRef
}

// Images returns all images, each once, in the order of the files.
func (u Updated) Images() []ImageRef { return u.list }

// Objects returns the images by object, whatever file it is in.
func (u Updated) Objects() map[ObjectIdentifier][]ImageRef {
	all := map[ObjectIdentifier][]ImageRef{}
	for _, file := range u.Files {
		for id, images := range file.Objects {
			all[id] = append(all[id], images...)
		}
	}
	return all
}

// ImageRef is an image that was written. It prints as it was chosen, such as
// ghcr.io/org/app:1.0.0.
type ImageRef struct {
	text                                   string
	identifier, repository, registry, full string
	policy                                 Name
}

// String returns the image as it was chosen.
func (i ImageRef) String() string { return i.text }

// Identifier returns the tag, or the digest if there is one.
func (i ImageRef) Identifier() string { return i.identifier }

// Repository returns the path in the registry, such as library/nginx.
func (i ImageRef) Repository() string { return i.repository }

// Registry returns the registry, such as index.docker.io.
func (i ImageRef) Registry() string { return i.registry }

// Name returns the whole name, with what is left out in short ones, such as
// index.docker.io/library/nginx:1.25.
func (i ImageRef) Name() string { return i.full }

// Policy returns the policy that chose it.
func (i ImageRef) Policy() Name { return i.policy }

func newImageRef(c setters.Change) (ImageRef, error) {
	ref, err := name.ParseReference(c.Image.String(), name.WeakValidation)
	if err != nil {
		return ImageRef{}, invalid("Images["+c.Policy.String()+"]", "%w", err)
	}
	return ImageRef{
		text: c.Image.String(), identifier: ref.Identifier(), repository: ref.Context().RepositoryStr(),
		registry: ref.Context().RegistryStr(), full: ref.Name(), policy: Name{c.Policy.Namespace, c.Policy.Name},
	}, nil
}

// newData describes changes to templates.
func newData(changes []setters.Change, opts Options) (Data, error) {
	d := Data{AutomationObject: opts.Automation, Values: opts.Values}
	d.Changed.FileChanges = map[string]ObjectChanges{}
	d.Updated.Files = map[string]FileResult{}
	sum := sha256.New()
	for _, c := range changes {
		image, err := newImageRef(c)
		if err != nil {
			return Data{}, err
		}
		d.add(c, image)
		_, _ = fmt.Fprintf(sum, "%q %d %q %q\n", c.File, c.Line, c.Old, c.New)
	}
	d.ID = hex.EncodeToString(sum.Sum(nil))[:12]
	d.Changed.ImageResult = d.Updated
	return d, nil
}

func (d *Data) add(c setters.Change, image ImageRef) {
	id := ObjectIdentifier(c.Object)
	setter := c.Policy.String()
	if c.Part != setters.Whole {
		setter += ":" + string(c.Part)
	}
	change := Change{OldValue: c.Old, NewValue: c.New, Setter: setter}
	if d.Changed.FileChanges[c.File] == nil {
		d.Changed.FileChanges[c.File] = ObjectChanges{}
		d.Updated.Files[c.File] = FileResult{Objects: map[ObjectIdentifier][]ImageRef{}}
	}
	objects := d.Updated.Files[c.File].Objects
	d.Changed.FileChanges[c.File][id] = append(d.Changed.FileChanges[c.File][id], change)
	objects[id] = append(objects[id], image)
	if !slices.Contains(d.Changed.list, change) {
		d.Changed.list = append(d.Changed.list, change)
	}
	if !slices.Contains(d.Updated.list, image) {
		d.Updated.list = append(d.Updated.list, image)
	}
}
