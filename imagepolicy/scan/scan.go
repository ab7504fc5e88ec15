package scan

import (
	"context"
	"slices"
	"time"
)

// Result is what a scan found.
type Result struct {
	// Tags is how many tags there are now, without those that are excluded.
	Tags int
	// Added and Removed are what changed since the scan before, sorted. After the
	// first scan of an Image without a store, Added is all tags.
	Added, Removed []string
	// Full says whether all pages were listed.
	Full bool
	// Requests counts the HTTP requests, those for tokens among them.
	Requests int
	// At is when the scan began.
	At time.Time
}

// Scan asks the registry for its tags. When it fails, the tags stay what they
// were. Its errors wrap ErrAuth, ErrNotFound, ErrTLS, ErrRateLimited,
// ErrUnreachable or the error of the context.
func (i *Image) Scan(ctx context.Context) (Result, error) {
	ctx, budget, cancel := i.session.client.begin(ctx)
	defer cancel()
	if err := i.enter(ctx); err != nil {
		return Result{}, fail("scan", i.Name(), err)
	}
	defer i.leave()
	at := i.now()
	found, err := i.look(ctx, at)
	result := Result{Full: found.full, At: at, Requests: int(budget.requests.Load())}
	if err != nil {
		return result, fail("scan", i.Name(), err)
	}
	result.Added, result.Removed, err = i.learn(found, at)
	result.Tags = i.set.Len()
	return result, fail("store the tags of", i.Name(), err)
}

// finding is what a scan read: for some stretches of the list, all tags in them.
type finding struct {
	full      bool
	stretches []stretch
	pages     pages
	turn      string // which page comes next
}

// stretch is the part of the list between two tags, without the first; no end is
// the end of the list.
type stretch struct {
	after, end string
	tags       []string
}

// look decides how much of the list must be read, and reads it.
func (i *Image) look(ctx context.Context, at time.Time) (finding, error) {
	i.mu.Lock()
	known, fullAt, turn := i.memory.pages, i.memory.fullAt, i.memory.turn
	i.mu.Unlock()
	if len(known) > 2 && at.Sub(fullAt) < i.opts.FullEvery && !at.Before(fullAt) {
		return i.lookAtSome(ctx, known, turn)
	}
	return i.lookAtAll(ctx, known)
}

// lookAtSome reads the end of the list, where a registry puts what sorts last, and
// one of the other pages in turn.
func (i *Image) lookAtSome(ctx context.Context, known pages, turn string) (finding, error) {
	f := finding{pages: known}
	if err := i.read(ctx, &f, known.last(), true); err != nil || f.full {
		return f, err
	}
	n := known.find(turn)
	if n >= len(known)-1 {
		n = 0
	}
	f.turn = known[n+1].After
	return f, i.read(ctx, &f, known[n], false)
}

// read reads a page, and if so asked those that follow.
func (i *Image) read(ctx context.Context, f *finding, p pageStart, follow bool) error {
	for n := 0; ; n++ {
		a, err := i.session.page(ctx, firstQuery(p.After, i.opts.PageSize), p.ETag)
		if err != nil || a.unchanged {
			return err
		}
		end := ""
		if a.next != "" {
			if len(a.tags) == 0 || !beginsAfter(a.next, a.tags[len(a.tags)-1]) {
				return i.disorder(ctx, f)
			}
			end = a.tags[len(a.tags)-1]
		}
		if !inOrder(p.After, a.tags) {
			return i.disorder(ctx, f)
		}
		f.stretches = append(f.stretches, stretch{p.After, end, a.tags})
		f.pages = f.pages.put(p.After, end, a.etag)
		if !follow {
			f.turn = end
		}
		if end == "" || !follow {
			return nil
		}
		if n > maxPages {
			return errEndless
		}
		p = pageStart{After: end}
	}
}

// disorder is for a registry that does not list as it did before: all is read.
func (i *Image) disorder(ctx context.Context, f *finding) error {
	all, err := i.lookAtAll(ctx, nil)
	*f = all
	return err
}

// lookAtAll lists all pages. Those that the registry names by ETag are not sent
// again if they are as before.
func (i *Image) lookAtAll(ctx context.Context, known pages) (finding, error) {
	f := finding{full: true}
	var all []string
	query, after, ordered := firstQuery("", i.opts.PageSize), "", true
	seen := map[string]bool{}
	for {
		if seen[query] || len(seen) > maxPages {
			return f, errEndless
		}
		seen[query] = true
		a, end, err := i.readAgain(ctx, query, after, known, ordered)
		if err != nil {
			return f, err
		}
		ordered = ordered && inOrder(after, a.tags) && (a.next == "" || end != "")
		all = append(all, a.tags...)
		f.pages = append(f.pages, pageStart{after, a.etag})
		if a.next == "" {
			break
		}
		query, after = a.next, end
	}
	if !ordered {
		f.pages = nil
	}
	f.stretches = []stretch{{tags: all}}
	return f, nil
}

// readAgain reads a page of a full listing; what the registry does not send again
// is taken from memory. It returns the tag that the page ends with if the next
// page begins there.
func (i *Image) readAgain(ctx context.Context, query, after string, known pages, ordered bool) (answer, string, error) {
	var before pageStart
	n := known.find(after)
	if ordered && known.has(after) && query == firstQuery(after, i.opts.PageSize) {
		before = known[n]
	}
	a, err := i.session.page(ctx, query, before.ETag)
	if err != nil {
		return a, "", err
	}
	if a.unchanged {
		end := ""
		if n+1 < len(known) {
			end = known[n+1].After
			a.next = firstQuery(end, i.opts.PageSize)
		}
		a.tags = i.between(after, end)
		return a, end, nil
	}
	if len(a.tags) == 0 || !beginsAfter(a.next, a.tags[len(a.tags)-1]) {
		return a, "", nil
	}
	return a, a.tags[len(a.tags)-1], nil
}

// between returns the known tags of a stretch of the list.
func (i *Image) between(after, end string) []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	tags := i.set.Tags()
	from, _ := slices.BinarySearch(tags, after+"\x00")
	to := len(tags)
	if end != "" {
		to, _ = slices.BinarySearch(tags, end+"\x00")
	}
	return tags[from:to]
}
