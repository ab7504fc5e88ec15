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

echo "==> building localcluster (4 to 8 minutes the first time, seconds after)"
read -r version date < <(go list -m -f '{{.Version}} {{.Time.Format "2006-01-02T15:04:05Z07:00"}}' k8s.io/kubernetes)
minor=${version#v1.}
v=k8s.io/component-base/version
flags=(-s -w
  -X "$v.gitVersion=$version" -X "$v.gitMajor=1" -X "$v.gitMinor=${minor%%.*}"
  -X "$v.gitCommit=0000000000000000000000000000000000000000"
  -X "$v.gitTreeState=clean" -X "$v.buildDate=$date")

# Progress: 'go build -v' names each package as it is compiled; packages that are
# in the build cache are not named.
total=$(go list -deps . | wc -l)
go build -v -ldflags "${flags[*]}" -o "$out" . 2> >(awk -v total="$total" '
  /^[a-z0-9.\/_-]+$/ { n++; if (n % 100 == 0) { printf "    %d of up to %d packages compiled\n", n, total; fflush() } next }
  { print; fflush() }' >&2)
echo "==> built $out, Kubernetes $version"
