package release

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Info is what the storage tells of a revision without its content being read.
type Info struct {
	Version int
	// Status is Helm's: deployed, superseded, failed, uninstalled, pending-…
	Status string
	// Modified is when the revision was last written, in seconds since 1970;
	// zero where it is not known.
	Modified int64
}

// secrets is Helm's storage in Secrets. Where Helm asks for the history of a
// release it reads metadata, and the content of the newest revision only: Helm's
// own driver unzips all of them at each look.
type secrets struct {
	*driver.Secrets
	metadata metadata.ResourceInterface
}

// newStorage opens the storage in a namespace.
func newStorage(cfg *rest.Config, namespace string, log func(string, ...any)) (*secrets, error) {
	core, err := corev1.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	d := driver.NewSecrets(core.Secrets(namespace))
	d.Log = log
	return &secrets{d, meta.Resource(corev1Secrets).Namespace(namespace)}, nil
}

var corev1Secrets = metav1GVR("", "v1", "secrets")

// infos lists the revisions of a release by their labels, in no order.
func (s *secrets) infos(ctx context.Context, name string) ([]Info, error) {
	list, err := s.metadata.List(ctx, metav1.ListOptions{LabelSelector: labels.Set{"owner": "helm", "name": name}.String()})
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, item := range list.Items {
		version, err := strconv.Atoi(item.Labels["version"])
		if err != nil {
			continue
		}
		modified, _ := strconv.ParseInt(item.Labels["modifiedAt"], 10, 64)
		out = append(out, Info{version, item.Labels["status"], modified})
	}
	return out, nil
}

func newestOf(infos []Info) (newest Info) {
	for _, i := range infos {
		if i.Version > newest.Version {
			newest = i
		}
	}
	return newest
}

// last reads the newest revision, or nil.
func (s *secrets) last(ctx context.Context, name string) (*helmrelease.Release, error) {
	infos, err := s.infos(ctx, name)
	if err != nil || len(infos) == 0 {
		return nil, err
	}
	return s.revision(name, newestOf(infos).Version)
}

// revision reads one revision, or nil.
func (s *secrets) revision(name string, version int) (*helmrelease.Release, error) {
	rel, err := s.Get(fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, version))
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	return rel, err
}

// Query implements driver.Driver. For the history of a release all revisions but
// the newest have name, version and status only, which is all that Helm looks at.
func (s *secrets) Query(by map[string]string) ([]*helmrelease.Release, error) {
	if by["status"] != "" || by["name"] == "" {
		return s.Secrets.Query(by)
	}
	ctx := context.Background() // Helm's interface has none; the client's timeout bounds it
	infos, err := s.infos(ctx, by["name"])
	if err != nil {
		return nil, err
	}
	if len(infos) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	newest := newestOf(infos)
	var out []*helmrelease.Release
	for _, i := range infos {
		if i.Version == newest.Version {
			rel, err := s.revision(by["name"], i.Version)
			if err != nil {
				return nil, err
			}
			if rel != nil {
				out = append(out, rel)
			}
			continue
		}
		out = append(out, &helmrelease.Release{
			Name: by["name"], Version: i.Version,
			Info: &helmrelease.Info{Status: helmrelease.Status(i.Status), LastDeployed: helmtime.Unix(i.Modified, 0)},
		})
	}
	return out, nil
}
