package sources

import (
	"context"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/artifacts"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/store"
)

// Storage keeps artifacts for readers outside the process.
type Storage struct {
	Store   *store.Store
	Address string // host and port under which readers reach it
}

func storeKey(k artifacts.Key) store.Key {
	return store.Key{Kind: strings.ToLower(k.Kind), Namespace: k.Namespace, Name: k.Name}
}

// put stores an artifact and returns what the status says of it.
func (s *Storage) put(ctx context.Context, key artifacts.Key, a *source.Artifact) (*meta.Artifact, error) {
	record, err := s.Store.Put(ctx, storeKey(key), a)
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.Collect(ctx, storeKey(key)); err != nil {
		return nil, err
	}
	return &meta.Artifact{
		Path:           record.Path,
		URL:            "http://" + s.Address + "/" + strings.TrimPrefix(record.Path, "/"),
		Revision:       string(a.Revision()),
		Digest:         record.Digest,
		LastUpdateTime: metav1.NewTime(record.Created),
		Size:           &record.Size,
		Metadata:       record.Metadata,
	}, nil
}

// removeAll removes all artifacts of an object.
func (s *Storage) removeAll(key artifacts.Key) error { return s.Store.Delete(storeKey(key)) }
