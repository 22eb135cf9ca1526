#!/usr/bin/env bash
# Makes a release of the commit that is checked out: deploy/release.sh [--snapshot] [DIRECTORY]
#   DIRECTORY   target/release-VERSION unless given; it must not be there yet
#   --snapshot  of the work tree as it is, to try it: untagged, with what is uncommitted and unreleased
# The directory then has, for amd64 and arm64,
#   adit-VERSION-linux-ARCH.tar.gz    the static program and its licence
#   adit-VERSION-linux-ARCH.cdx.json  what is in the program: a bill of materials, CycloneDX
#   adit-VERSION-image.tar            one image for both, an OCI archive
#   adit-VERSION.tgz                  the chart
#   SHA256SUMS                        for `sha256sum --check`
# VERSION is Cargo.toml's. The same commit gives the same bytes on every machine with the same Rust, compiler and libc.
# Needs buildah, Helm 4 (HELM=PATH), python3, what program.sh needs for both architectures, and
#   cargo install --locked cargo-cyclonedx@0.5.9
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "release.sh: $*" >&2; exit 1; }
snapshot=
if [ "${1:-}" = --snapshot ]; then snapshot=yes; shift; fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
out=${1:-target/release-$version}
helm=${HELM:-helm}
cyclonedx=0.5.9
declare -A targets=([amd64]=x86_64-unknown-linux-gnu [arm64]=aarch64-unknown-linux-gnu)
architectures=(amd64 arm64)

# ---- may it be released? --------------------------------------------------------------------
for tool in buildah "$helm" python3; do
  command -v "$tool" >/dev/null || fail "needs $tool"
done
[ "$(cargo cyclonedx --version 2>/dev/null)" = "cargo-cyclonedx-cyclonedx $cyclonedx" ] ||
  fail "needs cargo install --locked cargo-cyclonedx@$cyclonedx"
[ ! -e "$out" ] || fail "$out is there already"
if [ -z "$snapshot" ]; then
  [ -z "$(git status --porcelain)" ] || fail "the work tree has changes that are not committed"
  [ "$(git tag --points-at HEAD --list "v$version")" = "v$version" ] || fail "this commit has no tag v$version"
  if sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -q '^- '; then
    fail "CHANGELOG.md has changes that are unreleased: give them the version"
  fi
fi

# Whatever has a time has that of the commit (https://reproducible-builds.org/specs/source-date-epoch/).
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
revision=$(git rev-parse HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work" release.cdx.json' EXIT
umask 022
mkdir -p "$out"

# A directory's content, in the order of names and owned by nobody in particular.
pack() {
  tar --create --directory "$1" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --format=ustar "${@:2}"
}

# ---- the programs, and what is in them ------------------------------------------------------
for architecture in "${architectures[@]}"; do
  name=adit-$version-linux-$architecture target=${targets[$architecture]}
  deploy/program.sh "$target" "$work/$name/adit"
  cp LICENSE "$work/$name"
  pack "$work" "$name" | gzip --no-name --best >"$out/$name.tar.gz"
  # It is written beside Cargo.toml, whatever one says.
  cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --target "$target" --override-filename release.cdx
  deploy/release-sbom release.cdx.json "$target" >"$out/$name.cdx.json"
done

# ---- the image ------------------------------------------------------------------------------
# chroot and vfs: neither needs rights or kernel features that a container or a CI machine may lack.
in_store() { buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }
in_store manifest create "adit:$version" >/dev/null
for architecture in "${architectures[@]}"; do
  in_store bud --quiet --isolation chroot --timestamp "$SOURCE_DATE_EPOCH" --platform "linux/$architecture" \
    --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$revision" \
    --manifest "adit:$version" --file Dockerfile "$work/adit-$version-linux-$architecture" >/dev/null
done
in_store manifest push --quiet --all --format oci "adit:$version" "oci:$work/image:$version"
pack "$work/image" . >"$out/adit-$version-image.tar"

# ---- the chart ------------------------------------------------------------------------------
# Helm takes the files' own times into the package.
cp -r deploy/chart "$work/chart"
find "$work/chart" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
"$helm" package "$work/chart" --version "$version" --app-version "$version" --destination "$out" >/dev/null

# ---- is it what it says? --------------------------------------------------------------------
(cd "$out" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
deploy/release-check "$out"
