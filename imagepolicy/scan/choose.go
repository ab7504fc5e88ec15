package scan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/imagepolicy"
)

// Want is what is wanted of an image.
type Want struct {
	// Policy ranks the tags. Required.
	Policy *imagepolicy.Policy
	// Soak is for how long a tag must have been seen before it is chosen, at most
	// MaxSoak. The tags of the very first scan count as seen since then: without a
	// store, that is the beginning of the process. Zero means not at all.
	Soak time.Duration
	// Verifier must accept an image before it is chosen; a better one that it
	// refuses is passed over. Nil accepts all.
	Verifier Verifier
	// MaxVerified is how many images are put to the Verifier before it is given
	// up. Zero means 20.
	MaxVerified int
	// Digest asks for the digest of the chosen tag. With a Verifier it is always
	// told: that of what was verified.
	Digest bool
}

const defaultMaxVerified = 20

// Choice is what was chosen.
type Choice struct {
	imagepolicy.Choice
	// Digest is the manifest that the tag names, if that was asked for.
	Digest string
	// Signer is what the Verifier said.
	Signer string
	// Passed are the better tags that were passed over, best first.
	Passed []Passed
}

// Passed is a tag that would have been chosen but for one thing.
type Passed struct {
	Tag string
	// Why wraps ErrTooYoung or ErrNotSigned.
	Why error
	// Until is when the tag will be old enough; zero if that is not the reason.
	Until time.Time
}

// String describes it in one line.
func (p Passed) String() string { return p.Tag + ": " + p.Why.Error() }

// Choose says which of the tags of the last scan should run. The registry is asked
// for dates if the policy wants them, for digests, and for what the Verifier
// needs. Its errors wrap imagepolicy.ErrNoTag if no tag may be chosen, and else
// those that Scan has; with ErrNoTag, they wrap the reasons of Choice.Passed as well.
func (i *Image) Choose(ctx context.Context, want Want) (Choice, error) {
	if want.Policy == nil {
		return Choice{}, invalid("Policy", "it is required")
	}
	if want.Soak < 0 || want.Soak > MaxSoak {
		return Choice{}, invalid("Soak", "%s is not between 0 and %s", want.Soak, MaxSoak)
	}
	ctx, _, cancel := i.session.client.begin(ctx)
	defer cancel()
	if err := i.date(ctx, want.Policy); err != nil {
		return Choice{}, fail("choose from", i.Name(), err)
	}
	selected, err := i.set.Select(want.Policy)
	c := Choice{Choice: selected}
	if err != nil {
		return c, &Error{Op: "choose from", Ref: i.Name(), Err: err}
	}
	if want.Soak > 0 || want.Verifier != nil {
		err = i.pass(ctx, want, &c)
	} else if want.Digest {
		c.Digest, err = i.digest(ctx, c.Tag)
	}
	return c, fail("choose from", i.Name(), err)
}

// pass goes down from the best tag to the first that may be chosen.
func (i *Image) pass(ctx context.Context, want Want, c *Choice) error {
	verified := 0
	for n, looked := 16, 0; looked < c.Eligible; n *= 4 {
		best := i.set.Best(want.Policy, n)
		for _, tag := range best[min(looked, len(best)):] {
			if want.MaxVerified == 0 {
				want.MaxVerified = defaultMaxVerified
			}
			if verified == want.MaxVerified {
				return c.none(want.Policy)
			}
			ok, asked, err := i.allow(ctx, want, tag, c)
			if err != nil {
				return err
			}
			if ok {
				c.Tag, c.Value = tag, want.Policy.Value(i.set, tag)
				return nil
			}
			if asked {
				verified++
			}
		}
		if len(best) < n {
			break
		}
		looked = len(best)
	}
	return c.none(want.Policy)
}

// allow says whether a tag may be chosen, and whether the Verifier was asked.
func (i *Image) allow(ctx context.Context, want Want, tag string, c *Choice) (ok, asked bool, err error) {
	since, _ := i.FirstSeen(tag)
	if until := since.Add(want.Soak); want.Soak > 0 && until.After(i.now()) {
		why := fmt.Errorf("%w: since %s, wanted is %s", ErrTooYoung, since.UTC().Format(time.RFC3339), want.Soak)
		c.Passed = append(c.Passed, Passed{Tag: tag, Why: why, Until: until})
		return false, false, nil
	}
	if want.Verifier == nil && !want.Digest {
		return true, false, nil
	}
	if c.Digest, err = i.digest(ctx, tag); err != nil || want.Verifier == nil {
		return err == nil, false, err
	}
	c.Signer, err = want.Verifier.Verify(ctx, i.Name(), c.Digest)
	if errors.Is(err, ErrNotSigned) {
		c.Passed = append(c.Passed, Passed{Tag: tag, Why: err})
		c.Digest, c.Signer = "", ""
		return false, true, nil
	}
	return err == nil, true, err
}

// none empties the choice and says why.
func (c *Choice) none(p *imagepolicy.Policy) error {
	c.Tag, c.Value, c.Digest, c.Signer = "", "", "", ""
	var why []string
	for _, passed := range c.Passed[:min(len(c.Passed), 3)] {
		why = append(why, passed.String())
	}
	if more := len(c.Passed) - len(why); more > 0 {
		why = append(why, fmt.Sprintf("and %d more", more))
	}
	err := &noneError{text: fmt.Sprintf("%v by %s: %s", imagepolicy.ErrNoTag, p, strings.Join(why, "; "))}
	for _, passed := range c.Passed {
		err.reasons = append(err.reasons, passed.Why)
	}
	return err
}

// noneError says that every tag was passed over.
type noneError struct {
	text    string
	reasons []error
}

func (e *noneError) Error() string { return e.text }

func (e *noneError) Unwrap() []error { return append([]error{imagepolicy.ErrNoTag}, e.reasons...) }
