"""What a server killed in the middle of a save left behind is repaired before the next one starts."""

import json
import os
import time
from pathlib import Path

import pytest
from course_runtime.files.recover import recover, repair_file

NOTEBOOK = json.dumps({"cells": [], "nbformat": 4})


def run(home: Path) -> list[str]:
    return recover(home, now=time.time(), deadline=time.monotonic() + 250)


def test_a_truncated_notebook_comes_back_and_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "ee559"
    folder.mkdir()
    (folder / "a.ipynb").write_text(NOTEBOOK[:10])
    (folder / ".~a.ipynb").write_text(NOTEBOOK)
    (message,) = run(tmp_path)
    assert "a.ipynb was cut" in message
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "a.ipynb": NOTEBOOK,
        "a.ipynb.broken": NOTEBOOK[:10],
    }
    assert run(tmp_path) == []


def test_a_notebook_that_vanished_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".~a.ipynb").write_text(NOTEBOOK)
    run(tmp_path)
    assert (tmp_path / "a.ipynb").read_text() == NOTEBOOK


@pytest.mark.parametrize(("main", "copy"), [(NOTEBOOK, NOTEBOOK), (NOTEBOOK, ""), ("", ""), ("{", "{"), ("", "[]")])
def test_anything_else_is_left_as_it_is(tmp_path: Path, main: str, copy: str) -> None:
    (tmp_path / "a.ipynb").write_text(main)
    (tmp_path / ".~a.ipynb").write_text(copy)
    assert run(tmp_path) == []
    assert (tmp_path / "a.ipynb").read_text() == main
    assert (tmp_path / ".~a.ipynb").read_text() == copy


def test_stale_temporary_files_go_and_young_ones_stay(tmp_path: Path) -> None:
    for name, age in {".~old.tmp": 3600, ".~future.tmp": -3600, ".~young.tmp": 1}.items():
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / "mine.tmp").write_text("x")
    os.utime(tmp_path / "mine.tmp", (0, 0))
    run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".~young.tmp", "mine.tmp"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, home = tmp_path / "outside", tmp_path / "home"
    outside.mkdir()
    home.mkdir()
    (outside / "a.ipynb").write_text("")
    (outside / ".~a.ipynb").write_text(NOTEBOOK)
    (home / "link").symlink_to(outside)
    (home / "b.ipynb").write_text("")
    (home / ".~b.ipynb").symlink_to(outside / ".~a.ipynb")
    assert run(home) == []
    assert (outside / "a.ipynb").read_text() == ""


def test_a_large_home_does_not_delay_jupyter(tmp_path: Path) -> None:
    (message,) = recover(tmp_path, now=time.time(), deadline=time.monotonic() - 1)
    assert "large" in message


def test_trouble_with_one_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.ipynb").write_text("")
    (tmp_path / ".~a.ipynb").write_text(NOTEBOOK)

    def refuse(source: object, target: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.replace", refuse)
    assert repair_file(tmp_path / ".~a.ipynb", time.time()).endswith("Read-only file system")
