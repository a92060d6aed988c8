#!/usr/bin/env bash
# make-students-python.sh VENV CONTENT [SEMESTER]: makes what the tests of the course's commands and content run in: the locked
# Python with pytest added, and the course's folder with its solutions.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 content=$2
semester=("${@:3}")

.venv/bin/practicum venv "$venv" "${semester[@]}"
.venv/bin/uv pip install --quiet --python "$venv" pytest pytest-timeout pytest-instafail
.venv/bin/practicum content "$content" --solutions "${semester[@]}"
