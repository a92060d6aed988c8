"""The command lines of the pages, word for word: a test runs what the reader types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
APPTAINER, JUPYTERHUB, KUBERNETES, PODMAN, SERVER, SLURM = (
    REPOSITORY / f"docs/cluster-{runtime}.md"
    for runtime in ("apptainer", "jupyterhub", "kubernetes", "podman", "docker", "slurm")
)
VERIFY = REPOSITORY / "docs/verify-gpu.md"
SEVERAL_COMPUTERS = REPOSITORY / "course_content/cluster/several-computers.md"
JOBS = REPOSITORY / "docker/slurm"

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def list_commands(page: str) -> list[str]:
    """Return the commands of a page's blocks for the shell, without remarks, each on one line."""
    joined = (re.sub(r" *\\\n *", " ", block) for block in BLOCK.findall(page))
    lines = (re.sub(r"(^|  +)# .*", "", line) for block in joined for line in block.splitlines())
    return [line for line in lines if line]


def find_command(page: Path, *parts: str) -> str:
    """Return the one command of `page` that has all `parts`, as it stands there."""
    found = [line for line in list_commands(page.read_text()) if all(part in line for part in parts)]
    assert len(found) == 1, f"{page.name} has {len(found)} commands with {' and '.join(parts)}: {found}"
    return found[0]


def fill_in(command: str, words: Mapping[str, str]) -> str:
    """Return the command with the reader's own words, by those of the page; each of these must be in it."""
    for name, word in words.items():
        assert name in command, f"{name} is not in: {command}"
        command = command.replace(name, word)
    return command
