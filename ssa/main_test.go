package ssa_test

import (
	"os"
	"testing"

	"github.com/gitopskit/gitopskit/internal/testcluster"
)

func TestMain(m *testing.M) { os.Exit(testcluster.MainWithoutLeaks(m)) }
