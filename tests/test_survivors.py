"""The eyes and the hands of the tests that interrupt builds: they see what is left, and hold a program."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from held_programs import HeldPrograms
from survivors import MARK, listeners_of, marked_processes, wait_until


def test_listener_off_loopback_would_be_seen() -> None:
    mark = uuid.uuid4().hex
    script = (
        "import socket, sys\n"
        "held = [socket.create_server((host, 0), family=family) for host, family in"
        " (('127.0.0.1', socket.AF_INET), ('0.0.0.0', socket.AF_INET))]\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, MARK: mark}, stdin=subprocess.PIPE
    ) as child:
        try:
            wait_until(lambda: listeners_of(mark) == {"127.0.0.1", "0.0.0.0"})
        finally:
            child.kill()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeldPrograms:
    programs = HeldPrograms(tmp_path / "bin")
    programs.make()
    monkeypatch.setenv("PATH", f"{programs.folder}:{os.environ['PATH']}")
    return programs


def test_held_program_runs_for_real_and_never_ends(tmp_path: Path, programs: HeldPrograms) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "file").touch()
    programs.hold("tar", "held.tar")
    subprocess.run(["tar", "--create", "--file", "other.tar", "file"], cwd=tmp_path, check=True)
    assert not programs.is_held("tar")
    argv = ["tar", "--create", "--file", "held.tar", "--files-from", "-"]
    with subprocess.Popen(argv, cwd=tmp_path, env={**os.environ, MARK: mark}, stdin=subprocess.PIPE) as held:
        assert held.stdin
        held.stdin.write(b"file\n")
        held.stdin.close()
        wait_until((tmp_path / "held.tar").exists)
        wait_until(lambda: len(marked_processes(mark)) == 1, pause=0.1)  # the real one has ended, what holds is left
        assert programs.is_held("tar") and held.poll() is None
        held.kill()
    programs.let_go()
    subprocess.run(argv, cwd=tmp_path, input=b"file\n", check=True)
    assert len(programs.list_calls("tar")) == 3


def test_containers_of_a_build_get_the_cgroup_of_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "docker"
    client.write_text('#!/bin/sh\necho "$*"\n')
    client.chmod(0o755)
    monkeypatch.setattr("held_programs.declared_client", lambda: client)
    programs = HeldPrograms(tmp_path / "bin")
    programs.make()
    told = {}
    for cgroup in ("", "the-part"):
        for verb in ("run", "create", "exec"):
            argv = [programs.folder / "docker", verb, "--rm", "two words"]
            environment = {**os.environ, "PROOF_CGROUP": cgroup}
            told[verb, cgroup] = subprocess.check_output(argv, text=True, env=environment)
    assert told == {
        ("run", ""): "run --rm two words\n",
        ("create", ""): "create --rm two words\n",
        ("exec", ""): "exec --rm two words\n",
        ("run", "the-part"): "run --cgroup-parent=the-part --rm two words\n",
        ("create", "the-part"): "create --cgroup-parent=the-part --rm two words\n",
        ("exec", "the-part"): "exec --rm two words\n",
    }
