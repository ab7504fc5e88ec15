#!/usr/bin/env bash
# Runs 'go mod tidy' in every module. examples and bench need this repository's
# root module, which their go.mod requires as v0.0.0 and go.work supplies; tidy
# ignores go.work, so it runs on a copy of go.mod with a replace, which is taken
# out again. With --check it changes nothing and fails if it would.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
module=github.com/gitopskit/gitopskit
check=false
[ "${1:-}" = --check ] && check=true
export GOWORK=off

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
changed=0

tidy() { # folder
  local dir=$root/$1 mod=$tmp/tidy.mod sum=$tmp/tidy.sum
  cp "$dir/go.mod" "$mod"
  rm -f "$sum"
  [ ! -e "$dir/go.sum" ] || cp "$dir/go.sum" "$sum"
  case $1 in
    examples | bench)
      grep -qE "^[[:space:]]*(require )?$module v" "$mod" || go mod edit -require="$module@v0.0.0" "$mod"
      go mod edit -replace="$module=$root" "$mod"
      ;;
  esac
  (cd "$dir" && go mod tidy -modfile="$mod")
  case $1 in
    examples | bench) go mod edit -dropreplace="$module" "$mod" ;;
  esac
  if cmp -s "$mod" "$dir/go.mod" && { [ ! -e "$sum" ] || cmp -s "$sum" "$dir/go.sum"; }; then
    return
  fi
  changed=1
  if $check; then
    echo "$1: go.mod is not tidy:" >&2
    diff "$dir/go.mod" "$mod" >&2 || true
    return
  fi
  echo "$1: tidied"
  cp "$mod" "$dir/go.mod"
  [ ! -e "$sum" ] || cp "$sum" "$dir/go.sum"
}

for m in . examples bench bench/sops source/aws source/oci/keyless source/oci/notation examples/localcluster internal/testservers tools; do
  tidy "$m"
done
if $check && [ $changed = 1 ]; then
  echo "run 'make tidy'" >&2
  exit 1
fi
