package ssa

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard()) // a peer's; without one it prints how to set one
	os.Exit(testcluster.Main(m))
}
