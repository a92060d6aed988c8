"""Which wheels, from where: uv asked for one target, its answer read as data.

Where packages come from (index, mirror, proxy, certificates) is the configuration of uv and pip on this machine.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import uv
from packaging.pylock import Package, Pylock
from packaging.tags import Tag, compatible_tags, cpython_tags, create_compatible_tags_selector
from packaging.utils import parse_wheel_filename

from practicum.engine.errors import PracticumError

# Older names of manylinux_2_17, _12 and _5 (PEP 600).
MANYLINUX_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class Target:
    """What a lock is for: a Python version ("3.11") on Linux with glibc 2.`glibc`, on a `machine` in Python's words."""

    python: str
    glibc: int
    machine: str

    @property
    def platform(self) -> str:
        """The platform in uv's words: machine, "-manylinux_2_", glibc."""
        return f"{self.machine}-manylinux_2_{self.glibc}"

    def list_tags(self) -> list[Tag]:
        """Every wheel tag this target can install, best first."""
        platforms = []
        for minor in range(self.glibc, 4, -1):
            platforms.append(f"manylinux_2_{minor}_{self.machine}")
            platforms += [f"{MANYLINUX_ALIASES[minor]}_{self.machine}"] if minor in MANYLINUX_ALIASES else []
        platforms.append(f"linux_{self.machine}")
        major, minor = map(int, self.python.split("."))
        interpreter = f"cp{major}{minor}"
        return [
            *cpython_tags((major, minor), platforms=platforms),
            *compatible_tags((major, minor), interpreter, platforms),
        ]


@dataclass(frozen=True)
class Wheel:
    """One wheel and where to get it now: http(s) or file URL, size in bytes where the index tells it."""

    name: str
    version: str
    filename: str
    sha256: str
    url: str
    size: int | None


def resolve(
    requires: Sequence[str],
    target: Target,
    *,
    where: str,
    source: tuple[str, ...] = (),
    deps: bool = True,
    excludes: Path | None = None,
    hashes: Mapping[str, Sequence[str]] | None = None,
) -> list[Wheel]:
    """Let uv choose one wheel for each of `requires` (and, with `deps`, for what they need), sorted by name.

    `source`: extra uv options, one of `list_cpu_sources`. `excludes`: a file that names the packages to be left out,
    whoever needs them. `hashes`: the sha256 digests allowed for each name, all where None. Raises PracticumError, its
    message beginning with `where`, when there is no solution or no network.
    """
    options = [*source, *(() if deps else ("--no-deps",)), *(("--excludes", os.fspath(excludes)) if excludes else ())]
    wheels = [
        _choose_wheel(package, target, hashes[package.name] if hashes else None, where)
        for package in _run_uv(requires, target, options, where)
    ]
    return sorted(wheels, key=lambda wheel: wheel.name)


def _run_uv(requires: Sequence[str], target: Target, options: Sequence[str], where: str) -> Sequence[Package]:
    argv = [
        *(uv.find_uv_bin(), "pip", "compile", "-", "--format", "pylock.toml", "--quiet", "--no-header"),
        *("--python-version", target.python, "--python-platform", target.platform, "--only-binary", ":all:"),
        *("--python", sys.executable, "--no-python-downloads", *options),
    ]
    text = "".join(f"{line}\n" for line in requires)
    done = subprocess.run(argv, input=text, capture_output=True, text=True, env=_make_environment(options))
    if done.returncode:
        raise PracticumError(where, *_explain_uv(done.stderr))
    return Pylock.from_dict(tomllib.loads(done.stdout)).packages


def list_cpu_sources() -> list[tuple[str, ...]]:
    """Return the places that may hold `+cpu` builds, as uv options, in the order to try.

    First the folders pip is told to look in (pip's configuration, PIP_FIND_LINKS), then PyTorch's own CPU index, whose
    address uv knows.
    """
    links = [*_read_pip_find_links(), *re.split(r"[,\s]+", os.environ.get("UV_FIND_LINKS", ""))]
    options = tuple(option for link in dict.fromkeys(filter(None, links)) for option in ("--find-links", link))
    return [*([options] if options else []), ("--torch-backend", "cpu")]


def _choose_wheel(package: Package, target: Target, allowed: Sequence[str] | None, where: str) -> Wheel:
    """Return the wheel of a pylock package that suits `target` best, among those with an `allowed` sha256."""
    select = create_compatible_tags_selector(target.list_tags())
    trusted = [
        (wheel, parse_wheel_filename(wheel.filename)[3])
        for wheel in package.wheels or ()
        if (digest := wheel.hashes.get("sha256")) and (allowed is None or digest in allowed)
    ]
    wheel = next(select(trusted), None)
    if wheel is None:
        kind = "with a sha256" if allowed is None else "with the sha256 of the lock"
        raise PracticumError(
            where,
            f"{package.name} {package.version} has no wheel {kind} for Python {target.python} on {target.platform}",
            "choose another version" if allowed is None else "it was replaced at its index: check why, then lock again",
        )
    url = wheel.url or ""
    return Wheel(
        package.name, str(package.version), wheel.filename, wheel.hashes["sha256"], url, wheel.size or _find_size(url)
    )


def _find_size(url: str) -> int | None:
    """Size in bytes of a file of this machine, which uv leaves out; None of what is elsewhere."""
    source = urlsplit(url)
    path = Path(unquote(source.path))
    return path.stat().st_size if source.scheme == "file" and path.exists() else None


def _read_pip_find_links() -> list[str]:
    """Return the find-links of pip's configuration files and environment; empty where there is no pip."""
    inside = [sys.executable, "-m", "pip"]
    for pip in (inside, [shutil.which("pip3") or shutil.which("pip") or ""]):
        if not pip[0]:
            continue
        done = subprocess.run([*pip, "config", "list"], capture_output=True, text=True)
        if done.returncode == 0:
            pairs = (line.partition("=") for line in done.stdout.splitlines())
            values = [ast.literal_eval(value) for key, _, value in pairs if key.endswith(".find-links")]
            return " ".join(values).split()
    return os.environ.get("PIP_FIND_LINKS", "").split()


def _make_environment(options: Sequence[str]) -> dict[str, str]:
    """Return the user's environment (index, certificates, proxy), without what would change which build is chosen."""
    hidden = ("UV_TORCH_BACKEND", "UV_FIND_LINKS", "UV_NO_BINARY")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    # PyTorch's index has an alternative here: learn in a moment that it cannot be reached, not after many retries.
    retries = {"UV_HTTP_RETRIES": "0"} if "--torch-backend" in options else {}
    return {**environment, **retries, "NO_COLOR": "1"}


def _explain_uv(stderr: str) -> tuple[str, str]:
    """Return the reason and the cure of what uv reports."""
    words = " ".join(re.sub(r"[^ -~]|\bcause:|\berror:|\bhint:", " ", stderr).split())  # its frames are not ASCII
    short = words if len(words) <= 300 else f"...{words[-297:]}"  # the end names what we asked for
    offline = re.search(r"dns error|Failed to fetch|error sending request|Connect|timed out", stderr)
    return short.rstrip("."), "check the network and run again" if offline else "change the versions asked for"
