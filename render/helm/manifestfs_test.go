package helm

import (
	"testing"
	"testing/fstest"
)

func TestManifestFSIsAFileSystem(t *testing.T) {
	if err := fstest.TestFS(manifestFS{"a.yaml": "a", "b.yaml": ""}, "a.yaml", "b.yaml"); err != nil {
		t.Error(err)
	}
}
