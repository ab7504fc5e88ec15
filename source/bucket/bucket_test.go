package bucket_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.uber.org/goleak"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// fill makes a bucket with objects and returns the client that did.
func fill(t testing.TB, srv *servers.S3, objects map[string]string) *minio.Client {
	t.Helper()
	c, err := minio.New(srv.Host, &minio.Options{Creds: credentials.NewStaticV4(srv.AccessKey, srv.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(t.Context(), "apps", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	for key, content := range objects {
		put(t, c, key, content)
	}
	return c
}

func put(t testing.TB, c *minio.Client, key, content string) {
	t.Helper()
	if _, err := c.PutObject(t.Context(), "apps", key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

func provider(t testing.TB, srv *servers.S3, change func(*s3.Options)) *s3.Provider {
	t.Helper()
	o := s3.Options{Endpoint: srv.Host, Bucket: "apps", Insecure: true}.WithSecret(map[string][]byte{
		"accesskey": []byte(srv.AccessKey), "secretkey": []byte(srv.SecretKey),
	})
	if change != nil {
		change(&o)
	}
	p, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func open(t testing.TB, opts bucket.Options) *bucket.Source {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	s, err := bucket.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func take(t testing.TB, s source.Source) *source.Artifact {
	t.Helper()
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Fetch(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	if a.Revision() != rev {
		t.Errorf("resolved %s and fetched %s", rev, a.Revision())
	}
	return a
}

func files(t testing.TB, a *source.Artifact) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(a.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(a.FS(), p)
		out[p] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func downloads(srv *servers.S3) int {
	n := 0
	for _, r := range srv.Requests() {
		if strings.HasPrefix(r, "GET apps/") && r != "GET apps/" && !strings.HasSuffix(r, ".sourceignore") {
			n++
		}
	}
	return n
}

func TestBucket(t *testing.T) {
	srv := servers.NewS3(t)
	objects := map[string]string{"prod/a.yaml": "a", "prod/deep/b.yaml": "b", "dev/c.yaml": "c", "logo.png": "png"}
	c := fill(t, srv, objects)
	p := provider(t, srv, nil)
	s := open(t, bucket.Options{Provider: p})
	a := take(t, s)
	if diff := cmp.Diff(objects, files(t, a)); diff != "" {
		t.Error(diff)
	}
	var lines []string
	for o := range c.ListObjects(t.Context(), "apps", minio.ListObjectsOptions{Recursive: true}) {
		lines = append(lines, o.Key+" "+o.ETag+"\n")
	}
	sort.Strings(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	if want := "sha256:" + hex.EncodeToString(sum[:]); string(a.Revision()) != want {
		t.Errorf("revision %s, want %s", a.Revision(), want)
	}
	if diff := cmp.Diff(map[string]string{"prod/a.yaml": "a", "prod/deep/b.yaml": "b"}, files(t, take(t, open(t, bucket.Options{Provider: p, Prefix: "prod/"})))); diff != "" {
		t.Error(diff)
	}
	put(t, c, ".sourceignore", "/dev\n")
	if diff := cmp.Diff(map[string]string{".sourceignore": "/dev\n", "prod/a.yaml": "a", "prod/deep/b.yaml": "b"}, files(t, take(t, open(t, bucket.Options{Provider: p, Ignore: "*.png"})))); diff != "" {
		t.Error(diff)
	}
}

func TestOneChangedObjectIsOneDownload(t *testing.T) {
	srv := servers.NewS3(t)
	objects := map[string]string{}
	for i := range 200 {
		objects[fmt.Sprintf("d%d/f%d", i%7, i)] = fmt.Sprint("content ", i)
	}
	c := fill(t, srv, objects)
	dir := t.TempDir()
	s := open(t, bucket.Options{Provider: provider(t, srv, nil), Dir: dir})
	srv.Reset()
	take(t, s)
	if n := downloads(srv); n != 200 {
		t.Errorf("%d downloads at first", n)
	}
	put(t, c, "d0/f0", "changed")
	srv.Reset()
	objects["d0/f0"] = "changed"
	if diff := cmp.Diff(objects, files(t, take(t, s))); diff != "" {
		t.Error(diff)
	}
	if n := downloads(srv); n != 1 {
		t.Errorf("%d downloads for one changed object", n)
	}
	srv.Reset()
	take(t, open(t, bucket.Options{Provider: provider(t, srv, nil), Dir: dir}))
	if n := downloads(srv); n != 0 {
		t.Errorf("%d downloads after a restart", n)
	}
}

func TestBucketThatChangesWhileItIsFetched(t *testing.T) {
	srv := servers.NewS3(t)
	c := fill(t, srv, map[string]string{"gone": "1", "changed": "1", "same": "1"})
	s := open(t, bucket.Options{Provider: provider(t, srv, nil)})
	rev, err := s.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveObject(t.Context(), "apps", "gone", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, c, "changed", "22")
	a, err := s.Fetch(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"changed": "22", "same": "1"}, files(t, a)); diff != "" {
		t.Error(diff)
	}
	now, err := s.Resolve(t.Context())
	if err != nil || a.Revision() != now || now == rev {
		t.Errorf("fetched %s, there is %s, resolved was %s, %v", a.Revision(), now, rev, err)
	}
}

func wantError(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("%v\nis not: %v", err, is)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say: %s", err, w)
		}
	}
}

func TestBucketErrors(t *testing.T) {
	srv := servers.NewS3(t)
	fill(t, srv, map[string]string{"a": "1", "b": "2"})
	resolve := func(opts bucket.Options) error {
		_, err := open(t, opts).Resolve(t.Context())
		return err
	}
	err := resolve(bucket.Options{Provider: provider(t, srv, func(o *s3.Options) { o.SecretKey = "wr0ng-secret" })})
	wantError(t, err, source.ErrAuth, "apps")
	if strings.Contains(fmt.Sprint(err), "wr0ng-secret") {
		t.Errorf("the secret is in the error: %v", err)
	}
	wantError(t, resolve(bucket.Options{Provider: provider(t, srv, func(o *s3.Options) { o.AccessKey, o.SecretKey = "", "" })}), source.ErrAuth)
	wantError(t, resolve(bucket.Options{Provider: provider(t, srv, func(o *s3.Options) { o.Bucket = "none" })}), source.ErrNotFound, `"none"`)
	wantError(t, resolve(bucket.Options{Provider: provider(t, srv, nil), MaxObjects: 1}), source.ErrTooLarge, "MaxObjects")
	wantError(t, resolve(bucket.Options{Provider: provider(t, srv, nil), MaxBytes: 1}), source.ErrTooLarge, "MaxBytes")
	asked := 0
	good := provider(t, srv, func(o *s3.Options) {
		o.AccessKey, o.SecretKey = "", ""
		o.Credentials = func(context.Context) (s3.Keys, error) {
			asked++
			return s3.Keys{AccessKey: srv.AccessKey, SecretKey: srv.SecretKey}, nil
		}
	})
	take(t, open(t, bucket.Options{Provider: good}))
	if asked != 1 {
		t.Errorf("credentials were asked for %d times", asked)
	}
	for name, o := range map[string]s3.Options{"endpoint": {Bucket: "b"}, "bucket": {Endpoint: "e"}, "scheme": {Endpoint: "https://e", Bucket: "b"}, "CA": {Endpoint: "e", Bucket: "b", CA: []byte("x")}} {
		if _, err := s3.New(o); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bucket.New(bucket.Options{}); !errors.Is(err, source.ErrInvalid) {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", s3.Options{SecretKey: "ssss"}, s3.Options{SecretKey: "ssss"}, s3.Options{SecretKey: "ssss"}); strings.Contains(text, "ssss") {
		t.Error(text)
	}
}

// fixed is a bucket in memory.
type fixed map[string]string

func (fixed) Name() string { return "fixed#x" }

func (f fixed) List(context.Context, string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for k, v := range f {
			if !yield(bucket.Object{Key: k, ETag: v, Size: int64(len(v))}, nil) {
				return
			}
		}
	}
}

func (f fixed) Get(_ context.Context, key string) (io.ReadCloser, bucket.Object, error) {
	v, ok := f[key]
	if !ok {
		return nil, bucket.Object{}, source.ErrNotFound
	}
	return io.NopCloser(strings.NewReader(v)), bucket.Object{Key: key, ETag: v, Size: int64(len(v))}, nil
}

func TestKeysThatAreOdd(t *testing.T) {
	a := take(t, open(t, bucket.Options{Provider: fixed{"../../x": "1", "/abs/y": "2", "a/./b": "3", "folder/": ""}}))
	if diff := cmp.Diff(map[string]string{"x": "1", "abs/y": "2", "a/b": "3"}, files(t, a)); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct {
		keys fixed
		is   error
	}{
		"file and folder": {fixed{"a": "1", "a/b": "2"}, source.ErrInvalid},
		"same twice":      {fixed{"a": "1", "../a": "2"}, source.ErrInvalid},
		"Git's folder":    {fixed{".git/config": "1"}, nil},
		"Git's, odd":      {fixed{".GIT/config": "1"}, source.ErrUnsafe},
		"backslash":       {fixed{`a\..\b`: "1"}, source.ErrUnsafe},
	} {
		s := open(t, bucket.Options{Provider: c.keys})
		rev, err := s.Resolve(t.Context())
		if err == nil {
			_, err = s.Fetch(t.Context(), rev)
		}
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
