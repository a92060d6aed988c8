"""The weekly refresh: which versions may change, one branch, one merge request."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import SEMESTER as NEWEST
from loopback import make_wheel
from packaging.version import Version
from pipelines import git
from push_server import LOCK, SEMESTER, list_branches, list_pushes, make_checkout, make_server

from practicum.engine.errors import PracticumError

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts/ci"))

import holds  # noqa: E402
import propose  # noqa: E402
import refresh  # noqa: E402

BRANCH = f"refs/heads/refresh/{SEMESTER}"


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return make_server(tmp_path)


@pytest.fixture
def checkout(server: Path) -> Path:
    return make_checkout(server)


# ---- one branch, one merge request ---------------------------------------------------------------------------------


def tell(checkout: Path, text: str = "", **changes: object) -> refresh.Refresh:
    """A refresh that writes `text` into the lock, whose build does nothing, and whose table is one line."""

    def lock() -> None:
        if text:
            (checkout / LOCK).write_text(text)

    told = refresh.Refresh(
        SEMESTER,
        "minor",
        propose.Host("gitlab"),
        lock=lock,
        build=lambda: None,
        changes=lambda old, new: f"| package | {old[:4]} |\n| --- | --- |\n| numpy | 1.1 |",
        root=checkout,
        say=lambda _line: None,
    )
    return replace(told, **changes)  # type: ignore[arg-type]


def test_a_change_becomes_one_merge_request_with_the_table(checkout: Path, server: Path) -> None:
    assert refresh.refresh(tell(checkout, "numpy==1.1\n")) == 0
    assert list_branches(server) == ["refs/heads/main", BRANCH]
    assert git(server, "show", f"{BRANCH}:{LOCK}") == "numpy==1.1"
    assert git(server, "log", "--format=%P", "-1", BRANCH) == git(checkout, "rev-parse", "main")
    assert "| numpy | 1.1 |" in git(server, "log", "--format=%B", "-1", BRANCH)
    (options,) = list_pushes(server)
    assert options[0] == "merge_request.create" and "merge_request.target=main" in options
    assert f"merge_request.title=Refresh {SEMESTER}: minor" in options
    (description,) = [each for each in options if each.startswith("merge_request.description=")]
    assert description.endswith("|\\n| --- | --- |\\n| numpy | 1.1 |")


def test_the_checkout_stays_as_it_was(checkout: Path) -> None:
    before = git(checkout, "rev-parse", "HEAD")
    refresh.refresh(tell(checkout, "numpy==1.1\n"))
    assert git(checkout, "branch", "--show-current") == "main"
    assert git(checkout, "rev-parse", "HEAD") == before and git(checkout, "status", "--porcelain") == ""


def test_a_second_refresh_changes_the_branch_instead_of_making_another(checkout: Path, server: Path) -> None:
    refresh.refresh(tell(checkout, "numpy==1.1\n"))
    refresh.refresh(tell(checkout, "numpy==1.2\n"))
    assert list_branches(server) == ["refs/heads/main", BRANCH]
    assert git(server, "show", f"{BRANCH}:{LOCK}") == "numpy==1.2"
    assert git(server, "rev-list", "--count", BRANCH) == "2"
    assert len(list_pushes(server)) == 2


def test_the_same_refresh_pushes_nothing(checkout: Path, server: Path) -> None:
    refresh.refresh(tell(checkout, "numpy==1.1\n"))
    first = git(server, "rev-parse", BRANCH)
    refresh.refresh(tell(checkout, "numpy==1.1\n"))
    assert git(server, "rev-parse", BRANCH) == first and len(list_pushes(server)) == 1


def test_nothing_happens_without_a_change(checkout: Path, server: Path) -> None:
    built: list[str] = []
    assert refresh.refresh(tell(checkout, build=lambda: built.append("built"))) == 0
    assert list_branches(server) == ["refs/heads/main"] and not list_pushes(server) and not built


def test_the_open_merge_request_is_closed_when_nothing_is_left(checkout: Path, server: Path) -> None:
    refresh.refresh(tell(checkout, "numpy==1.1\n"))
    said: list[str] = []
    assert refresh.refresh(tell(checkout, say=said.append)) == 0
    assert list_branches(server) == ["refs/heads/main"] and "closed" in said[-1]


def test_a_failed_proof_makes_a_draft_that_says_why(checkout: Path, server: Path) -> None:
    def build() -> None:
        raise PracticumError("make ci-build", "3 passed, 1 failed, 0 skipped")

    assert refresh.refresh(tell(checkout, "numpy==1.1\n", build=build)) == 1
    (options,) = list_pushes(server)
    assert f"merge_request.title=Draft: Refresh {SEMESTER}: minor" in options
    assert any("make ci-build: 3 passed, 1 failed" in each and "| numpy" in each for each in options)
    assert refresh.refresh(tell(checkout, "numpy==1.1\n")) == 0, "when it is green again, it is no draft any more"


def test_a_lock_that_fails_proposes_nothing(checkout: Path, server: Path) -> None:
    def lock() -> None:
        raise PracticumError("make lock", "no wheel")

    with pytest.raises(PracticumError, match="no wheel"):
        refresh.refresh(tell(checkout, lock=lock))
    assert list_branches(server) == ["refs/heads/main"] and git(checkout, "branch", "--show-current") == "main"


def test_policy_none_does_not_even_look(checkout: Path) -> None:
    assert refresh.refresh(tell(checkout, "numpy==1.1\n", policy="none")) == 0
    assert (checkout / LOCK).read_text() == "numpy==1.0\n"


def test_an_unknown_policy_and_a_changed_checkout_are_refused(checkout: Path) -> None:
    with pytest.raises(PracticumError, match="known: none, security, minor"):
        refresh.refresh(tell(checkout, policy="all"))
    (checkout / LOCK).write_text("by hand\n")
    with pytest.raises(PracticumError, match="git stash"):
        refresh.refresh(tell(checkout, "numpy==1.1\n"))
    assert (checkout / LOCK).read_text() == "by hand\n"


@pytest.mark.parametrize("open_number, draft", [("", ""), ("", "red"), ("7", ""), ("7", "red")])
def test_github_has_one_pull_request(
    open_number: str, draft: str, checkout: Path, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gh is a stand-in, which needs the hosted service; git is the real one."""
    stub = tmp_path / "bin/gh"
    stub.parent.mkdir()
    stub.write_text(
        f'#!/bin/bash\nprintf "%q " "$@" >>{tmp_path}/asked; echo >>{tmp_path}/asked\n'
        f'[[ $2 != list ]] || echo "{open_number}"\n[[ $GH_TOKEN == secret ]]\n'
    )
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:{os.environ['PATH']}")
    proposal = propose.Proposal("refresh/x", "Refresh x", "table", draft=draft)
    propose.propose(proposal, "HEAD", propose.Host("github", "origin", "secret"), checkout)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "refs/heads/refresh/x" in list_branches(server) and list_pushes(server) == [[""]]
    assert [line.split()[1] for line in asked] == (["list", "edit", "ready"] if open_number else ["list", "create"])
    assert ("--undo" in asked[-1] or "--draft" in asked[-1]) == bool(draft)


def test_builds_see_no_token() -> None:
    environ = {"PUSH_TOKEN": "secret", "GITLAB_CI": "true", "PUSH_URL": "https://git.example/course.git"}
    host = propose.take_host(environ)
    assert (host.kind, host.token) == ("gitlab", "secret") and "PUSH_TOKEN" not in environ
    assert "secret" not in " ".join(propose.push_argv(host, propose.Proposal("b", "t", "x"), "HEAD", ROOT))


def test_git_gets_its_password_from_the_environment() -> None:
    askpass = ROOT / "scripts/ci/askpass.sh"
    for prompt, answer in [("Username for 'https://x'", "x-access-token\n"), ("Password for 'https://x'", "secret\n")]:
        assert subprocess.check_output([askpass, prompt], env={"PUSH_TOKEN": "secret"}, text=True) == answer


@pytest.mark.parametrize(
    "lines, reason",
    [
        (
            ["all 12 parts", "2 passed, 1 failed, 0 skipped", "make: *** [test] Error 1"],
            "2 passed, 1 failed, 0 skipped",
        ),
        (["practicum: torch: no wheel; connect", "make: *** [ova] Error 2"], "practicum: torch: no wheel; connect"),
        (["MISSING  disk         39 GB needed", "make: *** [preflight] Error 1"], "MISSING  disk         39 GB needed"),
        (["2 passed, 0 failed, 0 skipped"], ""),
    ],
)
def test_a_draft_says_what_practicum_said(lines: list[str], reason: str) -> None:
    assert refresh.find_reason(lines) == reason


# ---- what may change -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy, expected",
    [
        ("security", ["numpy==1.26.4", "nvidia-cudnn-cu13==9.1", "torch==2.13.0", "tornado>=6.5"]),
        ("minor", ["numpy>=1.26.4,<2.dev0", "nvidia-cudnn-cu13==9.1", "torch==2.13.0", "tornado>=6.5"]),
    ],
)
def test_policy_holds_what_may_not_change(policy: str, expected: list[str]) -> None:
    found = {"torch": ["2.13.0", "2.13.0+cpu"], "numpy": ["1.26.4"], "tornado": ["6.4"], "nvidia-cudnn-cu13": ["9.1"]}
    versions = {name: [Version(each) for each in each_of] for name, each_of in found.items()}
    floors = {"tornado": Version("6.5"), "torch": Version("99")}
    assert list(holds.list_constraints(versions, floors, policy)) == expected


def test_every_package_of_the_real_locks_is_held() -> None:
    versions = holds.read_versions(ROOT / "semesters" / NEWEST)
    floors = holds.read_floors(ROOT / "semesters/security-floors.toml")
    lines = list(holds.list_constraints(versions, floors, "security"))
    assert len(lines) == len(versions) > 100
    moving = [line for line in lines if not re.search(r"==|<=", line)]
    assert not moving, "every package is at its floor or above it"


def test_uv_obeys_the_holds(tmp_path: Path) -> None:
    """With two wheels of one package in a folder, `minor` takes the newer and `security` stays."""
    import uv

    for version in ("1.0", "1.1", "2.0"):
        make_wheel(tmp_path, "small", version, files={"small.py": b""})
    chosen = {}
    for policy in ("security", "minor"):
        lines = holds.list_constraints({"small": [Version("1.0")]}, {}, policy)
        (tmp_path / "constraints.txt").write_text("\n".join(lines))
        argv = [
            uv.find_uv_bin(),
            "pip",
            "compile",
            "-",
            "--no-index",
            "--find-links",
            tmp_path,
            "--quiet",
            "--no-header",
        ]
        environment = {**os.environ, "UV_CONSTRAINT": str(tmp_path / "constraints.txt"), "UV_OFFLINE": "1"}
        told = subprocess.run(argv, input="small", env=environment, capture_output=True, text=True, check=True)
        chosen[policy] = told.stdout.split()[0]
    assert chosen == {"security": "small==1.0", "minor": "small==1.1"}
