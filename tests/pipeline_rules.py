"""The rules that every pipeline of ours keeps, applied to its parsed YAML; what breaks a rule is returned as text."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MINUTES = 360
"""The longest that GitHub lets a job of a hosted runner run."""

PERMISSIONS: dict[str, dict[str, str]] = {
    "check.yml: check": {"contents": "read"},
    "check.yml: build": {"contents": "read"},
    "refresh.yml: refresh": {"contents": "write", "pull-requests": "write"},
    "release.yml: build": {"contents": "read", "packages": "write"},
    "release.yml: gpu": {"contents": "read", "packages": "read"},
    "release.yml: release": {
        **dict.fromkeys(("contents", "packages", "pull-requests", "id-token", "attestations"), "write")
    },
    "release.yml: pages": {"contents": "write"},
}
TARGET = re.compile(r'(if \[ -n "\$\{GPU_RUNNER-\}" \]; then )?make ci-[a-z]+(; fi)?')


def judge_github(folder: Path) -> list[str]:
    """Returns what is wrong with the workflows in the folder."""
    return [finding for path in sorted(folder.glob("*.yml")) for finding in judge_workflow(path)]


def judge_workflow(path: Path) -> Iterator[str]:
    workflow = yaml.safe_load(path.read_text())
    if workflow.get("permissions") != {}:
        yield f"{path.name}: permissions at the top are not empty"
    if "group" not in workflow.get("concurrency", {}):
        yield f"{path.name}: no concurrency"
    for line in path.read_text().splitlines():
        if "uses:" in line and not re.search(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line):
            yield f"{path.name}: not by its hash with the version in a comment: {line.strip()}"
    for name, job in workflow["jobs"].items():
        for finding in judge_job(f"{path.name}: {name}", job, workflow["jobs"]):
            yield f"{path.name}: {name}: {finding}"


def judge_job(where: str, job: dict[str, Any], jobs: dict[str, Any]) -> Iterator[str]:
    if not 0 < job.get("timeout-minutes", 0) <= MINUTES:
        yield "no time limit"
    if job.get("permissions") != PERMISSIONS.get(where):
        yield f"permissions are {job.get('permissions')}, not {PERMISSIONS.get(where)}"
    if "latest" in str(job["runs-on"]):
        yield "the runner's system is not pinned"
    for needed in job.get("needs", []):
        if needed not in jobs:
            yield f"needs {needed}, which is no job"
        elif "if" in jobs[needed] and f"needs.{needed}.result" not in str(job.get("if", "")):
            yield f"needs {needed}, which may be excluded"
    for step in job["steps"]:
        if (
            step.get("uses", "").startswith("actions/checkout@")
            and step["with"].get("persist-credentials") is not False
        ):
            yield "the checkout keeps its credentials"
        if "run" in step and not TARGET.fullmatch(step["run"]):
            yield f"runs something else than a target: {step['run']}"


def judge_gitlab(path: Path) -> Iterator[str]:
    """Returns what is wrong with GitLab's pipeline, but for what gitlab-ci-local itself finds."""
    described = yaml.safe_load(path.read_text())
    words = ("stages", "workflow", "default", "variables", "include")
    for name, job in described.items():
        if name in words or name.startswith("."):
            continue
        if "timeout" not in job:
            yield f"{name}: no time limit"
        yield from (
            f"{name}: runs something else than a target: {line}" for line in job["script"] if not TARGET.fullmatch(line)
        )
