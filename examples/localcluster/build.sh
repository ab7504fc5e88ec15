#!/usr/bin/env bash
# Builds localcluster into the file given (default: bin/localcluster of the
# repository), with the version of Kubernetes that go.mod names compiled in.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../../bin/localcluster}
mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
cd "$here"
export GOWORK=off

read -r version date < <(go list -m -f '{{.Version}} {{.Time.Format "2006-01-02T15:04:05Z07:00"}}' k8s.io/kubernetes)
minor=${version#v1.}
v=k8s.io/component-base/version
flags=(-s -w
  -X "$v.gitVersion=$version" -X "$v.gitMajor=1" -X "$v.gitMinor=${minor%%.*}"
  -X "$v.gitCommit=0000000000000000000000000000000000000000"
  -X "$v.gitTreeState=clean" -X "$v.buildDate=$date")
exec go build -ldflags "${flags[*]}" -o "$out" .
