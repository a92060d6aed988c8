"""Shutting the machine down, or the server of a container."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from course_runtime.machine import bye
from course_runtime.machine.bye import choose_server, leave, stop_server
from course_runtime.machine.machine import CourseError, Finished, Machine
from course_runtime.machine.servers import Server, list_ancestors, list_servers
from fake_machine import Fixture
from waiting import DEADLINE

FIRST, SECOND = Server(41, 8888, "/", False), Server(43, 9999, "/user/x/", True)


def test_the_student_uses_exactly_the_command_that_sudoers_allows(booted: Fixture) -> None:
    booted.path("/run/systemd/system").mkdir(parents=True)
    leave(booted.machine, is_root=False)
    assert booted.system.asked[-1] == ["sudo", "-n", "/usr/bin/systemctl", "poweroff"]
    leave(booted.machine, is_root=True)
    assert booted.system.asked[-1] == ["/usr/bin/systemctl", "poweroff"]


def test_a_refusal_is_said(booted: Fixture) -> None:
    booted.path("/run/systemd/system").mkdir(parents=True)
    booted.system.answers["sudo"] = Finished(1, "sudo: a password is required\n")
    with pytest.raises(CourseError, match="a password is required"):
        leave(booted.machine, is_root=False)


def test_a_container_without_a_server_says_how_to_stop_it(
    booted: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    asked = len(booted.system.asked)
    with pytest.raises(CourseError, match="docker stop"):
        leave(booted.machine, is_root=False)
    assert len(booted.system.asked) == asked


def test_the_server_in_which_it_was_typed_is_the_one_that_stops() -> None:
    assert choose_server([FIRST, SECOND], [50, 43, 1]) == SECOND
    assert choose_server([FIRST], [50, 1]) == FIRST


def test_several_servers_are_named() -> None:
    with pytest.raises(CourseError, match="jupyter server stop PORT") as caught:
        choose_server([FIRST, SECOND], [50, 1])
    assert FIRST.url in str(caught.value) and SECOND.url in str(caught.value)


def test_ancestors_are_those_of_the_kernel() -> None:
    ancestors = list_ancestors(Machine(), os.getpid())
    assert ancestors[:2] == [os.getpid(), os.getppid()]


def test_a_keeper_is_stopped_instead_of_the_server_that_it_would_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid, parent, words in (
        (41, 7, b"jupyter-lab\0"),
        (7, 1, b"/usr/bin/python3\0/usr/local/bin/start-notebook.py\0"),
    ):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/status").write_text(f"Name:\tx\nPPid:\t{parent}\n")
        (tmp_path / f"proc/{pid}/cmdline").write_bytes(words)
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(bye.os, "kill", lambda pid, number: killed.append((pid, number)))
    stop_server(Machine(root=tmp_path), FIRST)
    (tmp_path / "proc/7/cmdline").write_bytes(b"/usr/bin/tini\0")
    stop_server(Machine(root=tmp_path), FIRST)
    assert killed == [(7, signal.SIGTERM), (41, signal.SIGTERM)]


def test_a_real_server_is_found_and_ends_in_good_order(tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: none is stopped here")
    from lab_server import Lab

    with Lab(tmp_path, cold=True) as lab:  # it is found by the words of its command line
        (server,) = list_servers(Machine(), {"JUPYTER_RUNTIME_DIR": str(lab.runtime)})
        assert (server.pid, server.port, server.base, server.secure) == (lab.process.pid, lab.port, "/", False)
        code = (
            "from course_runtime.machine import bye, machine, servers\n"
            "found = servers.list_servers(machine.Machine())\n"
            "bye.stop_server(machine.Machine(), bye.choose_server(found, []))"
        )
        source = Path(bye.__file__).parents[2]
        environ = {**os.environ, "PYTHONPATH": str(source), "JUPYTER_RUNTIME_DIR": str(lab.runtime)}
        done = subprocess.run([sys.executable, "-c", code], env=environ, text=True, capture_output=True, check=True)
        assert done.stdout == f"Goodbye: JupyterLab at http://127.0.0.1:{lab.port}/ stops now.\n"
        assert lab.process.wait(DEADLINE) == 0, "it ended by itself: nothing had to kill it"
        assert lab.read_log().count("received signal 15, stopping") == 1
        assert list_servers(Machine(), {"JUPYTER_RUNTIME_DIR": str(lab.runtime)}) == []
