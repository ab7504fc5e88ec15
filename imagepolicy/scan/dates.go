package scan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gitopskit/gitopskit/imagepolicy"
)

// createdAnnotation is that of the OCI image specification.
const createdAnnotation = "org.opencontainers.image.created"

// dateWorkers is how many images are asked at a time.
const dateWorkers = 4

// date finds out when the candidates of a policy were made that it does not know
// yet.
func (i *Image) date(ctx context.Context, p *imagepolicy.Policy) error {
	tags := append(i.set.Undated(p), i.outdated(p)...)
	if len(tags) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan string)
	var group sync.WaitGroup
	for range min(dateWorkers, len(tags)) {
		group.Go(func() {
			for tag := range work {
				if err := i.dateOne(ctx, tag); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, tag := range tags {
		select {
		case work <- tag:
		case <-ctx.Done():
		}
	}
	close(work)
	group.Wait()
	return context.Cause(ctx)
}

// outdated returns the candidates whose date was read too long ago.
func (i *Image) outdated(p *imagepolicy.Policy) []string {
	if i.opts.RecheckDates <= 0 || p.Spec().Kind != imagepolicy.Newest {
		return nil
	}
	old := i.now().Add(-i.opts.RecheckDates)
	i.mu.Lock()
	defer i.mu.Unlock()
	var tags []string
	for tag, d := range i.memory.dated {
		if d.checked.Before(old) {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return p.Admitted(tags)
}

// dateOne asks when the image of a tag was made. A tag that is gone meanwhile has
// no date.
func (i *Image) dateOne(ctx context.Context, tag string) error {
	i.mu.Lock()
	before := i.memory.dated[tag]
	i.mu.Unlock()
	d, err := i.createdOf(ctx, tag, before)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("when %s was made: %w", tag, err)
	}
	d.checked = i.now().Truncate(time.Second)
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.set.Has(tag) {
		return nil
	}
	i.memory.dated[tag] = d
	i.set.SetCreated(tag, d.created)
	var news lines
	news.created(tag, d)
	return i.write(news, false)
}

func (i *Image) createdOf(ctx context.Context, tag string, before dated) (dated, error) {
	if before.digest != "" {
		if digest, err := i.digest(ctx, tag); err != nil || digest == before.digest {
			return before, err
		}
	}
	opts, err := i.session.remote(ctx)
	if err != nil {
		return dated{}, err
	}
	manifest, err := remote.Get(i.session.repo.Tag(tag), opts...)
	if err != nil {
		return dated{}, err
	}
	d := dated{digest: manifest.Digest.String()}
	d.created, err = i.createdIn(manifest)
	return d, err
}

// createdIn reads the date of an image: its annotation, or else what its
// configuration says, which reproducible builds leave at 1970.
func (i *Image) createdIn(manifest *remote.Descriptor) (time.Time, error) {
	if !manifest.MediaType.IsIndex() {
		image, err := manifest.Image()
		if err != nil {
			return time.Time{}, err
		}
		return createdOfImage(image)
	}
	index, err := manifest.ImageIndex()
	if err != nil {
		return time.Time{}, err
	}
	content, err := index.IndexManifest()
	if err != nil {
		return time.Time{}, err
	}
	if at, ok := annotated(content.Annotations); ok {
		return at, nil
	}
	child, ok := i.choosePlatform(content.Manifests)
	if !ok {
		return time.Time{}, nil
	}
	if at, ok := annotated(child.Annotations); ok {
		return at, nil
	}
	image, err := index.Image(child.Digest)
	if err != nil {
		return time.Time{}, err
	}
	return createdOfImage(image)
}

func createdOfImage(image v1.Image) (time.Time, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return time.Time{}, err
	}
	if at, ok := annotated(manifest.Annotations); ok {
		return at, nil
	}
	if !manifest.Config.MediaType.IsConfig() {
		return time.Time{}, nil // not an image that runs
	}
	config, err := image.ConfigFile()
	if err != nil {
		return time.Time{}, err
	}
	return config.Created.Time, nil
}

func annotated(annotations map[string]string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, annotations[createdAnnotation])
	return at, err == nil
}

func (i *Image) choosePlatform(children []v1.Descriptor) (v1.Descriptor, bool) {
	want, err := i.platform()
	if err != nil {
		return v1.Descriptor{}, false
	}
	var images []v1.Descriptor
	for _, c := range children {
		if c.MediaType.IsImage() && (c.Platform == nil || c.Platform.OS != "unknown") { // unknown are attestations
			images = append(images, c)
		}
	}
	for _, c := range images {
		if c.Platform != nil && c.Platform.Satisfies(*want) {
			return c, true
		}
	}
	if len(images) == 0 {
		return v1.Descriptor{}, false
	}
	return images[0], true
}

func (i *Image) platform() (*v1.Platform, error) {
	if i.opts.Platform == "" {
		return &v1.Platform{OS: "linux", Architecture: "amd64"}, nil
	}
	return v1.ParsePlatform(i.opts.Platform)
}
