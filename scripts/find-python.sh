#!/bin/sh
# Prints the first Python that is 3.11 or newer and can make virtual environments; fails when there is none.
set -eu
for python in "${PYTHON3:-python3}" /usr/bin/python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        command -v "$python"
        exit 0
    fi
done
exit 1
