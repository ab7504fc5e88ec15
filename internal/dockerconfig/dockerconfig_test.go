package dockerconfig

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	c, err := Parse([]byte(`{"auths":{
		"https://index.docker.io/v1/":{"username":"hub","password":"p"},
		"ghcr.io":{"auth":"Z2hjcjpwOnE="},
		"ghcr.io/org":{"username":"org"},
		"*.example.com":{"username":"glob"},
		"a.example.com":{"username":"exact"},
		"127.0.0.1:5000":{"identitytoken":"t"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		"index.docker.io library/nginx": "hub/p", "ghcr.io other/app": "ghcr/p:q", "ghcr.io org/app": "org/", "ghcr.io organic/app": "ghcr/p:q",
		"b.example.com x": "glob/", "a.example.com x": "exact/", "b.c.example.com x": "", "127.0.0.1:5000 x": "/t", "127.0.0.1 x": "",
	} {
		registry, repository, _ := strings.Cut(place, " ")
		got := ""
		if a, ok := c.Find(registry, repository); ok {
			got = a.Username + "/" + a.Password + a.IdentityToken
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", place, got, want)
		}
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	for _, in := range []string{`{"auths":"s3cret"}`, `s3cret`, `{"auths":{"ghcr.io":{"auth":"s3cret"}}}`, `{"auths":{"ghcr.io":{"auth":"czNjcmV0"}}}`} {
		_, err := Parse([]byte(in))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", in, err)
		}
	}
}
