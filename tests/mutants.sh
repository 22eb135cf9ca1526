#!/usr/bin/env bash
# Do the tests notice when translation or the router is wrong? Breaks them in one place at a time (cargo-mutants) and
# runs their tests: a mutant that no test notices is alive. Fails when more than 5 in 100 are.
#
#   tests/mutants.sh [SAMPLE] [SEED]     100 mutants and a fixed seed; the same seed draws the same mutants of one tree
#
# For the desk, not for CI: every mutant is one build. Needs python3 and `cargo install --locked cargo-mutants`. Works on
# a copy of the checkout, one mutant after the other, so that each builds little more than what it changed.
#
# A mutant that does not compile says nothing about the tests: it is named apart and the share is of the others. A test
# run that does not end was noticed. Equivalent mutants stay in the sample: the 5 are for them.
set -euo pipefail
cd "$(dirname "$0")/.."

sample=${1:-100}
seed=${2:-1}
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")/mutants
# Of the copy; what it depends on is built once, not in each run.
export CARGO_TARGET_DIR=$out/build
# The tests compare with their golden files: set, this would make them agree with every mutant.
unset ADIT_UPDATE
mkdir -p "$out"

# What is drawn from: the two stages, and the rules of matching and precedence that they share.
files=(--file 'src/translate/**' --file 'src/proxy/router/**' --file 'src/route/**')

cargo mutants --list --json "${files[@]}" >"$out/all.json"
python3 - "$out/all.json" "$sample" "$seed" >"$out/drawn" <<'PYTHON'
import json, random, sys

path, sample, seed = sys.argv[1:]
names = sorted(mutant["name"] for mutant in json.load(open(path)))
drawn = random.Random(int(seed)).sample(names, min(int(sample), len(names)))
print(f"{len(drawn)} of {len(names)} mutants, seed {seed}", file=sys.stderr)
print("\n".join(drawn))
PYTHON
mapfile -t drawn < <(python3 -c 'import re, sys; print(*(f"--re=^{re.escape(name.strip())}$" for name in sys.stdin), sep="\n")' <"$out/drawn")

# 0: all caught, 2: some missed, 3: some timed out. The rest is no result: the tests fail without a mutant, say.
status=0
cargo mutants "${files[@]}" "${drawn[@]}" --jobs 1 --profile mutants --timeout 60 --output "$out" --no-times \
  -- --lib --test translate || status=$?
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac

# cargo-mutants 27 deletes fields of struct literals whatever --re says: what was not drawn does not count.
of() { grep -Fxf "$out/drawn" "$out/mutants.out/$1.txt" || true; }
count() { of "$1" | wc -l; }
caught=$(count caught) missed=$(count missed) timeouts=$(count timeout) unviable=$(count unviable)
viable=$((caught + missed + timeouts))
printf '\ncaught %d, timed out %d, missed %d; %d did not compile\n' "$caught" "$timeouts" "$missed" "$unviable"
of missed
[ "$viable" -gt 0 ] && [ $((missed * 100)) -le $((viable * 5)) ]
