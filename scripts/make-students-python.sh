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
# Compiles what the tests import, a quarter of all: a program that must not write would compile it each time.
# A course may have others: what is missing is no matter here.
"$venv/bin/python" - torch torchvision torch._dynamo torch.distributed.run matplotlib.pyplot scipy.ndimage scipy.signal \
    sklearn.datasets jupyterlab.labapp ipykernel.kernelapp nbclient <<'END'
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        pass
END
