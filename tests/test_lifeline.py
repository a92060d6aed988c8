"""Whatever ends the builder ends its containers, also those that were created and never started."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from survivors import HANG, is_free, wait_until

from practicum.engine.errors import PracticumError
from practicum.images.docker import ensure_docker
from practicum.images.lifetime import hold_alive

HOLDER = (
    "import sys\nfrom pathlib import Path\nfrom practicum.images.lifetime import hold_alive\n"
    "with hold_alive(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
)


def docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def image() -> Iterator[str]:
    try:
        ensure_docker()
    except PracticumError as error:
        pytest.skip(str(error))
    name = f"practicum-test:{uuid.uuid4().hex[:12]}"
    subprocess.run(["docker", "import", "-", name], input=bytes(10240), check=True, capture_output=True)  # an empty tar
    yield name
    docker("image", "rm", "--force", name)


def create_container(image: str, work: Path) -> str:
    return docker("create", "--rm", "--volume", f"{work / 'alive'}:/run/alive:ro", image, "/bin/true")


def test_lock_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    assert not is_free(tmp_path / "alive")
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=HANG)
    wait_until(lambda: is_free(tmp_path / "alive"))


def test_container_that_never_started_goes_with_a_killed_holder(image: str, tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    container = create_container(image, tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=HANG)
    wait_until(lambda: not docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={container}"), pause=0.2)


def test_container_that_never_started_goes_with_a_failed_build(image: str, tmp_path: Path) -> None:
    containers = []
    with pytest.raises(KeyboardInterrupt), hold_alive(tmp_path):
        containers.append(create_container(image, tmp_path))
        raise KeyboardInterrupt
    wait_until(lambda: not docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={containers[0]}"), pause=0.2)
