"""One branch and one merge request, made by git alone on GitLab and by git and gh on GitHub.

A second proposal of the same branch replaces the first. Both hosts close the request of a branch that is removed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from practicum.engine.run import read, run

ROOT = Path(__file__).parents[2]
AUTHOR = {
    "GIT_AUTHOR_NAME": "practicum",
    "GIT_AUTHOR_EMAIL": "practicum@localhost",
    "GIT_COMMITTER_NAME": "practicum",
    "GIT_COMMITTER_EMAIL": "practicum@localhost",
}
PUSH_MINUTES = 10


@dataclass(frozen=True)
class Proposal:
    """A commit that a person may merge: its branch, and what its merge request says.

    draft: why it can't be merged as it is, "" when it can.
    """

    branch: str
    title: str
    body: str
    base: str = "main"
    draft: str = ""

    @property
    def shown_title(self) -> str:
        return f"Draft: {self.title}" if self.draft else self.title

    @property
    def shown_body(self) -> str:
        return f"**This is not ready: {self.draft}**\n\n{self.body}" if self.draft else self.body


@dataclass(frozen=True)
class Host:
    """Where proposals go: "gitlab", "github" or "" for a repository that has no merge requests.

    push_url: the address that git pushes to. token: what it answers when it is asked for a password.
    """

    kind: str
    push_url: str = "origin"
    token: str = ""

    def environment(self) -> dict[str, str]:
        asked = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": str(ROOT / "scripts/ci/askpass.sh"),
            "PUSH_TOKEN": self.token,
        }
        return {**asked, "GH_TOKEN": self.token, "GH_PROMPT_DISABLED": "1"}


def take_host(environ: MutableMapping[str, str]) -> Host:
    """Return the host that the pipeline runs on, and take the token out of `environ`: builds do not need to see it."""
    token = environ.pop("PUSH_TOKEN", "")
    kind = "gitlab" if environ.get("GITLAB_CI") else "github" if environ.get("GITHUB_ACTIONS") else ""
    return Host(kind, environ.get("PUSH_URL") or "origin", token)


def gitlab_options(proposal: Proposal) -> list[str]:
    r"""Return the push options that make GitLab open the merge request, or change the open one.

    A push option has one line; GitLab turns the two characters \n of a description into a new line.
    """
    said = {
        "target": proposal.base,
        "title": proposal.shown_title,
        "description": proposal.shown_body.replace("\n", "\\n"),
    }
    options = ["merge_request.create", "merge_request.remove_source_branch"]
    return options + [f"merge_request.{key}={value}" for key, value in said.items()]


def push_argv(host: Host, proposal: Proposal, commit: str, root: Path) -> list[str]:
    """Return the command that makes the branch, or moves it, to `commit`."""
    options = gitlab_options(proposal) if host.kind == "gitlab" else []
    words = [word for option in options for word in ("--push-option", option)]
    return ["git", "-C", str(root), "push", "--force", *words, host.push_url, f"{commit}:refs/heads/{proposal.branch}"]


def propose(proposal: Proposal, commit: str, host: Host, root: Path = ROOT) -> None:
    """Push `commit` as the proposal's branch and open, or change, its merge request.

    Raises PracticumError when the push is refused, or gh is missing or refused.
    """
    environment = host.environment()
    run(push_argv(host, proposal, commit, root), step="push", env=environment, contain=False, on_line=print)
    if host.kind == "github":
        open_on_github(proposal, environment, root)


def open_on_github(proposal: Proposal, environment: Mapping[str, str], root: Path) -> None:
    """Open the branch's pull request, or change the open one."""
    said = ["--title", proposal.shown_title, "--body", proposal.shown_body]
    branch = ["--head", proposal.branch]
    found = read(
        ["gh", "pr", "list", *branch, "--state", "open", "--json", "number", "--jq", ".[].number"],
        step="gh",
        env=environment,
    )
    if number := found.strip():
        run(["gh", "pr", "edit", number, *said], step="gh", env=environment, contain=False, cwd=root)
        ready = ["gh", "pr", "ready", number, *(["--undo"] if proposal.draft else [])]
        run(ready, step="gh", env=environment, contain=False, cwd=root)
    else:
        create = ["gh", "pr", "create", *branch, "--base", proposal.base, *said]
        draft = ["--draft"] if proposal.draft else []
        run([*create, *draft], step="gh", env=environment, contain=False, cwd=root, on_line=print)


def find_branch(branch: str, host: Host, root: Path = ROOT) -> str:
    """Return the commit of the branch at the host, "" when it has no such branch."""
    argv = ["git", "-C", str(root), "ls-remote", "--heads", host.push_url, f"refs/heads/{branch}"]
    return read(argv, step="git", env=host.environment(), timeout=PUSH_MINUTES * 60).partition("\t")[0]


def withdraw(branch: str, host: Host, root: Path = ROOT) -> bool:
    """Remove the branch, which closes its merge request; return whether there was one."""
    if not find_branch(branch, host, root):
        return False
    argv = ["git", "-C", str(root), "push", host.push_url, f":refs/heads/{branch}"]
    run(argv, step="push", env=host.environment(), contain=False, on_line=print)
    return True


def git(*words: str, root: Path = ROOT, **environment: str) -> str:
    """Return what git answers in the checkout, without the last line's end."""
    return read(["git", "-C", os.fspath(root), *words], step="git", env={**AUTHOR, **environment}).rstrip("\n")
