"""practicum.semester.revision: the commit that is built, in real repositories."""

import os
import subprocess
from pathlib import Path

import pytest

from practicum.semester.revision import Revision, read_revision


def git(folder: Path, *arguments: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@t",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@t",
    }
    dates = {"GIT_AUTHOR_DATE": "2026-11-25T10:00:00+0200", "GIT_COMMITTER_DATE": "2026-11-25T12:00:00+0200"}
    argv = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(argv, env={**os.environ, **identity, **dates}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("1\n")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def test_commit_is_named_with_its_own_date(repository: Path) -> None:
    revision = read_revision(repository)
    assert revision == Revision(git(repository, "rev-parse", "HEAD"), "2026-11-25T10:00:00Z")
    assert revision.label == revision.full


@pytest.mark.parametrize("change", ["file", "new"])
def test_changed_files_are_told(repository: Path, change: str) -> None:
    (repository / change).write_text("2\n")
    revision = read_revision(repository)
    assert revision.dirty and revision.label == f"{revision.full}-dirty"


@pytest.mark.parametrize("kind", ["releases", "content"])
def test_record_of_a_release_changes_no_product(repository: Path, kind: str) -> None:
    record = repository / f"semesters/2027-spring/{kind}/1.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}\n")
    assert not read_revision(repository).dirty
    (record.parents[1] / "semester.toml").touch()
    assert read_revision(repository).dirty


def test_folder_without_git_is_unknown(tmp_path: Path) -> None:
    assert read_revision(tmp_path).label == "unknown-dirty"


def test_folder_inside_another_repository_is_unknown(repository: Path) -> None:
    inside = repository / "inside"
    inside.mkdir()
    assert read_revision(inside).full == "unknown"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to somebody else")
def test_root_reads_what_a_user_cloned(repository: Path) -> None:
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 12345, 12345)
    assert read_revision(repository).full != "unknown"
