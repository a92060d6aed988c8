"""Publishing by rsync: to a daemon on 127.0.0.1, and through a shell in the place of ssh."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from publishing import publish_and_kill
from small_release import make_content_release, make_key, make_release, snapshot
from survivors import wait_until

from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release.publish import check_target, publish
from practicum.release.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")]

CONFIG = """\
use chroot = no
address = 127.0.0.1
pid file = {folder}/pid
log file = {folder}/log
[course]
path = {folder}/there
read only = no
{user}
"""
SHELL = '#!/bin/sh\nshift\nexec sh -c "$*"\n'  # what ssh does, without another machine: drop the host, run the rest


@pytest.fixture(params=["daemon", "shell"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the target; its folder is tmp_path/there."""
    (tmp_path / "there").mkdir()
    if request.param == "shell":
        (tmp_path / "shell").write_text(SHELL)
        (tmp_path / "shell").chmod(0o755)
        monkeypatch.setenv("RSYNC_RSH", str(tmp_path / "shell"))
        yield f"course:{tmp_path}/there"
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = "uid = root\ngid = root" if os.geteuid() == 0 else ""
    (tmp_path / "rsyncd.conf").write_text(CONFIG.format(folder=tmp_path, user=user))
    words = ["rsync", "--daemon", "--no-detach", f"--port={port}", f"--config={tmp_path}/rsyncd.conf"]
    daemon = subprocess.Popen(words)
    try:
        wait_until(lambda: _answers(port) or daemon.poll() is not None)
        yield f"rsync://127.0.0.1:{port}/course"
    finally:
        daemon.terminate()
        daemon.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def shown(folder: Path) -> str:
    name = folder / "2027-spring"
    return name.readlink().name if name.is_symlink() else (name / "latest").read_text().strip()


@pytest.mark.parametrize("point", ["1", "show"])
def test_a_kill_leaves_the_old_release_and_the_next_run_goes_on(
    target: str, releases: list[Path], tmp_path: Path, console: Console, point: str
) -> None:
    there = tmp_path / "there"
    publish(releases[0], target, console, unsigned=True)
    assert shown(there) == "2027-spring-r1"
    publish_and_kill(releases[1], target, point)
    assert shown(there) == "2027-spring-r1"

    assert publish(releases[1], target, console, unsigned=True)[1] == "2027-spring shows 2027-spring-r2 now"
    assert shown(there) == "2027-spring-r2"
    verify(str(there / "2027-spring-r2"), there, unsigned=True)

    before = snapshot(there)
    assert "already" in publish(releases[1], target, console, unsigned=True)[1]
    assert "which is newer" in publish(releases[0], target, console, unsigned=True)[1]
    assert snapshot(there) == before


def test_another_content_is_refused(target: str, releases: list[Path], tmp_path: Path, console: Console) -> None:
    publish(releases[0], target, console, unsigned=True)
    before = snapshot(tmp_path / "there")
    make_release(tmp_path / "again", 1, seed="another")
    with pytest.raises(PracticumError, match=r"is there with another content"):
        publish(tmp_path / "again", target, console, unsigned=True)
    assert snapshot(tmp_path / "there") == before


def test_folder_on_the_other_side_is_looked_for_before_a_build(target: str, tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys")
    check_target(target, key)
    assert not list((tmp_path / "there").iterdir())
    with pytest.raises(PracticumError, match="make the folder, until this works: rsync --list-only"):
        check_target(f"{target}/none", key)


def test_a_folder_that_is_not_there(target: str, releases: list[Path], console: Console) -> None:
    with pytest.raises(PracticumError, match=r"make the folder, until this works: rsync --list-only "):
        publish(releases[0], f"{target}/none", console, unsigned=True)


def test_content_releases(target: str, tmp_path: Path, console: Console) -> None:
    key, there = make_key(tmp_path / "keys"), tmp_path / "there/2027-spring-content"
    folders = [make_content_release(tmp_path / f"content{number}", number, key) for number in (1, 2)]
    assert publish(folders[0], target, console) == [f"{target}: 2027-spring-content shows content release 1 now"]
    publish_and_kill(folders[1], target, "show")
    assert (there / "content.json").read_bytes() == (folders[0] / "content.json").read_bytes()
    publish(folders[1], target, console)
    assert (there / "content.json").read_bytes() == (folders[1] / "content.json").read_bytes()
    assert len([*there.glob("*.tar.gz")]) == 2

    before = snapshot(there)
    assert "shows content release 2 already" in publish(folders[1], target, console)[0]
    assert "still shows content release 2, which is newer" in publish(folders[0], target, console)[0]
    again = make_content_release(tmp_path / "again", 2, key, seed="another")
    with pytest.raises(PracticumError, match=r"content release 2 of 2027-spring: is there with another content; raise"):
        publish(again, target, console)
    assert snapshot(there) == before
