package git

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// loginFunc returns the credentials to send now.
type loginFunc func(context.Context) (Auth, error)

// appTokens keeps the token of one installation.
type appTokens struct {
	app    App
	key    *rsa.PrivateKey
	client *http.Client
	now    func() time.Time

	turn    chan struct{} // held by the goroutine that looks at what follows
	token   string
	expires time.Time
	id      string // of the installation
}

const (
	// tokenMargin is how long before its end a token is no longer used: a
	// fetch that begins with it must be able to end.
	tokenMargin = 5 * time.Minute
	// maxAppAnswer is the most that is read of an answer.
	maxAppAnswer = 1 << 20
	// tokenUser is the name that goes with a token as password.
	tokenUser = "x-access-token"
)

// errUnknownToAPI is an answer 404.
var errUnknownToAPI = errors.New("GitHub does not know it")

func newAppTokens(auth Auth, p Proxy) (*appTokens, error) {
	key, err := auth.GitHubApp.check()
	if err != nil {
		return nil, err
	}
	base, err := auth.transport(p)
	if err != nil {
		return nil, err
	}
	return &appTokens{
		app: *auth.GitHubApp, key: key, now: time.Now, turn: make(chan struct{}, 1), id: auth.GitHubApp.InstallationID,
		client: &http.Client{
			Transport: base,
			// A redirect would take the assertion elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// get returns a token that is good for some minutes at least. It makes a
// request if there is none; callers that come meanwhile share it.
func (a *appTokens) get(ctx context.Context) (string, error) {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-a.turn }()
	if a.token != "" && a.now().Add(tokenMargin).Before(a.expires) {
		return a.token, nil
	}
	token, expires, err := a.make(ctx)
	if err != nil {
		return "", fmt.Errorf("token of %s: %w", a.app, err)
	}
	a.token, a.expires = token, expires
	return token, nil
}

// forget drops a token that was refused before its time. It reports whether
// another may help.
func (a *appTokens) forget(ctx context.Context, token string) bool {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-a.turn }()
	if a.token == token {
		a.token = ""
	}
	return true
}

func (a *appTokens) make(ctx context.Context) (token string, expires time.Time, err error) {
	if a.id == "" {
		if a.id, err = a.installation(ctx); err != nil {
			return "", time.Time{}, err
		}
	}
	var answer struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
	}
	if err := a.call(ctx, http.MethodPost, []string{"app", "installations", a.id, "access_tokens"}, &answer); err != nil {
		if !errors.Is(err, errUnknownToAPI) {
			return "", time.Time{}, err
		}
		id := a.id
		if a.app.Owner != "" {
			a.id = "" // it may have been installed anew
		}
		return "", time.Time{}, fmt.Errorf("%w: no installation %s of the app: %w", source.ErrAuth, id, err)
	}
	if answer.Token == "" || strings.ContainsAny(answer.Token, "\r\n\x00") || answer.Expires.IsZero() {
		return "", time.Time{}, fmt.Errorf("%w: the answer of %s holds no token with its end", source.ErrUnreachable, a.app.host())
	}
	return answer.Token, answer.Expires, nil
}

// installation looks the owner's installation up, who is an organization or a
// user.
func (a *appTokens) installation(ctx context.Context) (string, error) {
	for _, kind := range []string{"orgs", "users"} {
		var answer struct {
			ID json.Number `json:"id"`
		}
		err := a.call(ctx, http.MethodGet, []string{kind, a.app.Owner, "installation"}, &answer)
		if errors.Is(err, errUnknownToAPI) {
			continue
		}
		if err == nil && strings.Trim(answer.ID.String(), "0123456789") == "" && answer.ID != "" {
			return answer.ID.String(), nil
		}
		if err == nil {
			err = fmt.Errorf("%w: the answer of %s holds no installation", source.ErrUnreachable, a.app.host())
		}
		return "", err
	}
	return "", fmt.Errorf("%w: the app is not installed for %q: install it there, or correct GitHubApp.Owner", source.ErrAuth, a.app.Owner)
}

// call makes one request of the REST API as the app.
func (a *appTokens) call(ctx context.Context, method string, path []string, answer any) error {
	u, err := a.app.api()
	if err != nil {
		return err
	}
	for i, part := range path {
		path[i] = url.PathEscape(part)
	}
	proof, err := a.app.assertion(a.key, a.now())
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.JoinPath(path...).String(), http.NoBody)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + proof, "Accept": "application/vnd.github+json",
		"X-GitHub-Api-Version": "2022-11-28", "User-Agent": "gitopskit",
	} {
		req.Header.Set(name, value)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return a.unreachable(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(httpclient.LimitReader(res.Body, maxAppAnswer))
	if err != nil {
		return a.unreachable(ctx, err)
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated {
		return a.refused(res, bytes.ReplaceAll(body, []byte(proof), []byte("…")))
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%w: %s did not answer with GitHub's JSON", source.ErrUnreachable, a.app.host())
	}
	return nil
}

func (a *appTokens) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if told := httpError(err, Auth{}); told != nil {
		return told
	}
	return fmt.Errorf("%w: %w", source.ErrUnreachable, err)
}

// refused says what a status means, with GitHub's own words.
func (a *appTokens) refused(res *http.Response, body []byte) error {
	var told struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &told)
	text := fmt.Sprintf("%s says HTTP %d", a.app.host(), res.StatusCode)
	if m := told.Message; m != "" {
		text += fmt.Sprintf(" %q", m[:min(len(m), 200)])
	}
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s: check GitHubApp.ID, GitHubApp.PrivateKey and this machine's clock", source.ErrAuth, text)
	case res.StatusCode == http.StatusForbidden && res.Header.Get("X-RateLimit-Remaining") != "0":
		return fmt.Errorf("%w: %s: is the installation suspended?", source.ErrAuth, text)
	case res.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %s", errUnknownToAPI, text)
	case res.StatusCode/100 == 3:
		return fmt.Errorf("%w: %s: redirects are not followed, correct GitHubApp.APIURL", source.ErrUnreachable, text)
	}
	return fmt.Errorf("%w: %s", source.ErrUnreachable, text)
}

func (g App) host() string {
	u, err := g.api()
	if err != nil {
		return g.APIURL
	}
	return u.Host
}

// login returns credentials with a token in place of the app.
func (a *appTokens) login(auth Auth) loginFunc {
	return func(ctx context.Context) (Auth, error) {
		token, err := a.get(ctx)
		if err != nil {
			return Auth{}, err
		}
		now := auth
		now.GitHubApp, now.Username, now.Password = nil, tokenUser, token
		return now, nil
	}
}

// appRemote asks once more, with a new token, when the server refuses one: an
// app's tokens end early when its permissions change.
type appRemote struct {
	remote
	tokens *appTokens
}

func (r *appRemote) again(ctx context.Context, ask func() error) error {
	token, err := r.tokens.get(ctx)
	if err != nil {
		return err
	}
	err = ask()
	if err == nil || !errors.Is(classify(err, Auth{}), source.ErrAuth) || !r.tokens.forget(ctx, token) {
		return err
	}
	return ask()
}

func (r *appRemote) list(ctx context.Context) (l *listing, err error) {
	err = r.again(ctx, func() error {
		l, err = r.remote.list(ctx)
		return err
	})
	return l, err
}

func (r *appRemote) fetch(ctx context.Context, req fetchRequest, dir string) error {
	return r.again(ctx, func() error { return r.remote.fetch(ctx, req, dir) })
}

func (r *appRemote) push(ctx context.Context, req pushRequest) error {
	return r.again(ctx, func() error { return r.remote.push(ctx, req) })
}

func (r *appRemote) close() {
	r.remote.close()
	r.tokens.client.CloseIdleConnections()
}
