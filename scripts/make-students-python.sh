#!/usr/bin/env bash
# make-students-python.sh VENV CONTENT DATA [SEMESTER]: makes what the tests of the course's commands and content run in: the
# locked Python with pytest added, the course's folder with its solutions, and the data sets.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 content=$2 data=$3
semester=("${@:4}")

.venv/bin/practicum venv "$venv" "${semester[@]}"
.venv/bin/uv pip install --quiet --python "$venv" pytest pytest-timeout pytest-instafail
.venv/bin/practicum content "$content" --solutions "${semester[@]}"
"$venv/bin/course-data" make --dir "$data"
