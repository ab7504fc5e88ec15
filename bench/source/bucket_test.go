package source_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/gitopskit/gitopskit/internal/servers"
	"github.com/gitopskit/gitopskit/source/bucket"
	"github.com/gitopskit/gitopskit/source/bucket/s3"
)

const manyObjects = 10_000

// each calls f for every object, 32 at a time.
func each(f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range manyObjects {
		slots <- struct{}{}
		wg.Go(func() { f(i); <-slots })
	}
	wg.Wait()
}

func objectKey(i int) string { return fmt.Sprintf("team%02d/object%05d.yaml", i%50, i) }

func BenchmarkBucket(b *testing.B) {
	srv := servers.NewS3(b)
	c, err := minio.New(srv.Host, &minio.Options{Creds: credentials.NewStaticV4(srv.AccessKey, srv.SecretKey, "")})
	if err != nil {
		b.Fatal(err)
	}
	if err := c.MakeBucket(b.Context(), "apps", minio.MakeBucketOptions{}); err != nil {
		b.Fatal(err)
	}
	write := func(i int, content string) {
		if _, err := c.PutObject(b.Context(), "apps", objectKey(i), strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
			b.Error(err)
		}
	}
	each(func(i int) { write(i, fmt.Sprint("content ", i)) })
	n := 0
	changed := func(b *testing.B) {
		b.StopTimer()
		n++
		write(7, fmt.Sprint("changed ", n))
		srv.Reset()
		b.StartTimer()
	}
	b.Run("one-changed", func(b *testing.B) {
		compare(b, manyObjects, "minio-go: all objects", func(b *testing.B) {
			for b.Loop() {
				changed(b)
				downloadAll(b, c)
			}
		}, func(b *testing.B) int {
			p, err := s3.New(s3.Options{Endpoint: srv.Host, Bucket: "apps", AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Insecure: true})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			s, err := bucket.New(bucket.Options{Provider: p, Dir: b.TempDir(), Timeout: -1})
			if err != nil {
				b.Fatal(err)
			}
			take(b, s)
			for b.Loop() {
				changed(b)
				take(b, s)
			}
			downloads := 0
			for _, r := range srv.Requests() {
				if strings.HasPrefix(r, "GET apps/team") {
					downloads++
				}
			}
			b.ReportMetric(float64(downloads), "downloads")
			return len(srv.Requests())
		})
	})
}

// downloadAll is the peer's way: list, and fetch every object to a folder.
func downloadAll(b *testing.B, c *minio.Client) {
	b.Helper()
	dir := b.TempDir()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 100)
	for o := range c.ListObjects(b.Context(), "apps", minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			b.Fatal(o.Err)
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := c.GetObject(b.Context(), "apps", o.Key, minio.GetObjectOptions{})
			if err != nil {
				b.Error(err)
				return
			}
			defer r.Close()
			f, err := os.Create(filepath.Join(dir, strings.ReplaceAll(o.Key, "/", "_")))
			if err != nil {
				b.Error(err)
				return
			}
			defer f.Close()
			if _, err := io.Copy(f, r); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}
