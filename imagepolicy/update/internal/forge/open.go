package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gitopskit/gitopskit/imagepolicy/update"
)

// Request is a pull request as a forge has it.
type Request struct {
	Number           int
	URL, Title, Body string
}

// Calls are what a forge can do.
type Calls struct {
	// Find looks for the open request from the branch into the base.
	Find func(ctx context.Context, p update.PullRequest) (Request, bool, error)
	// Create opens one.
	Create func(ctx context.Context, p update.PullRequest) (Request, error)
	// Change gives one another title and body.
	Change func(ctx context.Context, number int, p update.PullRequest) (Request, error)
}

// Open finds the request, and brings it up to date, or opens one. When another
// opens it at the same time, it is found after all.
func (c Calls) Open(ctx context.Context, p update.PullRequest) (update.Opened, error) {
	if err := check(p); err != nil {
		return update.Opened{}, err
	}
	got, found, err := c.Find(ctx, p)
	if err == nil && !found {
		var created Request
		if created, err = c.Create(ctx, p); err == nil {
			return update.Opened{Number: created.Number, URL: created.URL, Created: true}, nil
		}
		var status *StatusError
		if !errors.As(err, &status) || status.Status != http.StatusConflict && status.Status != http.StatusUnprocessableEntity {
			return update.Opened{}, fmt.Errorf("open it: %w", err)
		}
		refused := err
		if got, found, err = c.Find(ctx, p); err == nil && !found {
			return update.Opened{}, fmt.Errorf("open it: %w", refused)
		}
	}
	if err != nil {
		return update.Opened{}, fmt.Errorf("look for one that is open: %w", err)
	}
	if got.Title != p.Title || got.Body != p.Body {
		if got, err = c.Change(ctx, got.Number, p); err != nil {
			return update.Opened{}, fmt.Errorf("bring it up to date: %w", err)
		}
	}
	return update.Opened{Number: got.Number, URL: got.URL}, nil
}
