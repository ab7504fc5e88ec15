package scan

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/internal/servers"
)

func TestOnlyWhatTheVerifierAcceptsIsChosen(t *testing.T) {
	t.Parallel()
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	p := newPusher(t, reg, "org/app", authn.Anonymous)
	tags := map[string]string{} // by digest
	for n := range 30 {
		tag := fmt.Sprintf("1.%d.0", n)
		tags[p.push(p.image(time.Time{}), tag)] = tag
	}
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/org/app"})
	scanned(t, i)
	asked := 0
	signed := func(accepted ...string) Verifier {
		asked = 0
		return VerifierFunc(func(_ context.Context, repository, digest string) (string, error) {
			asked++
			for _, tag := range accepted {
				if repository == reg.Host+"/org/app" && tags[digest] == tag {
					return "ann", nil
				}
			}
			return "", fmt.Errorf("%w: by nobody", ErrNotSigned)
		})
	}
	got, err := i.Choose(t.Context(), Want{Policy: semver(t, "*"), Verifier: signed("1.3.0", "1.11.0")})
	if err != nil || got.Tag != "1.11.0" || got.Value != "1.11.0" || tags[got.Digest] != "1.11.0" || got.Signer != "ann" || len(got.Passed) != 18 {
		t.Fatalf("got %+v, error %v", got, err)
	}
	if diff := cmp.Diff("1.29.0: not signed by a trusted key: by nobody", got.Passed[0].String()); diff != "" {
		t.Error(diff)
	}
	got, err = i.Choose(t.Context(), Want{Policy: semver(t, "*"), Verifier: signed("1.3.0")})
	if !errors.Is(err, imagepolicy.ErrNoTag) || got.Tag != "" || got.Digest != "" || asked != defaultMaxVerified {
		t.Errorf("got %+v, error %v after %d", got, err, asked)
	}
	got, err = i.Choose(t.Context(), Want{Policy: semver(t, "*"), Verifier: signed("1.3.0"), MaxVerified: 30})
	if err != nil || got.Tag != "1.3.0" {
		t.Errorf("got %+v, error %v", got, err)
	}
}

func TestSignaturesThatCannotBeReadChooseNothing(t *testing.T) {
	t.Parallel()
	reg := servers.NewRegistry(t, servers.RegistryOptions{})
	p := newPusher(t, reg, "app", authn.Anonymous)
	p.push(p.image(time.Time{}), "1.0.0", "1.1.0")
	i := newImage(t, newClient(t, ClientOptions{Insecure: []string{reg.Host}}), ImageOptions{Name: reg.Host + "/app"})
	scanned(t, i)
	broken := errors.New("connection reset")
	got, err := i.Choose(t.Context(), Want{Policy: semver(t, "*"), Verifier: VerifierFunc(
		func(context.Context, string, string) (string, error) { return "", broken })})
	if !errors.Is(err, broken) || errors.Is(err, imagepolicy.ErrNoTag) {
		t.Errorf("got %+v, error %v", got, err)
	}
}
