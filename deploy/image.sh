#!/usr/bin/env bash
# Builds the image: deploy/image.sh [NAME] [ARCHIVE]
#   NAME     adit:VERSION unless given; VERSION is Cargo.toml's
#   ARCHIVE  target/adit-image.tar unless given, as `docker load`, `ctr images import` and `kind load image-archive` take it
# Needs Rust, a C compiler and buildah (Debian's will do). No daemon and no registry: the image is one file.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=${1:-adit:$version}
archive=${2:-target/adit-image.tar}
largest=$((20 * 1024 * 1024))

command -v buildah >/dev/null || { echo "image.sh: needs buildah (apt-get install buildah)" >&2; exit 1; }

# glibc, linked in: its allocator and resolver need nothing from the file system, and Debian's compiler is enough.
# An explicit target keeps the flag away from build scripts and procedural macros, which must stay dynamic.
target=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --profile dist --target "$target" --bin adit

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
strip -o "$context/adit" "${CARGO_TARGET_DIR:-target}/$target/dist/adit"
if readelf --program-headers "$context/adit" | grep -q INTERP; then
  echo "image.sh: the program is not static" >&2
  exit 1
fi
size=$(stat -c %s "$context/adit")
if [ "$size" -ge "$largest" ]; then
  echo "image.sh: the program has $size bytes, more than $largest" >&2
  exit 1
fi

rm -f "$archive"
mkdir -p "$(dirname "$archive")"
# chroot and vfs: neither needs rights or kernel features that a container or a CI machine may lack.
storage=(--storage-driver vfs --root "$context/storage" --runroot "$context/run")
buildah "${storage[@]}" bud --quiet --isolation chroot --timestamp 0 --label "org.opencontainers.image.version=$version" \
  --tag "$name" --file Dockerfile "$context" >/dev/null
buildah "${storage[@]}" push --quiet "$name" "docker-archive:$archive:$name"
printf '%s: %s, the program %d.%d MB\n' "$name" "$archive" $((size / 1000000)) $((size / 100000 % 10))
