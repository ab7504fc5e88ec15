package scan

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/gitopskit/gitopskit/imagepolicy"
)

// DefaultExclude is what ImageOptions.Exclude is if that is nil: the tags under
// which cosign keeps signatures.
const DefaultExclude = `^.*\.sig$`

// ImageOptions describes a repository of images and how it is scanned.
type ImageOptions struct {
	// Name is host/path, without a scheme, a tag or a digest; names without a
	// host are those of Docker Hub. Required.
	Name string
	// Exclude are regular expressions (RE2); a tag in which one is found is passed
	// over. Nil means DefaultExclude; an empty slice excludes nothing.
	Exclude []string
	// Store keeps what was learned beyond the end of the process; nil keeps it in
	// memory alone.
	Store *Store
	// FullEvery is how old the last listing of all pages may be when a scan asks
	// for fewer. Zero means 10 minutes; negative makes every scan a full one.
	FullEvery time.Duration
	// PageSize is how many tags a page has that is asked for. Zero means 1000,
	// which is the most that some registries allow.
	PageSize int
	// Platform is where the date of an image for several platforms is read, as
	// os/architecture. Empty means linux/amd64; if the image has no such platform,
	// its first counts.
	Platform string
	// RecheckDates is after what time the registry is asked whether a tag whose
	// date is known is still the same image. Zero means never.
	RecheckDates time.Duration
}

const (
	defaultFullEvery = 10 * time.Minute
	defaultPageSize  = 1000
)

// Image is a repository of images: its tags, and what is known about them. It is
// safe for concurrent use; scans of one Image wait for each other.
type Image struct {
	session  *session
	opts     ImageOptions
	exclude  []*regexp.Regexp
	set      *imagepolicy.Set
	now      func() time.Time
	scanning chan struct{} // holds one element while a scan runs

	mu      sync.Mutex
	memory  memory
	journal *journal // nil without a store
}

// Image opens a repository. It makes no request, and reads what the store has.
func (c *Client) Image(opts ImageOptions) (*Image, error) {
	repo, err := c.repository(opts.Name)
	if err != nil {
		return nil, invalid("Name", "%w", err)
	}
	if opts.Exclude == nil {
		opts.Exclude = []string{DefaultExclude}
	}
	if opts.FullEvery == 0 {
		opts.FullEvery = defaultFullEvery
	}
	if opts.PageSize == 0 {
		opts.PageSize = defaultPageSize
	}
	if opts.PageSize < 0 {
		return nil, invalid("PageSize", "it is %d", opts.PageSize)
	}
	i := &Image{
		session: c.session(repo), opts: opts, set: imagepolicy.NewSet(), now: time.Now,
		scanning: make(chan struct{}, 1), memory: newMemory(),
	}
	for n, text := range opts.Exclude {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, invalid(fmt.Sprintf("Exclude[%d]", n), "%q: %w", text, err)
		}
		i.exclude = append(i.exclude, re)
	}
	if _, err := i.platform(); err != nil {
		return nil, invalid("Platform", "%w", err)
	}
	return i, i.load()
}

// Name returns the name in full, such as index.docker.io/library/nginx.
func (i *Image) Name() string { return i.session.repo.Name() }

// Tags returns the tags of the last scan, as a set that policies choose from. It
// is kept up to date by Scan; the caller must not change it.
func (i *Image) Tags() *imagepolicy.Set { return i.set }

// FirstSeen returns when a scan first found a tag, and false for a tag that is not
// there. Of the tags that were there at the first scan, it is the time of that.
func (i *Image) FirstSeen(tag string) (time.Time, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.memory.firstSeen(tag), i.set.Has(tag)
}

func (i *Image) excluded(tag string) bool {
	for _, re := range i.exclude {
		if re.MatchString(tag) {
			return true
		}
	}
	return false
}

// enter waits for its turn.
func (i *Image) enter(ctx context.Context) error {
	select {
	case i.scanning <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (i *Image) leave() { <-i.scanning }
