package scan_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gitopskit/gitopskit/imagepolicy"
	"github.com/gitopskit/gitopskit/imagepolicy/scan"
)

// startRegistry serves a registry that has an image with some tags.
func startRegistry(tags ...string) (host string, stop func()) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	host = strings.TrimPrefix(server.URL, "http://")
	for _, tag := range tags {
		ref, err := name.NewTag(host + "/org/app:" + tag)
		if err == nil {
			err = remote.Write(ref, empty.Image)
		}
		if err != nil {
			panic(err)
		}
	}
	return host, server.Close
}

func Example() {
	host, stop := startRegistry("1.0.0", "1.1.0", "2.0.0", "latest")
	defer stop()
	ctx := context.Background()

	client, err := scan.NewClient(scan.ClientOptions{Insecure: []string{host}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	image, err := client.Image(scan.ImageOptions{Name: host + "/org/app"})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := imagepolicy.New(imagepolicy.Spec{Kind: imagepolicy.Semver, Range: "1.x"})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := image.Scan(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	choice, err := image.Choose(ctx, scan.Want{Policy: policy, Digest: true})
	fmt.Println(found.Tags, "tags, chosen:", choice.Tag, choice.Digest[:14], err)
	// Output: 4 tags, chosen: 1.1.0 sha256:7321122 <nil>
}
