package parts

import (
	"os"
	"path/filepath"
	"testing"
)

// SharedData returns the folder of real input data: that which the environment
// variable GITOPSKIT_SHARED names, or the folder shared/data beside the
// repository or further up. The test skips where there is none.
func SharedData(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("GITOPSKIT_SHARED"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		data := filepath.Join(parent, "shared", "data")
		if info, err := os.Stat(data); err == nil && info.IsDir() {
			return data
		}
	}
	t.Skip("the shared input data is missing: set GITOPSKIT_SHARED to its folder")
	return ""
}
