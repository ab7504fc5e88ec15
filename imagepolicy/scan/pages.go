package scan

import "sort"

// pages is how a registry cuts its list of tags, which is in order: a page is
// what follows its start, up to the start of the next.
type pages []pageStart

type pageStart struct {
	// After is the tag that the page begins after; empty for the first.
	After string `json:"after"`
	// ETag is what the registry called the page when it was last read.
	ETag string `json:"etag,omitempty"`
}

// put notes that a page was read which begins after one tag and ends with
// another; end is empty if no page follows.
func (p pages) put(after, end, etag string) pages {
	out := make(pages, 0, len(p)+1)
	for _, q := range p {
		if q.After < after || q.After > end && end != "" {
			out = append(out, q)
		}
	}
	out = append(out, pageStart{after, etag})
	if end != "" && !p.has(end) {
		out = append(out, pageStart{After: end})
	} else if end != "" {
		out = append(out, p[p.find(end)])
	}
	sort.Slice(out, func(i, j int) bool { return out[i].After < out[j].After })
	return out
}

func (p pages) find(after string) int {
	return sort.Search(len(p), func(i int) bool { return p[i].After >= after })
}

func (p pages) has(after string) bool {
	i := p.find(after)
	return i < len(p) && p[i].After == after
}

// last returns the page that has no end.
func (p pages) last() pageStart {
	if len(p) == 0 {
		return pageStart{}
	}
	return p[len(p)-1]
}
