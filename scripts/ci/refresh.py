"""refresh.py [SEMESTER]: lock again, build, prove, and propose the result as one merge request.

PRACTICUM_REFRESH says what may change: none, security or minor (holds.py). Without a change the open merge request is
closed. When the build or its proof fails, the merge request is a draft that says why, and the exit code is 1.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holds import POLICIES, list_constraints, read_floors, read_versions
from propose import ROOT, Host, Proposal, find_branch, git, propose, take_host, withdraw

from practicum.cli import exit_code_of
from practicum.engine.errors import PracticumError, ProgramFailed
from practicum.engine.publish import write_text
from practicum.engine.run import read, run, stop_on_signals
from practicum.semester.find import find_semester

CHANGES_MINUTES = 30
TOLD = re.compile(r"^practicum: |^MISSING  |\b[1-9]\d* failed\b")
"""How practicum, its preflight and its proof tell a failure."""


@dataclass(frozen=True)
class Refresh:
    """What a refresh is told: the semester, what may change, where it goes, and the programs that do the work.

    lock and build name a step, run it and raise PracticumError when it fails; changes compares two commits.
    """

    semester: str
    policy: str
    host: Host
    lock: Callable[[], None]
    build: Callable[[], None]
    changes: Callable[[str, str], str]
    root: Path = ROOT
    say: Callable[[str], None] = print

    @property
    def branch(self) -> str:
        return f"refresh/{self.semester}"

    @property
    def locks(self) -> str:
        return f"semesters/{self.semester}"


def refresh(told: Refresh) -> int:
    """Propose the newest versions that the policy allows; return 1 when the proposal is a draft, else 0."""
    if told.policy not in POLICIES:
        raise PracticumError("PRACTICUM_REFRESH", f"{told.policy!r} is no policy", f"known: {', '.join(POLICIES)}")
    if told.policy == "none":
        told.say("refresh: the policy is none, so nothing changes")
        return 0
    if git("status", "--porcelain", "--untracked-files=no", root=told.root):
        raise PracticumError("refresh", "files of the checkout are changed", "commit them, or run: git stash")
    with detached(told.root) as base:
        told.lock()
        if not git("status", "--porcelain", "--", told.locks, root=told.root):
            closed = withdraw(told.branch, told.host, told.root)
            told.say(f"refresh: nothing to change{', the merge request is closed' if closed else ''}")
            return 0
        return propose_locks(told, base)


def propose_locks(told: Refresh, base: str) -> int:
    """Commit the new locks, build and prove them, and propose the commit."""
    title = f"Refresh {told.semester}: {told.policy}"
    commit_locks(told, title)
    table = told.changes(base, "HEAD")
    trouble = ""
    try:
        told.build()
    except PracticumError as error:
        trouble = " ".join(str(error).split())
        told.say(f"refresh: {trouble}")
    proposal = Proposal(told.branch, title, table, draft=trouble)
    git(
        "commit", "--quiet", "--amend", f"--message={title}", f"--message={table}", "--cleanup=verbatim", root=told.root
    )
    if is_proposed(told) and not trouble:
        told.say("refresh: the open merge request has these changes already")
    else:
        propose(proposal, "HEAD", told.host, told.root)
    return int(bool(trouble))


def commit_locks(told: Refresh, title: str) -> None:
    git("add", "--", told.locks, root=told.root)
    git("commit", "--quiet", f"--message={title}", root=told.root)


def is_proposed(told: Refresh) -> bool:
    """Tell whether the branch at the host has these changes already, on the same base."""
    found = find_branch(told.branch, told.host, told.root)
    if not found:
        return False
    fetch = ["git", "-C", str(told.root), "fetch", "--quiet", told.host.push_url, told.branch]
    read(fetch, step="git", env=told.host.environment(), timeout=600)
    same = [git("show", "--no-patch", "--format=%T %P%n%B", commit, root=told.root) for commit in (found, "HEAD")]
    return same[0] == same[1]


@contextmanager
def detached(root: Path) -> Iterator[str]:
    """Give the commit of the checkout; the block may commit, and the checkout is at its old branch again afterwards."""
    base = git("rev-parse", "HEAD", root=root)
    branch = git("branch", "--show-current", root=root)
    git("checkout", "--quiet", "--detach", root=root)
    try:
        yield base
    finally:
        git("checkout", "--quiet", "--force", branch or base, root=root)


def build(semester: str) -> None:
    """Run `make ci-build`; raises PracticumError with the line that names the failure."""
    lines: list[str] = []
    try:
        make("ci-build", lines.append, SEMESTER=semester)
    except ProgramFailed as error:
        raise PracticumError("make ci-build", find_reason(lines) or error.reason) from None


def find_reason(lines: list[str]) -> str:
    """Return the last line in which a program of practicum tells a failure, "" when none does."""
    return next((line.strip() for line in reversed(lines) if TOLD.search(line)), "")


def make(target: str, see: Callable[[str], None] = lambda _line: None, **environment: str) -> None:
    """Run a target of the Makefile, print what it says, and show each line to `see`."""

    def tell(line: str) -> None:
        print(line, flush=True)
        see(line)

    argv = ["make", "--no-print-directory", target]
    run(argv, step=f"make {target}", cwd=ROOT, env=environment, contain=False, on_line=tell)


def lock_with_holds(semester: str, policy: str) -> None:
    """Run `make lock`, whose uv is told by a file which versions it may choose."""
    floors = read_floors(ROOT / "semesters/security-floors.toml")
    lines = list_constraints(read_versions(ROOT / "semesters" / semester), floors, policy)
    constraints = ROOT / "build/constraints.txt"
    write_text(constraints, "".join(f"{line}\n" for line in lines))
    make("lock", SEMESTER=semester, UV_CONSTRAINT=str(constraints))


def compare(old: str, new: str) -> str:
    practicum = Path(sys.executable).with_name("practicum")
    return read([str(practicum), "changes", old, new], step="changes", timeout=CHANGES_MINUTES * 60)


def main() -> None:
    semester = find_semester(sys.argv[1] if len(sys.argv) > 1 else "").id
    policy = os.environ.get("PRACTICUM_REFRESH") or "security"
    host = take_host(os.environ)
    told = Refresh(
        semester,
        policy,
        host,
        lock=lambda: lock_with_holds(semester, policy),
        build=lambda: build(semester),
        changes=compare,
    )
    sys.exit(refresh(told))


if __name__ == "__main__":
    stop_on_signals()
    sys.exit(exit_code_of(main))
