package helmrepo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"path"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"go.yaml.in/yaml/v3"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// maxProvenance is far more than a .prov file has: Chart.yaml, a digest and a
// signature.
const maxProvenance = 1 << 20

// provenance checks the chart's .prov file (helm package --sign): it must be
// signed by one of the keys and name the digest of the chart's file.
func (c *Chart) provenance(ctx context.Context, chart *url.URL, digest string) (signer string, err error) {
	at := *chart
	at.Path += ".prov"
	at.RawPath = ""
	res, err := c.repo.get(ctx, &at, nil)
	if err != nil {
		return "", fmt.Errorf("%w: provenance file: %w", source.ErrVerification, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(httpclient.Limit(res.Body, maxProvenance))
	if err != nil {
		return "", fmt.Errorf("%w: provenance file: %w", source.ErrVerification, c.repo.classify(ctx, err))
	}
	return verifyProvenance(data, c.opts.Provenance, path.Base(chart.Path), digest)
}

func verifyProvenance(data, keys []byte, file, digest string) (string, error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("%w: provenance of %s: %s", source.ErrVerification, file, fmt.Sprintf(format, args...))
	}
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(keys))
	if err != nil {
		return refuse("the keys cannot be read: %v", err)
	}
	block, _ := clearsign.Decode(data)
	if block == nil {
		return refuse("it is not clear-signed")
	}
	who, err := block.VerifySignature(ring, nil)
	if err != nil {
		return refuse("%v", err)
	}
	// Two documents: Chart.yaml and the digests of files.
	_, tail, found := bytes.Cut(block.Plaintext, []byte("\n...\n"))
	if !found {
		return refuse("it has no list of files")
	}
	var sums struct {
		Files map[string]string `yaml:"files"`
	}
	if err := yaml.Unmarshal(tail, &sums); err != nil {
		return refuse("%v", err)
	}
	if got := sums.Files[file]; got != "sha256:"+digest {
		return refuse("it names the digest %q for it; the file has sha256:%s", got, digest)
	}
	return "PGP key " + who.PrimaryKey.KeyIdString(), nil
}
