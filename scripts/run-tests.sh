#!/usr/bin/env bash
# The whole proof: unit tests and linters, the build, the tests of what was built. Every part runs; the exit code counts all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=()

# A part must not outlive this script, even when that is killed.
part() {
    local title=$1
    shift
    echo "== $title"
    setpriv --pdeathsig TERM "$@" || failed+=("$title")
}

part "unit tests and linters" .venv/bin/python -m pytest tests
part "build" .venv/bin/practicum ova ${SEMESTER:+"$SEMESTER"}
part "tests of the products" .venv/bin/python -m pytest smoke_tests ${SEMESTER:+"--semester=$SEMESTER"}

if ((${#failed[@]})); then
    printf '== FAILED: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "== all passed"
