"""scripts/reproduce.py: which commands run elsewhere, and that a second docker leaves the machine's own alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from practicum.engine import tools

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from reproduce import list_commands, second_docker
from survivors import HANG


@pytest.mark.parametrize(
    ("wanted", "arch", "commands"),
    [
        (["ova"], [], [["ova"]]),
        (["ova", "cpu"], [], [["ova"], ["archive", "--product=cpu"]]),
        (["cuda"], [], [["archive", "--product=cuda"]]),
        (["ova", "cpu"], ["--arch=all"], [["ova", "--arch=all"], ["archive", "--product=cpu", "--arch=all"]]),
    ],
)
def test_each_product_is_built_once(wanted: list[str], arch: list[str], commands: list[list[str]]) -> None:
    assert list_commands(wanted, arch) == commands


def list_interfaces() -> set[str]:
    return set(os.listdir("/sys/class/net"))  # noqa: PTH208 - names, not paths


@pytest.mark.skipif(os.geteuid() != 0 or not tools.find("dockerd"), reason="a docker daemon of its own needs root")
def test_second_docker_answers_and_leaves_the_network_alone(tmp_path: Path) -> None:
    """A daemon without a bridge removes docker0, on which the machine's own docker sits."""
    before = list_interfaces()
    with second_docker(tmp_path / "docker") as host:
        asked = ["docker", "--host", host, "image", "ls", "--quiet"]
        told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=HANG)
        assert told.stdout == "", "it has no images yet"
        assert list_interfaces() == before
    assert subprocess.run(asked, capture_output=True, timeout=HANG).returncode
    assert list_interfaces() == before
