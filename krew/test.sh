#!/usr/bin/env bash
# Packages the plugin, holds the manifest against the rules by which krew's index accepts one, and
# installs the archive as krew would, in a folder of its own: `kubectl vnf` must then find it.
#
# krew itself takes no part: its rules are written down here. Wants kubectl on PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

WORK=
PASSED=0
trap 'rm -rf "$WORK"' EXIT

# holds RULE CONDITION...
holds() {
  local rule=$1
  shift
  if ! "$@"; then
    echo "krew: FAILED: $rule ($*)" >&2
    exit 1
  fi
  PASSED=$((PASSED + 1))
}

matches() { [[ $1 =~ $2 ]]; }
unique() { [ -z "$(sort | uniq -d)" ]; }
all_match() { local line; while IFS= read -r line; do matches "$line" "$1" || return 1; done; }
# value KEY: of the manifest, where it occurs. The template is ours: one key to a line.
value() { sed -n "s/^ *\(- \)\{0,1\}$1: *//p" "$MANIFEST"; }
# The platforms as OS_ARCH, in the manifest's order.
platforms() { paste -d_ <(value os) <(value arch); }
count() { value "$1" | wc -l; }

# internal/index/validation and cmd/validate-krew-manifest of krew.
check_manifest() {
  local known='^(windows_(386|amd64|arm64)|linux_(386|amd64|arm|arm64|ppc64le)|darwin_(amd64|arm64))$'
  holds "the apiVersion is krew's" matches "$(value apiVersion)" '^krew\.googlecontainertools\.github\.com/v1alpha2$'
  holds "the kind is Plugin" matches "$(value kind)" '^Plugin$'
  holds "the name is a plugin's, and the file's" matches "$(value name)" '^vnf$'
  holds "the version is a semantic one, with a v" matches "$(value version)" '^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$'
  holds "the version is Cargo's" [ "$(value version)" = "v$VERSION" ]
  holds "there is a short description of one line" matches "$(value shortDescription)" '^[^|>].{9,}$'
  holds "there is a description" [ "$(count description)" = 1 ]
  holds "there is a homepage" matches "$(value homepage)" '^https://github\.com/'
  holds "no placeholder is left" matches "$(grep -c @ "$MANIFEST" || true)" '^0$'
  holds "there is a platform" [ "$(platforms | wc -l)" -ge 1 ]
  holds "every platform is one that krew knows" all_match "$known" < <(platforms)
  holds "no two platforms overlap" unique < <(platforms)
  local key
  for key in uri sha256 bin; do
    holds "every platform has its $key" [ "$(count $key)" = "$(platforms | wc -l)" ]
  done
  holds "every sha256 is one" all_match '^[a-f0-9]{64}$' < <(value sha256)
  holds "every uri is an archive of this version" \
    all_match "^https://.*/v$VERSION/kubectl-vnf_${VERSION}_[a-z0-9_]+\.tar\.gz\$" < <(value uri)
}

# here OS_ARCH KEY: the value for one platform.
here() { value "$2" | sed -n "$(platforms | grep -nxF "$1" | cut -d: -f1)p"; }

# What `kubectl krew install --manifest --archive` does.
install_archive() {
  local platform=$1 archive
  archive=$WORK/out/$(basename "$(here "$platform" uri)")
  holds "the sha256 is the archive's" [ "$(sha256sum "$archive" | cut -d' ' -f1)" = "$(here "$platform" sha256)" ]
  mkdir -p "$WORK/store/vnf/v$VERSION" "$WORK/bin"
  tar -xzf "$archive" -C "$WORK/store/vnf/v$VERSION"
  holds "a LICENSE is in the archive" [ -s "$WORK/store/vnf/v$VERSION/LICENSE" ]
  holds "the program is in the archive" [ -x "$WORK/store/vnf/v$VERSION/$(here "$platform" bin)" ]
  holds "the program has less than 12 MB" \
    [ "$(stat -c %s "$WORK/store/vnf/v$VERSION/$(here "$platform" bin)")" -lt 12000000 ]
  holds "nothing else is" [ "$(find "$WORK/store/vnf/v$VERSION" -type f | wc -l)" = 2 ]
  ln -s "$WORK/store/vnf/v$VERSION/$(here "$platform" bin)" "$WORK/bin/kubectl-vnf"
}

main() {
  local out platform
  command -v kubectl > /dev/null || { echo "krew: there is no kubectl on PATH" >&2; exit 1; }
  WORK=$(mktemp -d)
  krew/package.sh --out "$WORK/out" > /dev/null
  MANIFEST=$WORK/out/vnf.yaml
  VERSION=$(cargo pkgid | sed 's/.*[@#]//')
  check_manifest
  platform=$(platforms | head -n 1)
  install_archive "$platform"
  out=$(PATH=$WORK/bin:$PATH kubectl vnf version --client)
  holds "kubectl finds the plugin" matches "$out" "^kubectl-vnf $VERSION"
  # cargo finds its work done: this is about the archive.
  cp "$MANIFEST" "$WORK/first.yaml"
  krew/package.sh --out "$WORK/out" > /dev/null
  holds "the same source makes the same archive" cmp -s "$MANIFEST" "$WORK/first.yaml"
  echo "krew: $PASSED rules hold; the program is $(($(stat -Lc %s "$WORK/bin/kubectl-vnf") / 1000)) kB"
}

main "$@"
