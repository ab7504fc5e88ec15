package scan

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestInvalidOptionsNameTheField(t *testing.T) {
	c := newClient(t, ClientOptions{})
	for name, c := range map[string]struct {
		make  func() error
		field string
	}{
		"no name":           {imageError(c, ImageOptions{}), "Name"},
		"a scheme":          {imageError(c, ImageOptions{Name: "oci://ghcr.io/org/app"}), "Name"},
		"a tag":             {imageError(c, ImageOptions{Name: "ghcr.io/org/app:v1"}), "Name"},
		"a digest":          {imageError(c, ImageOptions{Name: "ghcr.io/org/app@sha256:00"}), "Name"},
		"a port and no tag": {imageError(c, ImageOptions{Name: "localhost:5000"}), "Name"},
		"capital letters":   {imageError(c, ImageOptions{Name: "ghcr.io/Org/app"}), "Name"},
		"an expression":     {imageError(c, ImageOptions{Name: "ghcr.io/a", Exclude: []string{"a", "("}}), "Exclude[1]"},
		"a platform":        {imageError(c, ImageOptions{Name: "ghcr.io/a", Platform: "a/b/c/d"}), "Platform"},
		"a CA":              {clientError(ClientOptions{CA: []byte("x")}), "CA"},
		"a proxy":           {clientError(ClientOptions{ProxyURL: "ftp://x"}), "ProxyURL"},
		"credentials":       {clientError(ClientOptions{Auth: Auth{DockerConfig: []byte("s3cret")}}), "Auth.DockerConfig"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.make()
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrInvalid) || !strings.Contains(e.Ref, c.field) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want ErrInvalid about %s", err, c.field)
			}
		})
	}
}

func imageError(c *Client, opts ImageOptions) func() error {
	return func() error { _, err := c.Image(opts); return err }
}

func clientError(opts ClientOptions) func() error {
	return func() error { _, err := NewClient(opts); return err }
}

func TestNames(t *testing.T) {
	c := newClient(t, ClientOptions{Insecure: []string{"localhost:5000"}})
	for name, want := range map[string]string{
		"nginx": "index.docker.io/library/nginx", "org/app": "index.docker.io/org/app", "ghcr.io/org/app": "ghcr.io/org/app",
		"localhost:5000/app": "localhost:5000/app", "registry:5000/a/b": "registry:5000/a/b",
	} {
		if got := newImage(t, c, ImageOptions{Name: name}).Name(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestAuthShowsNoSecret(t *testing.T) {
	for _, a := range []Auth{{Username: "u", Password: "s3cret"}, {DockerConfig: []byte("s3cret")}, {}} {
		if s := a.String() + a.GoString() + a.LogValue().String(); strings.Contains(s, "s3cret") {
			t.Error(s)
		}
	}
}

func TestSoakIsBounded(t *testing.T) {
	c := newClient(t, ClientOptions{})
	i := newImage(t, c, ImageOptions{Name: "ghcr.io/a"})
	for _, want := range []Want{{}, {Policy: semver(t, "*"), Soak: -1}, {Policy: semver(t, "*"), Soak: 91 * 24 * time.Hour}} {
		if _, err := i.Choose(t.Context(), want); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", want, err)
		}
	}
}
