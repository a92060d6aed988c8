"""The appliance's tree, asked in a container: what needs the files of its system, but no machine that booted.

An emulated processor takes ten times as long.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from practicum.architecture import Architecture
from practicum.engine import stages
from practicum.semester.description import Semester
from practicum.wheels.debian_lock import read_debian
from smoke_tests.appliance.tree import find_tree
from smoke_tests.bytecode import LIST_DATED
from smoke_tests.container.docker import Container, idle

REACHABLE = 10
"""Seconds for a connection to an archive: where there is no network, nothing answers."""

TORCH_CHECKS = {"torch works", "gpu", "torch", "torchvision", "jupyterlab", "numpy"}
SOURCES = "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true"


@pytest.fixture(scope="module")
def tree(semester: Semester, architecture: Architecture) -> Iterator[Container]:
    """On this machine's own network, as a machine of the emulator is."""
    with idle(find_tree(semester, architecture), "--network=host") as container:
        yield container


def test_debian_packages_are_those_of_the_build(
    tree: Container, semester: Semester, architecture: Architecture
) -> None:
    """The build's own record counts: debian.lock is older, and Debian's mirror serves only what is current."""
    record = stages.last_output(semester.id, f"appliance{architecture.suffix}")
    if record is None:
        pytest.skip("the cache has no record of the build of this appliance")
    shown = tree.exec(["dpkg-query", "--show", "--showformat=${Package}=${Version}\\n"]).stdout
    found = dict(line.split("=", 1) for line in shown.splitlines())
    assert found == read_debian(record / "debian.txt")


def test_the_boot_finds_the_keymap_compiled(tree: Container, semester: Semester) -> None:
    """As Debian's console-setup.service asks; to compile it again takes an emulated processor half a minute.

    On the disk, files that are younger than the epoch are as old as it is.
    """
    files = ["/etc/default/keyboard", "/etc/default/console-setup", "/etc/console-setup/cached_setup_terminal.sh"]
    told = tree.exec(["stat", "--format=%Y", *files]).stdout.split()
    *dates, made = (min(int(seconds), semester.epoch) for seconds in told)
    assert made > max(dates)


def test_compiled_python_holds_no_times(tree: Container) -> None:
    """They would differ at each build, and be stale once the files of the disk are dated."""
    assert tree.exec(["/usr/bin/python3", "-c", LIST_DATED]).stdout == ""


def test_the_boot_loads_the_large_font(tree: Container) -> None:
    tree.exec(["grep", "-q", "Uni2-Terminus32x16", "/etc/console-setup/cached_setup_font.sh"])
    assert tree.exec("ls /etc/console-setup/cached_*.psf.gz").stdout.splitlines() == [
        "/etc/console-setup/cached_Uni2-Terminus32x16.psf.gz"
    ]


def test_only_fonts_that_the_window_may_show_are_there(tree: Container) -> None:
    fonts = tree.exec("ls /usr/share/consolefonts").stdout.split()
    assert "Uni2-Terminus32x16.psf.gz" in fonts
    assert {font.split("-")[1][:8] for font in fonts} == {"Terminus"} and len(fonts) < 60, fonts


def test_torch_works_to_the_doctor(tree: Container) -> None:
    """The other checks ask for the machine's services, of which none runs here."""
    told = json.loads(tree.exec(["course-doctor", "--json"], check=False).stdout)
    found = {check["name"]: check["status"] for check in told["checks"] if check["name"] in TORCH_CHECKS}
    assert found == dict.fromkeys(TORCH_CHECKS, "ok"), told


VISION = """
import torch, torchvision
from torchvision.transforms import v2
print(torch.__version__, torchvision.__version__, torch.version.cuda, *v2.Resize(8)(torch.zeros(3, 16, 16)).shape)
"""


def test_torchvision_works(tree: Container, semester: Semester, architecture: Architecture) -> None:
    told = tree.exec(["/opt/venv/bin/python", "-c", VISION], user=semester.appliance.user).stdout
    wanted = (*semester.python.requires, *semester.list_pins(architecture))
    pins = dict(pin.split("==") for pin in wanted if "==" in pin)
    torch, torchvision, cuda, *shape = told.split()
    assert (torch.split("+")[0], torchvision.split("+")[0]) == (pins["torch"], pins["torchvision"])
    assert (cuda, shape) == ("None", ["3", "8", "8"]), "the appliance carries the CPU build"


def test_matplotlib_finds_its_list_of_fonts(tree: Container, semester: Semester) -> None:
    """It logs a line when it has to make one."""
    code = (
        "import logging; logging.basicConfig(level='INFO'); from pathlib import Path\n"
        "from course_runtime.files.fonts import seed_font_list; seed_font_list(Path('/tmp/home'))\n"
        "import matplotlib.pyplot; print(*Path('/tmp/home').rglob('*.json'))"
    )
    command = 'mkdir $HOME && /opt/venv/bin/python -c "$CODE" 2>&1'
    told = tree.exec(command, semester.appliance.user, environment={"HOME": "/tmp/home", "CODE": code}).stdout
    assert re.fullmatch(r"/tmp/home/\.cache/matplotlib/fontlist-\S+\.json", told.strip()), told


def test_packages_can_be_installed(tree: Container) -> None:
    """The trimmed system is still a Debian: its archive is asked, a package installed, run and removed."""
    addresses = set(re.findall(r"https?://[^\s]+", tree.exec(SOURCES).stdout))
    assert addresses, "apt in the appliance has no source"
    for address in sorted(addresses):
        parts = urlsplit(address)
        try:
            socket.create_connection((parts.hostname, parts.port or 80), timeout=REACHABLE).close()
        except OSError as error:
            pytest.skip(f"the Debian archive of the appliance cannot be reached from this machine: {error}")
    tree.exec(["apt-get", "update", "-q"])
    tree.exec(["apt-get", "install", "-y", "-q", "hello"])
    assert tree.exec(["hello"]).stdout == "Hello, world!\n"
    tree.exec("apt-get purge -y -q hello && apt-get clean && rm -rf /var/lib/apt/lists/*")
    assert tree.exec("command -v hello", check=False).stdout == ""
