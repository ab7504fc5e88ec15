package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"sigs.k8s.io/yaml"
)

// Record is what must be remembered between reconciliations; the caller keeps
// it, for instance in a status. The zero value is that of a new release.
type Record struct {
	// History holds snapshots, the newest first.
	History []Snapshot `json:"history,omitempty"`
	// Failures in all, and of installs and upgrades, since the last reset.
	Failures        int `json:"failures,omitempty"`
	InstallFailures int `json:"installFailures,omitempty"`
	UpgradeFailures int `json:"upgradeFailures,omitempty"`
	// LastAction is the last install or upgrade that was attempted.
	LastAction Action `json:"lastAction,omitempty"`
	// Generation, ChartVersion, ConfigDigest and PostRenderDigest are those of
	// the last attempt.
	Generation       int64  `json:"generation,omitempty"`
	ChartVersion     string `json:"chartVersion,omitempty"`
	ConfigDigest     string `json:"configDigest,omitempty"`
	PostRenderDigest string `json:"postRenderDigest,omitempty"`
	// Name, Namespace, StorageNamespace and ChartName are those of the release
	// as it is; a change of one uninstalls it and installs it anew.
	Name             string `json:"name,omitempty"`
	Namespace        string `json:"namespace,omitempty"`
	StorageNamespace string `json:"storageNamespace,omitempty"`
	ChartName        string `json:"chartName,omitempty"`
}

// Snapshot is one revision as it was left.
type Snapshot struct {
	// Digest of the release as stored.
	Digest       string    `json:"digest"`
	Name         string    `json:"name"`
	Namespace    string    `json:"namespace"`
	Version      int       `json:"version"`
	Status       string    `json:"status"`
	ChartName    string    `json:"chartName"`
	ChartVersion string    `json:"chartVersion"`
	AppVersion   string    `json:"appVersion,omitempty"`
	ConfigDigest string    `json:"configDigest"`
	First        time.Time `json:"firstDeployed"`
	Last         time.Time `json:"lastDeployed"`
	Deleted      time.Time `json:"deleted,omitzero"`
	OCIDigest    string    `json:"ociDigest,omitempty"`
	// TestHooks are the chart's tests by name, nil before they ran.
	TestHooks map[string]TestHook `json:"testHooks,omitempty"`
	// Tested is set once tests ran, even if the chart has none.
	Tested bool `json:"tested,omitempty"`
}

// TestHook is the outcome of one test.
type TestHook struct {
	LastStarted   time.Time `json:"lastStarted,omitzero"`
	LastCompleted time.Time `json:"lastCompleted,omitzero"`
	// Phase: Succeeded, Failed, Running, or Unknown.
	Phase string `json:"phase,omitempty"`
}

// Latest returns the newest snapshot, or nil.
func (r *Record) Latest() *Snapshot {
	if len(r.History) == 0 {
		return nil
	}
	return &r.History[0]
}

// clone copies what the machine changes.
func (r Record) clone() Record {
	r.History = slices.Clone(r.History)
	for i := range r.History {
		r.History[i].TestHooks = maps.Clone(r.History[i].TestHooks)
	}
	return r
}

const maxSnapshots = 5

// put records a revision: it replaces the snapshot of the same version or
// becomes the newest.
func (r *Record) put(s Snapshot) {
	for i := range r.History {
		if r.History[i].Version == s.Version && r.History[i].Name == s.Name {
			s.Tested = s.Tested || r.History[i].Tested && s.Status == r.History[i].Status
			r.History[i] = s
			return
		}
	}
	r.History = append([]Snapshot{s}, r.History...)
	if len(r.History) > maxSnapshots {
		r.History = r.History[:maxSnapshots]
	}
}

// settle keeps the newest snapshot and the last good one before it.
func (r *Record) settle(ignoreTests bool) {
	kept := r.History[:min(1, len(r.History))]
	if prev := r.previous(ignoreTests); prev != nil {
		kept = append(slices.Clone(kept), *prev)
	}
	r.History = kept
}

// previous is the newest good snapshot below the newest of all, or nil.
func (r *Record) previous(ignoreTests bool) *Snapshot {
	for i := 1; i < len(r.History); i++ {
		s := &r.History[i]
		good := s.Status == string(helmrelease.StatusDeployed) || s.Status == string(helmrelease.StatusSuperseded)
		if good && (ignoreTests || !s.testFailed()) {
			return s
		}
	}
	return nil
}

func (s *Snapshot) testFailed() bool {
	for _, h := range s.TestHooks {
		if h.Phase == string(helmrelease.HookPhaseFailed) {
			return true
		}
	}
	return false
}

// snapshotOf describes a stored release.
func snapshotOf(rel *helmrelease.Release, oci string) Snapshot {
	s := Snapshot{
		Digest: digestOf(rel, oci), Name: rel.Name, Namespace: rel.Namespace, Version: rel.Version, OCIDigest: oci,
		ConfigDigest: valuesDigest(rel.Config),
	}
	if rel.Info != nil {
		s.Status = rel.Info.Status.String()
		s.First, s.Last, s.Deleted = rel.Info.FirstDeployed.Time, rel.Info.LastDeployed.Time, rel.Info.Deleted.Time
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		s.ChartName, s.ChartVersion, s.AppVersion = rel.Chart.Metadata.Name, rel.Chart.Metadata.Version, rel.Chart.Metadata.AppVersion
	}
	return s
}

// testHooks reads the outcome of tests.
func testHooks(rel *helmrelease.Release) map[string]TestHook {
	out := map[string]TestHook{}
	for _, h := range rel.Hooks {
		if slices.Contains(h.Events, helmrelease.HookTest) {
			out[h.Name] = TestHook{h.LastRun.StartedAt.Time, h.LastRun.CompletedAt.Time, h.LastRun.Phase.String()}
		}
	}
	return out
}

// digestOf is the digest of a release as Flux computes it: tests are left out, so
// that running them changes nothing.
func digestOf(rel *helmrelease.Release, oci string) string {
	o := struct {
		Name          string             `json:"name"`
		Version       int                `json:"version"`
		Info          helmrelease.Info   `json:"info"`
		ChartMetadata chart.Metadata     `json:"chartMetadata"`
		Config        map[string]any     `json:"config"`
		Manifest      string             `json:"manifest"`
		Hooks         []helmrelease.Hook `json:"hooks"`
		Namespace     string             `json:"namespace"`
		OCIDigest     string             `json:"ociDigest,omitempty"`
	}{Name: rel.Name, Version: rel.Version, Config: rel.Config, Manifest: rel.Manifest, Namespace: rel.Namespace, OCIDigest: oci}
	if rel.Info != nil {
		o.Info = *rel.Info
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		o.ChartMetadata = *rel.Chart.Metadata
	}
	for _, h := range rel.Hooks {
		if !slices.Contains(h.Events, helmrelease.HookTest) {
			o.Hooks = append(o.Hooks, *h)
		}
	}
	return digestJSON(o)
}

func digestJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return digest(append(data, '\n'))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// valuesDigest is that of values as YAML with sorted keys.
func valuesDigest(values map[string]any) string {
	if len(values) == 0 {
		return digest(nil)
	}
	data, err := yaml.Marshal(values)
	if err != nil {
		return ""
	}
	return digest(data)
}
