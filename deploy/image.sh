#!/usr/bin/env bash
# Builds the image: deploy/image.sh [NAME] [ARCHIVE]
#   NAME     adit:VERSION unless given; VERSION is Cargo.toml's
#   ARCHIVE  target/adit-image.tar unless given, as `docker load`, `ctr images import` and `kind load image-archive` take it
# Needs buildah (Debian's will do) and what program.sh needs. No daemon and no registry: the image is one file.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=${1:-adit:$version}
archive=${2:-target/adit-image.tar}

command -v buildah >/dev/null || { echo "image.sh: needs buildah (apt-get install buildah)" >&2; exit 1; }

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
deploy/program.sh "$context/adit"

rm -f "$archive"
mkdir -p "$(dirname "$archive")"
# chroot and vfs: neither needs rights or kernel features that a container or a CI machine may lack.
storage=(--storage-driver vfs --root "$context/storage" --runroot "$context/run")
buildah "${storage[@]}" bud --quiet --isolation chroot --timestamp 0 --label "org.opencontainers.image.version=$version" \
  --tag "$name" --file Dockerfile "$context" >/dev/null
buildah "${storage[@]}" push --quiet "$name" "docker-archive:$archive:$name"
echo "$name: $archive"
