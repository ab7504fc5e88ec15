package kustomization

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gitopskit/gitopskit/ssa"
)

// saveInterval is how often what is known to be in sync is written down.
const saveInterval = 15 * time.Second

// Memory writes down what an Applier knows to be in sync, so that the first
// reconciliations after a restart need not look at every object. It may be
// lost, or be older than the cluster: it saves requests and decides nothing.
type Memory struct {
	Applier *ssa.Applier
	File    string

	saved []byte
}

// Restore reads what was written down, if anything.
func (m *Memory) Restore(ctx context.Context) {
	data, err := os.ReadFile(m.File)
	if err == nil {
		err = m.Applier.Restore(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ctrl.LoggerFrom(ctx).Info("what was known to be in sync is looked at anew", "reason", err.Error())
		return
	}
	m.saved = data
}

// Start writes down what has changed, from time to time and when ctx ends.
func (m *Memory) Start(ctx context.Context) error {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return m.save()
		case <-tick.C:
		}
		if err := m.save(); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "what is in sync could not be written down", "file", m.File)
		}
	}
}

func (m *Memory) save() error {
	data, err := m.Applier.Snapshot()
	if err != nil || bytes.Equal(data, m.saved) {
		return err
	}
	if err := replaceFile(m.File, data); err != nil {
		return err
	}
	m.saved = data
	return nil
}

// replaceFile writes a file beside the one that it then takes the place of.
func replaceFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
