package ssa_test

import (
	"flag"
	"os"
	"testing"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

// Most tests wait for the cluster, so more of them run at once than there are
// cores, unless somebody says how many.
func TestMain(m *testing.M) {
	const atOnce = "8"
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	os.Exit(testcluster.MainWithoutLeaks(m))
}
