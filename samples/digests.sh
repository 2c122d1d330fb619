#!/usr/bin/env bash
# Rewrites the hashes in DIR/TOSCA-Metadata/TOSCA.meta after files of the package directory DIR were edited.
#
# Every block with a Name and a Hash gets the SHA-256 of its file as it is now; nothing else is changed.
set -euo pipefail

if [[ $# -ne 1 || ! -f "${1-}/TOSCA-Metadata/TOSCA.meta" ]]; then
  echo "usage: $0 DIR   (DIR holds TOSCA-Metadata/TOSCA.meta)" >&2
  exit 2
fi

cd "$1"
meta=TOSCA-Metadata/TOSCA.meta
new=$(mktemp)
trap 'rm -f "$new"' EXIT

name=
while IFS= read -r line || [[ -n $line ]]; do
  case $line in
    '') name= ;;
    'Name: '*) name=${line#Name: } ;;
    'Algorithm: '*) if [[ -n $name ]]; then line='Algorithm: SHA-256'; fi ;;
    'Hash: '*)
      if [[ -n $name ]]; then
        if [[ ! -f $name ]]; then
          echo "$0: $name is listed in $meta, but is not there" >&2
          exit 1
        fi
        sum=$(sha256sum -- "$name")
        line="Hash: ${sum%% *}"
      fi
      ;;
  esac
  printf '%s\n' "$line"
done <"$meta" >"$new"

# Copied, not moved, so that the file keeps its mode.
cat "$new" >"$meta"
