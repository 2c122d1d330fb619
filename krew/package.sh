#!/usr/bin/env bash
# Builds the release archive for krew and writes the manifest next to it.
#
#   krew/package.sh [--target TRIPLE] [--out DIR]
#   krew/package.sh --manifest [--out DIR]
#
# --target: a Rust target triple, by default this machine's; --out: where to, by default target/krew.
# The manifest, DIR/vnf.yaml, names all archives of this version that are in DIR: build the archives for
# other platforms into the same folder, or copy them there and run this again; with --manifest, nothing
# is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() { printf 'krew/package.sh: %s\n' "$1" >&2; exit 1; }

# The names krew, which is Go's, has for a platform: OS_ARCH.
platform_of() {
  local os arch
  case $1 in
    *-linux-*) os=linux ;;
    *-apple-darwin) os=darwin ;;
    *-windows-*) os=windows ;;
    *) die "krew knows no platform for the target $1" ;;
  esac
  case $1 in
    x86_64-*) arch=amd64 ;;
    aarch64-*) arch=arm64 ;;
    i686-*) arch=386 ;;
    armv7-*) arch=arm ;;
    powerpc64le-*) arch=ppc64le ;;
    *) die "krew knows no platform for the target $1" ;;
  esac
  echo "${os}_$arch"
}

host_triple() { rustc -vV | sed -n 's/^host: //p'; }
version() { cargo pkgid | sed 's/.*[@#]//'; }

# The time of the last commit, so that the same commit makes the same archive; else a fixed one.
source_date() { echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)}"; }

# program TRIPLE: builds it and prints its path. The paths of this machine are kept out of it, so that
# another machine makes the same program; which also means a build apart from the usual one.
program() {
  local triple=$1 target flags
  target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  flags="--remap-path-prefix=$PWD=."$'\x1f'"--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
  CARGO_ENCODED_RUSTFLAGS=$flags cargo build --quiet --release --locked --target "$triple" >&2
  case $triple in
    *-windows-*) echo "$target/$triple/release/kubectl-vnf.exe" ;;
    *) echo "$target/$triple/release/kubectl-vnf" ;;
  esac
}

# archive TRIPLE FILE: everything that varies from one run to the next is fixed: order, times, owner,
# modes, and the name and time that gzip would note.
archive() {
  local triple=$1 file=$2 stage binary
  stage=$(mktemp -d)
  # shellcheck disable=SC2064  # the value of now is meant
  trap "rm -rf '$stage'" EXIT
  binary=$(program "$triple")
  install -m 755 "$binary" "$stage/"
  install -m 644 LICENSE "$stage/"
  tar --create --sort=name --format=ustar --mtime="@$(source_date)" --owner=0 --group=0 --numeric-owner \
    --directory "$stage" . | gzip -n -9 > "$file.new"
  mv "$file.new" "$file"
}

# platform_entry ARCHIVE: its part of the manifest.
platform_entry() {
  local file name os arch bin=kubectl-vnf
  file=$(basename "$1")
  name=${file%.tar.gz}
  arch=${name##*_} name=${name%_*}
  os=${name##*_}
  if [ "$os" = windows ]; then bin+=.exe; fi
  cat <<YAML
  - selector:
      matchLabels:
        os: $os
        arch: $arch
    uri: https://github.com/kubectl-vnf/kubectl-vnf/releases/download/v$VERSION/$file
    sha256: $(sha256sum "$1" | cut -d' ' -f1)
    bin: $bin
YAML
}

# Without the template's first lines, which are about the template.
manifest() {
  local line file
  sed '/^#/d' krew/vnf.yaml.tmpl | while IFS= read -r line; do
    case $line in
      @PLATFORMS@) for file in "$OUT/kubectl-vnf_${VERSION}"_*.tar.gz; do platform_entry "$file"; done ;;
      *) printf '%s\n' "${line//@VERSION@/$VERSION}" ;;
    esac
  done
}

main() {
  local triple='' build=yes platform file
  OUT=target/krew
  while [ $# -gt 0 ]; do
    case $1 in
      --target) [ $# -ge 2 ] || die "--target wants a value"; triple=$2; shift 2 ;;
      --out) [ $# -ge 2 ] || die "--out wants a value"; OUT=$2; shift 2 ;;
      --manifest) build=no; shift ;;
      *) die "unknown argument '$1'; usage: krew/package.sh [--manifest | --target TRIPLE] [--out DIR]" ;;
    esac
  done
  VERSION=$(version)
  mkdir -p "$OUT"
  if [ "$build" = yes ]; then
    triple=${triple:-$(host_triple)}
    platform=$(platform_of "$triple")
    archive "$triple" "$OUT/kubectl-vnf_${VERSION}_$platform.tar.gz"
  fi
  for file in "$OUT/kubectl-vnf_${VERSION}"_*.tar.gz; do
    [ -e "$file" ] || die "there is no archive of version $VERSION in $OUT"
  done
  manifest > "$OUT/vnf.yaml.new"
  mv "$OUT/vnf.yaml.new" "$OUT/vnf.yaml"
  printf '%s\n' "$OUT/kubectl-vnf_${VERSION}"_*.tar.gz "$OUT/vnf.yaml"
}

main "$@"
