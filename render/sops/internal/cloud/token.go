package cloud

import (
	"context"
	"sync"

	"golang.org/x/oauth2"
)

// Tokens keeps a token as long as it is valid, and else asks source for another, with
// the context of who needs it.
func Tokens(source func(ctx context.Context) oauth2.TokenSource) func(ctx context.Context) (string, error) {
	var mu sync.Mutex
	var kept *oauth2.Token
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if kept.Valid() {
			return kept.AccessToken, nil
		}
		t, err := source(ctx).Token()
		if err != nil {
			return "", err
		}
		kept = t
		return t.AccessToken, nil
	}
}
