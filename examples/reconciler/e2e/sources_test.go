package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/oci"
)

var (
	ociRepos = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "ocirepositories"}
	buckets  = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "buckets"}
)

// from makes the Kustomization app, of a source of another kind.
func (s *stage) from(kind, path string) {
	s.t.Helper()
	s.kustomization(path)
	s.patch(kustomizations, "app", fmt.Sprintf(`{"spec":{"sourceRef":{"kind":%q}}}`, kind))
}

func TestArtifactsOfARegistryAreApplied(t *testing.T) {
	reg := servers.NewRegistry(t, servers.RegistryOptions{Username: "ann", Password: "secret", TLS: true})
	client, err := oci.NewClient(oci.ClientOptions{Auth: oci.Auth{Username: "ann", Password: "secret"}, CA: reg.CA})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	url := "oci://" + reg.Host + "/org/app"
	push := func(tag, color string) string {
		t.Helper()
		a, err := source.FromFS(fstest.MapFS{
			"deploy/settings.yaml": {Data: []byte(strings.Replace(configMap, "blue", color, 1))},
			"docs/broken.yaml":     {Data: []byte("{")},
		}, source.Revision("main@sha1:"+strings.Repeat("0", 39)+tag[len(tag)-1:]), nil)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := client.Push(t.Context(), url+":"+tag, a, oci.PushOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	first := push("1.0.0", "blue")
	s := newStage(t)
	s.start()
	s.apply(fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: app, namespace: $NS}
spec: {interval: 1h, url: %q, ref: {semver: 1.x}, certSecretRef: {name: ca}, ignore: "/docs"}`, url))
	s.from("OCIRepository", "./")
	s.fails(ociRepos, "app", "AuthenticationFailed", s.ns+"/ca", "does not exist")
	s.apply(secretManifest("ca", "ca.crt: "+quote(reg.CA)))
	s.poke(ociRepos, "app")
	s.fails(ociRepos, "app", "AuthenticationFailed", reg.Host)

	// The pull secret of a service account lets it in.
	login := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.Host, base64.StdEncoding.EncodeToString([]byte("ann:secret")))
	s.apply("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/dockerconfigjson\nmetadata: {name: pull, namespace: $NS}\n" +
		"data: {.dockerconfigjson: " + base64.StdEncoding.EncodeToString([]byte(login)) + "}")
	s.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: puller, namespace: $NS}\nimagePullSecrets: [{name: pull}]")
	s.patch(ociRepos, "app", `{"spec":{"serviceAccountName":"puller"}}`)
	s.isReady("1.0.0@" + first)
	if got := s.field(configMaps, "settings", "data", "color"); got != "blue" {
		t.Errorf("color %s", got)
	}

	second := push("1.1.0", "red")
	s.poke(ociRepos, "app")
	s.isReady("1.1.0@" + second)
	if got := s.field(configMaps, "settings", "data", "color"); got != "red" {
		t.Errorf("color %s", got)
	}

	// What is not signed is not applied, and what was applied stays.
	s.apply(secretManifest("authors", "a.pub: "+quote([]byte(cosignKey))))
	s.patch(ociRepos, "app", `{"spec":{"verify":{"provider":"cosign","secretRef":{"name":"authors"}}}}`)
	s.fails(ociRepos, "app", "VerificationError", "nobody signed")
	if got := s.field(configMaps, "settings", "data", "color"); got != "red" {
		t.Errorf("color %s", got)
	}
	s.patch(ociRepos, "app", `{"spec":{"verify":{"provider":"cosign","secretRef":null}}}`)
	s.fails(ociRepos, "app", "Unsupported", "spec.verify without a key")
}

// cosignKey signed nothing.
const cosignKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
`

func TestObjectsOfABucketAreApplied(t *testing.T) {
	srv := servers.NewS3(t)
	objects, err := minio.New(srv.Host, &minio.Options{Creds: credentials.NewStaticV4(srv.AccessKey, srv.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.MakeBucket(t.Context(), "apps", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	put := func(key, content string) {
		t.Helper()
		if _, err := objects.PutObject(t.Context(), "apps", key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("shop/settings.yaml", configMap)
	put("other/broken.yaml", "{")
	s := newStage(t)
	s.start()
	s.apply(fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: Bucket
metadata: {name: app, namespace: $NS}
spec: {interval: 1h, bucketName: apps, endpoint: %q, prefix: shop/, insecure: true, secretRef: {name: keys}}`, srv.Host))
	s.from("Bucket", "./shop")
	s.fails(buckets, "app", "AuthenticationFailed", s.ns+"/keys")
	s.apply(secretManifest("keys", "accesskey: "+srv.AccessKey, "secretkey: "+srv.SecretKey))
	s.poke(buckets, "app")
	s.eventually("the bucket is applied", func() bool { return s.field(configMaps, "settings", "data", "color") == "blue" })

	put("shop/settings.yaml", strings.Replace(configMap, "blue", "red", 1))
	s.poke(buckets, "app")
	s.eventually("a change is applied", func() bool { return s.field(configMaps, "settings", "data", "color") == "red" })

	s.patch(buckets, "app", `{"spec":{"provider":"aws","secretRef":null}}`)
	s.fails(buckets, "app", "Unsupported", "spec.provider aws without a Secret")
}
