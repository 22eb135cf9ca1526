#!/usr/bin/env bash
# Builds the static program: deploy/program.sh [TARGET] FILE
#   TARGET  x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu; without it this machine's
# Needs Rust and a C compiler (Debian's will do); for the other architecture also
#   rustup target add aarch64-unknown-linux-gnu && apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "program.sh: $*" >&2; exit 1; }
host=$(rustc -vV | sed -n 's/^host: //p')
target=$host
if [ $# -eq 2 ]; then target=$1; shift; fi
[ $# -eq 1 ] || fail "say which file to write"
file=$1
largest=$((20 * 1024 * 1024))

tools=
if [ "$target" != "$host" ]; then
  tools=${target/-unknown-/-}-
  command -v "${tools}gcc" >/dev/null || fail "needs ${tools}gcc for $target"
  linker=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")_LINKER
  export "$linker=${tools}gcc"
fi
# A kernel for arm64 may have pages of 4, 16 or 64 KiB. An allocator that is built for the largest runs on all.
case $target in aarch64-*) export JEMALLOC_SYS_WITH_LG_PAGE=16 ;; esac

# glibc, linked in: its allocator and resolver need nothing from the file system, and Debian's compiler is enough.
# An explicit target keeps the flags away from build scripts and procedural macros, which must stay dynamic.
# Paths of this machine would make each machine's program another one.
flags=(-C target-feature=+crt-static
  --remap-path-prefix "$PWD=/adit"
  --remap-path-prefix "${CARGO_HOME:-$HOME/.cargo}=/cargo"
  --remap-path-prefix "$(rustc --print sysroot)=/rust")
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f' "${flags[@]}")
CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'} \
  cargo build --locked --profile dist --target "$target" --bin adit

mkdir -p "$(dirname "$file")"
"${tools}strip" -o "$file" "${CARGO_TARGET_DIR:-target}/$target/dist/adit"
if "${tools}readelf" --program-headers "$file" | grep -q INTERP; then
  fail "the program is not static"
fi
if grep -aqF -e "$PWD/" -e "$HOME/" "$file"; then
  fail "the program names paths of this machine: $(grep -aoF -m 1 -e "$PWD/" -e "$HOME/" "$file" | head -n 1)"
fi
size=$(stat -c %s "$file")
[ "$size" -lt "$largest" ] || fail "the program has $size bytes, more than $largest"
printf 'the program for %s: %d.%d MB\n' "$target" $((size / 1000000)) $((size / 100000 % 10))
