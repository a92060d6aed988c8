"""course-kernels, the machine's list of its whole kernels: right after each change, good wherever one is cut."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from grub_script import check_grub_script
from survivors import HANG

FILES = Path(__file__).parents[1] / "ansible" / "roles" / "appliance" / "files" / "kernel"
PROGRAM = FILES / "usr" / "local" / "sbin" / "course-kernels"
HOOKS = FILES / "etc" / "kernel"

OLD, NEW, NEWEST = "6.1.0-9-amd64", "6.1.0-57-amd64", "6.1.0-100-amd64"
SECTOR = 512
CALLED = ("sed", "sort", "mkdir", "sync", "dd")
"""The programs that it calls, in this order."""


class Machine:
    """The folder /boot of a machine, and its own course-kernels."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.boot, self.programs = place / "boot", place / "bin"
        self.list_file = self.boot / "grub" / "kernels.cfg"
        self.boot.mkdir()
        self.programs.mkdir()
        text = PROGRAM.read_text()
        assert text.count("\nboot=/boot\n") == 1
        self.program = place / "course-kernels"
        self.program.write_text(text.replace("\nboot=/boot\n", f"\nboot={self.boot}\n"))
        self.program.chmod(0o755)

    def make_kernel(self, version: str, *, initrd: str = "initrd") -> None:
        (self.boot / f"vmlinuz-{version}").write_text("kernel")
        (self.boot / f"initrd.img-{version}").write_text(initrd)

    def remove_kernel(self, version: str) -> None:
        for stem in ("vmlinuz", "initrd.img"):
            (self.boot / f"{stem}-{version}").unlink()

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.program, *arguments],
            env={"PATH": f"{self.programs}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG,
            start_new_session=True,  # a stand-in kills its whole group
        )

    def change(self, *arguments: str) -> str:
        """Run it, which must not fail; what it says."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def stand_in(self, name: str, script: str) -> None:
        """Let `script`, in which $real is the program itself, run instead of a program."""
        real = shutil.which(name)
        assert real
        (self.programs / name).write_text(f"#!/bin/sh\nreal={real}\n{script}\n")
        (self.programs / name).chmod(0o755)

    @property
    def kernels(self) -> list[str]:
        match = re.fullmatch(r'set kernels="(.*)" *\n', self.list_file.read_text())
        assert match, self.list_file.read_text()
        return match[1].split()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine with one kernel, as it is handed out."""
    machine = Machine(tmp_path)
    machine.make_kernel(OLD)
    machine.change("add", OLD)
    return machine


def test_the_build_makes_the_first_list(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.make_kernel(OLD)
    assert machine.change("add", OLD) == ""
    assert machine.kernels == [OLD]
    check_grub_script(machine.list_file.read_text(), tmp_path)


def test_newest_comes_first_whatever_was_added_last(machine: Machine) -> None:
    for version in (NEWEST, NEW, OLD):
        machine.make_kernel(version)
        machine.change("add", version)
    assert machine.kernels == [NEWEST, NEW, OLD]


def test_a_kernel_leaves_the_list_before_its_files_go(machine: Machine) -> None:
    machine.make_kernel(NEW)
    machine.change("add", NEW)
    machine.change("drop", NEW)
    assert machine.kernels == [OLD]
    machine.change("drop", OLD)
    assert machine.kernels == []
    check_grub_script(machine.list_file.read_text(), machine.place)


def test_a_listed_kernel_whose_files_are_gone_is_forgotten(machine: Machine) -> None:
    machine.make_kernel(NEW)
    machine.remove_kernel(OLD)
    machine.change("add", NEW)
    assert machine.kernels == [NEW]


def test_a_kernel_whose_upgrade_was_cut_is_left_out(machine: Machine) -> None:
    """Its files may be there and yet not whole; another kernel's hook must not take it."""
    machine.make_kernel(NEWEST)
    machine.make_kernel(NEW)
    machine.change("add", NEW)
    assert machine.kernels == [NEW, OLD]


@pytest.mark.parametrize("initrd", ["", None], ids=["empty", "missing"])
def test_a_kernel_without_an_initrd_is_left_out_and_named(machine: Machine, initrd: str | None) -> None:
    machine.make_kernel(NEW, initrd=initrd or "")
    if initrd is None:
        (machine.boot / f"initrd.img-{NEW}").unlink()
    assert f"initrd.img-{NEW}" in machine.change("add", NEW)
    assert machine.kernels == [OLD]


@pytest.mark.parametrize("spoilt", ["", "\0" * SECTOR, "nonsense\n"])
def test_a_spoilt_list_is_replaced(machine: Machine, spoilt: str) -> None:
    machine.list_file.write_text(spoilt.ljust(SECTOR, "\n"))
    machine.change("add", OLD)
    assert machine.kernels == [OLD]


def test_the_list_is_one_sector_written_in_place(machine: Machine) -> None:
    """GRUB does not read the journal: a renamed or longer file would be a state that only the journal knows."""
    before = machine.list_file.stat()
    for number in range(40):
        version = f"6.1.{number}-1-a-kernel-with-a-long-name-of-a-student"
        machine.make_kernel(version)
        machine.change("add", version)
    after = machine.list_file.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, SECTOR)
    assert len(machine.kernels) > 2 and machine.kernels[0].startswith("6.1.39-")


def test_a_kernel_is_flushed_before_it_is_listed(machine: Machine) -> None:
    machine.make_kernel(NEW)
    listed = machine.place / "listed-at-sync"
    machine.stand_in("sync", f'echo "$@" >>{listed}; cat {machine.list_file} >>{listed}; exec $real "$@"')
    machine.change("add", NEW)
    assert listed.read_text().split() == ["-f", str(machine.boot), "set", f'kernels="{OLD}"']
    assert machine.kernels == [NEW, OLD]


def test_it_calls_no_program_that_the_cuts_leave_out(machine: Machine) -> None:
    calls = machine.place / "calls"
    for name in CALLED:
        machine.stand_in(name, f'echo {name} >>{calls}; exec $real "$@"')
    machine.change("add", OLD)
    assert calls.read_text().split() == list(CALLED)


@pytest.mark.parametrize("script", ['kill -KILL 0; $real "$@"', '$real "$@"; kill -KILL 0'], ids=["before", "after"])
@pytest.mark.parametrize("called", CALLED)
def test_a_cut_leaves_the_old_or_the_new_list(machine: Machine, called: str, script: str) -> None:
    machine.make_kernel(NEW)
    machine.stand_in(called, script)
    assert machine.run("add", NEW).returncode != 0
    is_written = (called, script[0]) == ("dd", "$")
    assert machine.kernels == ([NEW, OLD] if is_written else [OLD])
    (machine.programs / called).unlink()
    machine.change("add", NEW)  # dpkg --configure -a
    assert machine.kernels == [NEW, OLD]


@pytest.mark.parametrize("called", ["sort", "sync", "dd"])
def test_a_step_that_fails_leaves_the_old_list_and_is_told(machine: Machine, called: str) -> None:
    machine.make_kernel(NEW)
    machine.stand_in(called, "exit 1")
    assert machine.run("add", NEW).returncode != 0
    assert machine.kernels == [OLD]


@pytest.mark.parametrize("arguments", [(), ("add",), ("remove", OLD), ("add", OLD, NEW)])
def test_other_arguments_are_refused(machine: Machine, arguments: tuple[str, ...]) -> None:
    done = machine.run(*arguments)
    assert (done.returncode, machine.kernels) == (2, [OLD])
    assert "usage: course-kernels add|drop VERSION" in done.stderr


@pytest.mark.parametrize(("folder", "verb"), [("postinst.d", "add"), ("prerm.d", "drop")])
def test_hooks_are_called_last(folder: str, verb: str) -> None:
    (hook,) = (HOOKS / folder).iterdir()
    assert os.access(hook, os.X_OK) and os.access(PROGRAM, os.X_OK)
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", hook.name), "run-parts passes over other names"
    assert hook.name > "initramfs-tools", "the hook that writes the initrd comes first"
    assert hook.read_text().splitlines()[-1] == f'exec /{PROGRAM.relative_to(FILES)} {verb} "$1"'


def test_hooks_are_there_before_the_kernel() -> None:
    """Its package calls them in the build, too."""
    tasks = (FILES.parents[1] / "tasks" / "main.yml").read_text()
    assert 0 < tasks.index("files/kernel/") < tasks.index("tasks_from: packages")
