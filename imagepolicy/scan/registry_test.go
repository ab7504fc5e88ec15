package scan

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/internal/servers"
)

// pusher puts images into a registry.
type pusher struct {
	t    *testing.T
	repo name.Repository
	opts []remote.Option
}

func newPusher(t *testing.T, reg *servers.Registry, path string, auth authn.Authenticator) *pusher {
	t.Helper()
	repo, err := name.NewRepository(reg.Host+"/"+path, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	trip := http.DefaultTransport.(*http.Transport).Clone()
	if len(reg.CA) > 0 {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(reg.CA)
		trip.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	t.Cleanup(trip.CloseIdleConnections)
	return &pusher{t, repo, []remote.Option{remote.WithAuth(auth), remote.WithTransport(trip), remote.WithJobs(1)}}
}

func (p *pusher) image(created time.Time) v1.Image {
	p.t.Helper()
	image, err := random.Image(64, 1)
	if err == nil && !created.IsZero() {
		image, err = mutate.CreatedAt(image, v1.Time{Time: created})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return image
}

func (p *pusher) push(image v1.Image, tags ...string) string {
	p.t.Helper()
	for _, tag := range tags {
		if err := remote.Write(p.repo.Tag(tag), image, p.opts...); err != nil {
			p.t.Fatal(err)
		}
	}
	digest, err := image.Digest()
	if err != nil {
		p.t.Fatal(err)
	}
	return digest.String()
}

func TestRegistryWithTLSAndPassword(t *testing.T) {
	t.Parallel()
	reg := servers.NewRegistry(t, servers.RegistryOptions{TLS: true, Username: "ann", Password: "s3cret"})
	auth := &authn.Basic{Username: "ann", Password: "s3cret"}
	p := newPusher(t, reg, "org/app", auth)
	p.push(p.image(time.Time{}), "1.0.0", "1.1.0", "latest", "sha256-0.sig")
	image := reg.Host + "/org/app"
	docker := func(entry string) []byte {
		return fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, entry, base64.StdEncoding.EncodeToString([]byte("ann:s3cret")))
	}
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, docker(reg.Host), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		opts ClientOptions
		want error
	}{
		"a user":                    {ClientOptions{CA: reg.CA, Auth: Auth{Username: "ann", Password: "s3cret"}}, nil},
		"a Docker config":           {ClientOptions{CA: reg.CA, Auth: Auth{DockerConfig: docker(reg.Host)}}, nil},
		"one for the path":          {ClientOptions{CA: reg.CA, Auth: Auth{DockerConfig: docker(reg.Host + "/org")}}, nil},
		"one for another registry":  {ClientOptions{CA: reg.CA, Auth: Auth{DockerConfig: docker("ghcr.io")}}, ErrAuth},
		"a login":                   {ClientOptions{CA: reg.CA, Credentials: fixed("ann", "s3cret", nil)}, nil},
		"a login that fails":        {ClientOptions{CA: reg.CA, Credentials: fixed("", "", errors.New("no cloud"))}, ErrAuth},
		"another password":          {ClientOptions{CA: reg.CA, Auth: Auth{Username: "ann", Password: "x"}}, ErrAuth},
		"nobody":                    {ClientOptions{CA: reg.CA}, ErrAuth},
		"a certificate of no trust": {ClientOptions{Auth: Auth{Username: "ann", Password: "s3cret"}}, ErrTLS},
	} {
		t.Run(name, func(t *testing.T) {
			i := newImage(t, newClient(t, c.opts), ImageOptions{Name: image})
			r, err := i.Scan(t.Context())
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a secret: %v", err)
			}
			if err == nil && (r.Tags != 3 || !slices.Equal(i.Tags().Tags(), []string{"1.0.0", "1.1.0", "latest"})) {
				t.Errorf("got %+v, %q", r, i.Tags().Tags())
			}
		})
	}
}

func fixed(user, password string, err error) Credentials {
	return func(context.Context, string) (string, string, error) { return user, password, err }
}

func TestKeychainOfThisMachine(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{Username: "ann", Password: "s3cret"})
	p := newPusher(t, reg, "app", &authn.Basic{Username: "ann", Password: "s3cret"})
	p.push(p.image(time.Time{}), "1")
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	config := fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, reg.Host, base64.StdEncoding.EncodeToString([]byte("ann:s3cret")))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	i := newImage(t, newClient(t, ClientOptions{Keychain: true, Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app"})
	if r := scanned(t, i); r.Tags != 1 {
		t.Errorf("%+v", r)
	}
}

func TestPlainHTTPAndProxiesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	p := newPusher(t, reg, "app", authn.Anonymous)
	p.push(p.image(time.Time{}), "1")
	reg.Reset()
	_, err := newImage(t, newClient(t, ClientOptions{}), ImageOptions{Name: reg.Host + "/app"}).Scan(t.Context())
	if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrUnreachable) || len(reg.Requests()) > 0 {
		t.Errorf("got %v after %q", err, reg.Requests())
	}

	var proxied atomic.Int64
	forward := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("p:q")) {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		proxied.Add(1)
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	c := newClient(t, ClientOptions{Insecure: []string{reg.Host}, ProxyURL: proxy.URL, ProxyUsername: "p", ProxyPassword: "q"})
	if r := scanned(t, newImage(t, c, ImageOptions{Name: reg.Host + "/app"})); r.Tags != 1 || proxied.Load() == 0 {
		t.Errorf("%+v, %d requests by proxy", r, proxied.Load())
	}
}

func TestRealRegistryIsReadByPages(t *testing.T) {
	t.Parallel()
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	p := newPusher(t, reg, "app", authn.Anonymous)
	p.push(p.image(time.Time{}), "a", "b", "c", "d", "e", "f")
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app", PageSize: 2})
	if r := scanned(t, i); !r.Full || r.Tags != 6 {
		t.Fatalf("%+v", r)
	}
	p.push(p.image(time.Time{}), "g", "bb")
	if err := remote.Delete(p.repo.Tag("d"), p.opts...); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if r := scanned(t, i); r.Full {
			t.Fatalf("%+v", r)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "bb", "c", "e", "f", "g"}, i.Tags().Tags()); diff != "" {
		t.Error(diff)
	}
}

func TestDigests(t *testing.T) {
	t.Parallel()
	headless := atomic.Bool{}
	reg := servers.NewRegistry(t, servers.RegistryOptions{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if headless.Load() && r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	p := newPusher(t, reg, "app", authn.Anonymous)
	want := p.push(p.image(time.Time{}), "1.0.0")
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app"})
	scanned(t, i)
	for _, without := range []bool{false, true} {
		headless.Store(without)
		got, err := i.Choose(t.Context(), Want{Policy: semver(t, "*"), Digest: true})
		if err != nil || got.Digest != want || got.Tag != "1.0.0" {
			t.Errorf("got %+v, error %v, want %s", got, err, want)
		}
	}
	if _, err := i.Digest(t.Context(), "2.0.0"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestNewestAsksOnceForEachCandidate(t *testing.T) {
	t.Parallel()
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	p := newPusher(t, reg, "org/app", authn.Anonymous)
	day := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	p.push(p.image(day.AddDate(0, 0, 1)), "main-b")
	p.push(p.image(day), "main-c")
	p.push(p.image(day.AddDate(0, 0, 9)), "dev-a")
	p.push(p.image(time.Unix(0, 0)), "main-reproducible")
	annotated := mutate.Annotations(p.image(time.Unix(0, 0)), map[string]string{createdAnnotation: day.AddDate(0, 0, 2).Format(time.RFC3339)})
	p.push(annotated.(v1.Image), "main-annotated")
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: p.image(day.AddDate(0, 0, 8)), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
		mutate.IndexAddendum{Add: p.image(day.AddDate(0, 0, 3)), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	if err := remote.WriteIndex(p.repo.Tag("main-index"), index, p.opts...); err != nil {
		t.Fatal(err)
	}
	chart := mutate.ConfigMediaType(p.image(day.AddDate(1, 0, 0)), types.MediaType("application/vnd.cncf.helm.config.v1+json"))
	p.push(chart, "main-chart")

	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, ClientOptions{Insecure: []string{reg.Host}})
	opts := ImageOptions{Name: reg.Host + "/org/app", Store: store}
	i := newImage(t, c, opts)
	scanned(t, i)
	want := Want{Policy: policy(t, imagepolicy.Spec{Kind: imagepolicy.Newest, Pattern: "^main-"})}
	reg.Reset()
	got, err := i.Choose(t.Context(), want)
	if err != nil || got.Tag != "main-index" || got.Value != "2024-05-04T00:00:00Z" || got.Skipped[imagepolicy.NoDate] != 2 {
		t.Fatalf("got %+v, error %v", got, err)
	}
	if asked := strings.Join(reg.Requests(), "\n"); strings.Contains(asked, "dev-a") {
		t.Errorf("asked about what is no candidate:\n%s", asked)
	}
	for _, again := range []*Image{i, newImage(t, c, opts)} {
		reg.Reset()
		if got, err := again.Choose(t.Context(), want); err != nil || got.Tag != "main-index" || len(reg.Requests()) > 0 {
			t.Errorf("got %+v, error %v after %q", got, err, reg.Requests())
		}
	}

	p.push(p.image(day.AddDate(0, 0, 20)), "main-c") // it is moved
	scanned(t, i)
	if got, err := i.Choose(t.Context(), want); err != nil || got.Tag != "main-index" {
		t.Errorf("got %+v, error %v", got, err)
	}
	opts.RecheckDates = time.Hour
	later := newImage(t, c, opts)
	later.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if got, err := later.Choose(t.Context(), want); err != nil || got.Tag != "main-c" {
		t.Errorf("got %+v, error %v", got, err)
	}
}
