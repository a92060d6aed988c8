#!/usr/bin/env bash
# make-venv.sh [FOLDER]: makes the virtual environment, or brings it up to date when pyproject.toml or the Python changed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
stamp=$venv/.made-from

if [[ -L $venv ]]; then
    echo "venv: $venv is a link, and this checkout would be installed where it leads; remove it: rm $venv" >&2
    exit 2
fi

fingerprint() { sha256sum pyproject.toml && "$venv/bin/python" --version; }

# A Python that was removed or replaced leaves an environment that cannot start.
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    if ! python=$(scripts/find-python.sh); then
        echo "venv: no Python 3.11 or newer with ensurepip; install with: apt-get install python3 python3-venv" >&2
        exit 2
    fi
    echo "venv: making $venv with $python"
    "$python" -m venv --clear "$venv"
fi
if [[ $(fingerprint) != "$(cat "$stamp" 2>/dev/null)" ]]; then
    echo "venv: installing what pyproject.toml lists"
    rm -f "$stamp"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
    fingerprint >"$stamp"
fi
