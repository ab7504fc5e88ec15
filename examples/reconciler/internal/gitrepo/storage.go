package gitrepo

import (
	"context"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/api"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/store"
)

// Storage keeps artifacts for readers outside the process.
type Storage struct {
	Store   *store.Store
	Address string // host and port under which readers reach it
}

func keyOf(repo *api.GitRepository) store.Key {
	return store.Key{Kind: "gitrepository", Namespace: repo.Namespace, Name: repo.Name}
}

// Put stores an artifact and returns what the status says of it.
func (s *Storage) Put(ctx context.Context, repo *api.GitRepository, a *source.Artifact) (*meta.Artifact, error) {
	record, err := s.Store.Put(ctx, keyOf(repo), a)
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.Collect(ctx, keyOf(repo)); err != nil {
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

// RemoveAll removes all artifacts of a repository.
func (s *Storage) RemoveAll(repo *api.GitRepository) error { return s.Store.Delete(keyOf(repo)) }
