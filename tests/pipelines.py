"""Runs the pipelines of this checkout on this machine, with GitHub's act and GitLab's gitlab-ci-local.

Only `make` and the actions that upload and download are stand-ins: `make` notes its target, and writes the files that
the real one would hand to the next job; the actions pass these files on.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from smoke_tests import npm

ROOT = Path(__file__).parent.parent
FACES = (".github", ".gitlab-ci.yml")
TAG = "2027-spring-r1"
HANG = 300
"""Seconds after which a run counts as hanging, not as slow."""
SECRETS = ("SIGNING_KEY", "PUSH_TOKEN", "REGISTRY_TOKEN")
STUB_MAKE = """#!/usr/bin/env bash
set -e
shown=
for name in {secrets}; do [[ -z ${{!name-}} ]] || shown+=" $name"; done
echo "$1;${{PRODUCTS-}};${{TAG-}};$shown" >>{folder}/calls
[[ ! -e {folder}/fails-$1 ]]
mkdir -p build/report
case $1 in
ci-build) echo '{{}}' >build/products.json; echo '<testsuite/>' >build/report/unit.xml ;;
ci-candidate) echo name@sha256:0 >build/candidate.txt ;;
ci-gpu)
    [[ -e build/candidate.txt ]]
    echo '{{}}' >build/report/gpu.json
    cp build/candidate.txt build/report/gpu-image.txt ;;
ci-release)
    [[ -e build/products.json ]]
    if [[ -e build/report/gpu.json ]]; then touch {folder}/gpu-was-proved; fi
    mkdir -p public/release; echo release >public/index.html; echo 0 index.html >public/release/SHA256SUMS ;;
ci-pages) [[ $(<public/index.html) == release ]] ;;
esac
"""
STUB_ACTION = """name: stand-in
inputs: {{name: {{default: ""}}, path: {{default: ""}}}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {{NAME: "${{{{ inputs.name }}}}", PLACES: "${{{{ inputs.path }}}}"}}
      run: {python} {script} {action}
"""
STUB_TRANSFER = """import os, pathlib, shutil, sys
store = pathlib.Path(__file__).parent / "artifacts" / os.environ["NAME"]
places = os.environ["PLACES"].split()
if sys.argv[1] == "upload-artifact":
    common = pathlib.Path(os.path.commonpath(places))
    for place in filter(os.path.exists, places):
        target = store / pathlib.Path(place).relative_to(common)
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.isdir(place):
            shutil.copytree(place, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(place, target)
elif sys.argv[1] == "download-artifact":
    shutil.copytree(store, places[0], dirs_exist_ok=True)
"""


@dataclass(frozen=True)
class Call:
    """One call of make: its target, the products and the tag that it was given, and the secrets that it could see."""

    target: str
    products: str
    tag: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """A pipeline that ended: its exit code, all that it printed, and the calls of make, in their order."""

    code: int
    output: str
    calls: list[Call] = field(default_factory=list)

    @property
    def targets(self) -> list[str]:
        return [call.target for call in self.calls]


@dataclass(frozen=True)
class Sandbox:
    """A repository with the pipelines of this checkout and nothing else, its remote, and the stand-ins."""

    folder: Path

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    def edit(self, file: str, before: str, after: str) -> None:
        path = self.repository / file
        text = path.read_text()
        assert before in text, f"{file} has no {before!r}"
        path.write_text(text.replace(before, after, 1))
        commit(self.repository)

    def fail(self, target: str) -> None:
        (self.folder / f"fails-{target}").touch()

    def call(self, argv: Sequence[str | Path], **environment: str) -> Ran:
        """Runs a program in the repository; the stand-in of make comes first in its PATH."""
        noted = self.folder / "calls"
        noted.unlink(missing_ok=True)
        # Whatever this test itself runs in must not pass for a variable of the pipeline.
        own = ("CI", "GITHUB_", "GITLAB_", "MAKE", "MFLAGS", "PRODUCTS", "TAG", "XDG_", *SECRETS)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        places = {"HOME": str(self.folder / "home"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        path = os.pathsep.join([str(self.folder / "bin"), kept["PATH"]])
        done = subprocess.run(
            ["nice", *map(str, argv)],
            cwd=self.repository,
            env={**kept, **places, "PATH": path, "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG,
            check=False,
        )
        lines = noted.read_text().splitlines() if noted.exists() else []
        return Ran(done.returncode, done.stdout, [read_call(line) for line in lines])


def read_call(line: str) -> Call:
    target, products, tag, secrets = line.split(";")
    return Call(target, products, tag, tuple(secrets.split()))


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    argv = ["git", *identity, *words]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=test")


def make_sandbox(folder: Path) -> Sandbox:
    sandbox = Sandbox(folder)
    for name in ("home", "bin", "repository"):
        (folder / name).mkdir()
    for name in FACES:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, sandbox.repository / name)
    make = folder / "bin/make"
    make.write_text(STUB_MAKE.format(folder=folder, secrets=" ".join(SECRETS)))
    make.chmod(0o755)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "course/practicum.git")
    git(sandbox.repository, "init", "--quiet", "--initial-branch=main")
    commit(sandbox.repository)
    git(sandbox.repository, "remote", "add", "origin", f"file://{folder}/course/practicum.git")
    git(sandbox.repository, "push", "--quiet", "origin", "main")
    git(sandbox.repository, "remote", "set-head", "origin", "main")
    return sandbox


# ---- GitHub --------------------------------------------------------------------------------------------------------

EVENTS: dict[str, tuple[str, dict[str, object]]] = {
    "merge request": ("pull_request", {"pull_request": {"number": 1, "head": {"ref": "x"}, "base": {"ref": "main"}}}),
    "main": ("push", {"ref": "refs/heads/main"}),
    "schedule": ("schedule", {"schedule": "17 3 * * 1"}),
    "tag": ("push", {"ref": f"refs/tags/{TAG}"}),
    "other tag": ("push", {"ref": "refs/tags/v1"}),
}


def find_act() -> Path:
    act = Path(sys.executable).with_name("act")
    if not act.exists():
        pytest.skip("act is not in this Python's environment: make venv installs it")
    return act


def run_on_github(sandbox: Sandbox, event: str, **variables: str) -> Ran:
    """Runs what GitHub would run for the event, given the repository's variables; every label is this machine."""
    kind, payload = EVENTS[event]
    workflows = list_workflows(sandbox.repository / ".github/workflows", kind, str(payload.get("ref", "")))
    if not workflows:
        return Ran(0, "no workflow is for this event")
    file = sandbox.folder / "event.json"
    file.write_text(json.dumps({**payload, "repository": {"private": True, "default_branch": "main"}}))
    argv: list[str | Path] = [find_act(), kind, "--eventpath", file, "--pull=false", "--action-offline-mode"]
    for label in ("ubuntu-24.04", *(value for name, value in variables.items() if name.endswith("_RUNNER"))):
        argv += ["--platform", f"{label}=-self-hosted"]
    for name, value in variables.items():
        argv += ["--var", f"{name}={value}"]
    for name in ("SIGNING_KEY", "GITHUB_TOKEN"):
        argv += ["--secret", f"{name}=secret"]
    for used, stub in make_actions(sandbox).items():
        argv += ["--local-repository", f"{used}={stub}"]
    # One job after another: the order of the calls is then the order of the jobs.
    return sandbox.call([*argv, "--concurrent-jobs=1", "--workflows", *workflows])


def list_workflows(folder: Path, event: str, ref: str) -> list[Path]:
    """Returns the workflows that GitHub starts; act looks at the event's name and at no filter of branches and tags."""
    found = []
    for path in sorted(folder.glob("*.yml")):
        # YAML reads the bare word `on` as true.
        triggers = yaml.safe_load(path.read_text())[True]
        filters = triggers.get(event) or {} if event in triggers else None
        if filters is not None and (event != "push" or match_filters(filters, ref)):
            found.append(path)
    return found


def match_filters(filters: dict[str, list[str]], ref: str) -> bool:
    """Whether a push of `ref` passes the filters of branches and tags, in GitHub's patterns: *, +, [0-9]."""
    _, kind, name = ref.split("/", 2)
    patterns = filters.get({"heads": "branches", "tags": "tags"}[kind], [])
    return any(re.fullmatch(pattern.replace(".", r"\.").replace("*", "[^/]*"), name) for pattern in patterns)


def make_actions(sandbox: Sandbox) -> dict[str, Path]:
    """Returns a stand-in for each action that the workflows use, by its name and commit."""
    script = sandbox.folder / "transfer.py"
    script.write_text(STUB_TRANSFER)
    text = "".join(path.read_text() for path in (sandbox.repository / ".github/workflows").glob("*.yml"))
    stubs = {}
    for used in sorted(set(re.findall(r"uses: (\S+@\S+)", text))):
        action = used.partition("@")[0].rpartition("/")[2]
        stub = sandbox.folder / "actions" / action
        stub.mkdir(parents=True, exist_ok=True)
        written = STUB_ACTION.format(python=sys.executable, script=script, action=action)
        (stub / "action.yml").write_text(written)
        stubs[used] = stub
    return stubs


# ---- GitLab --------------------------------------------------------------------------------------------------------

TOOL = ROOT / "tests/data/gitlab-ci-local"

SOURCES: dict[str, dict[str, str]] = {
    "merge request": {"CI_PIPELINE_SOURCE": "merge_request_event"},
    "main": {"CI_PIPELINE_SOURCE": "push"},
    "schedule": {"CI_PIPELINE_SOURCE": "schedule"},
    "tag": {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": TAG},
    "other tag": {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1"},
}
NO_BRANCH = ("merge request", "tag", "other tag")
"""What has no CI_COMMIT_BRANCH on GitLab; gitlab-ci-local sets it always."""


def find_gitlab_ci_local() -> list[Path]:
    """Returns the command, installed once into the cache: its one package is pinned by its hash in TOOL."""
    if not shutil.which("rsync"):
        pytest.skip("gitlab-ci-local needs rsync: make test-deps installs it")
    return [npm.find_node(), npm.find_package(TOOL) / "dist/index.js"]


def run_on_gitlab(sandbox: Sandbox, event: str, *options: str, **variables: str) -> Ran:
    """Runs what GitLab would run for the event, given the project's variables, with further options of the program."""
    argv: list[str | Path] = [*find_gitlab_ci_local(), "--force-shell-executor", "--shell-isolation", "--concurrency=1"]
    # check-jsonschema validates the schema once, in a test of its own.
    argv += ["--no-json-schema-validation", f"--ignore-predefined-vars={','.join(SOURCES['tag'])}"]
    for name, value in {**SOURCES[event], **variables}.items():
        argv += ["--variable", f"{name}={value}"]
    if event in NO_BRANCH:
        argv += ["--unset-variable", "CI_COMMIT_BRANCH"]
    return sandbox.call([*argv, *options])
