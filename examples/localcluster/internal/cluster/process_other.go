//go:build !unix

package cluster

import (
	"os"
	"os/exec"
)

func isolate(*exec.Cmd) {}

func detach(*exec.Cmd) {}

// askToEnd kills: this system has no signal that asks.
func askToEnd(p *os.Process) error { return p.Kill() }

func endedBySignal(*os.ProcessState) bool { return false }
