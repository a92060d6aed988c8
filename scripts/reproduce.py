"""reproduce.py [SEMESTER]: builds the products of dist/ a second time, elsewhere, and compares their bytes.

Elsewhere is another folder, umask, time zone and language, an empty cache, and a docker daemon of its own. That build
has no network: it gets the file that `practicum inputs` writes. PRODUCTS names the products: ova, cpu, cuda. ARCH names
their architecture, or is "all", as for make.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from practicum import cli
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.find import find_semester
from practicum.semester.locks import Variant

ELSEWHERE = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "LANG": "fr_CH.UTF-8"}
UMASK = 0o077
PATIENCE = 60
"""Seconds that the daemon may take to answer."""


def dockerd_argv(folder: Path, run: Path) -> list[str]:
    """Return the command of a docker daemon that has its data in `folder` and answers at `run`/socket.

    It has a network namespace of its own: a daemon without a bridge removes the bridge of the machine's own docker.
    """
    return [
        "setpriv", "--pdeathsig", "TERM", "unshare", "--net",
        "dockerd", f"--host=unix://{run}/socket", f"--data-root={folder}", f"--exec-root={run}/exec",
        f"--pidfile={run}/pid", "--bridge=none", "--iptables=false",
    ]  # fmt: skip


@contextmanager
def second_docker(folder: Path) -> Iterator[str]:
    """Give the address of a docker daemon with its data in the new `folder`, which ends with the block."""
    folder.mkdir()
    # The path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="docker-") as run:
        log = Path(run, "log")
        with log.open("wb") as stream:
            daemon = subprocess.Popen(dockerd_argv(folder, Path(run)), stdout=stream, stderr=stream)
        try:
            host = f"unix://{run}/socket"
            wait_for_docker(daemon, host, log)
            yield host
        finally:
            daemon.terminate()
            daemon.wait(PATIENCE)


def wait_for_docker(daemon: "subprocess.Popen[bytes]", host: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    asked = ["docker", "--host", host, "version"]
    while subprocess.run(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        if daemon.poll() is not None or time.monotonic() > deadline:
            said = " ".join(log.read_text().splitlines()[-1:])
            raise PracticumError(
                "a second docker daemon", f"it does not answer ({said})", "see that dockerd runs as root here"
            )
        time.sleep(0.3)


def build_elsewhere(
    semester: Semester, commands: Sequence[Sequence[str]], inputs: Path, folder: Path, host: str
) -> Path:
    """Run the commands of `practicum` in a clone below `folder`; return its folder of products."""
    tree = folder / "another/place"
    subprocess.run(["git", "clone", "--quiet", semester.checkout, tree], check=True)
    program = "from practicum.cli import main; main()"
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(tree), "DOCKER_HOST": host}
    for command in commands:
        words = [sys.executable, "-c", program, *command, semester.id, f"--inputs={inputs}"]
        done = subprocess.run(words, cwd=tree, env={**os.environ, **ELSEWHERE, **own}, umask=UMASK)
        if done.returncode:
            raise PracticumError("the second build", f"it ended with exit code {done.returncode}", "see above")
    return tree / "dist" / semester.id


def list_commands(wanted: Sequence[str], arch: Sequence[str]) -> list[list[str]]:
    """Return the commands of `practicum` that build the products of `wanted`: ova, cpu, cuda.

    arch: the option that names the architectures, or nothing.
    """
    archives = [["archive", f"--product={variant}", *arch] for variant in products.VARIANTS if variant in wanted]
    return [["ova", *arch], *archives] if "ova" in wanted else archives


def reproduce(semester: Semester, wanted: Sequence[str], arch: Sequence[str] = ()) -> bool:
    """Build again and compare; return whether all products are the same. arch: as in `list_commands`."""
    variants: list[Variant] = [variant for variant in products.VARIANTS if variant in wanted] or ["cpu"]
    chosen = [f"--product={variants[0]}"] if len(variants) == 1 else []
    inputs = products.inputs_path(semester)
    practicum = [sys.executable, "-c", "from practicum.cli import main; main()"]
    subprocess.run([*practicum, "inputs", semester.id, *chosen, *arch], cwd=semester.checkout, check=True)
    folder = Path(tempfile.mkdtemp(prefix="second-", dir=cache.root()))
    try:
        with second_docker(folder / "docker") as host:
            second = build_elsewhere(semester, list_commands(wanted, arch), inputs, folder, host)
        made = sorted(path for path in second.iterdir() if path.suffix != ".sha256")
        same = all([compare(practicum, semester, file) for file in made])  # noqa: C419 - each, whatever the first says
    except PracticumError:
        print(f"{folder} is left for you to look at; remove it with: rm -rf {folder}")
        raise
    shutil.rmtree(folder)
    return same


def compare(practicum: Sequence[str], semester: Semester, second: Path) -> bool:
    """Print what differs between a product and its second build; return whether nothing does."""
    first = semester.dist / second.name
    return subprocess.run([*practicum, "compare", str(first), str(second)], cwd=semester.checkout).returncode == 0


def main() -> None:
    """Run the script; its exit code is 1 when a product differs."""
    wanted = os.environ.get("PRODUCTS", "ova cpu").split()
    semester = find_semester(sys.argv[1] if len(sys.argv) > 1 else "")
    arch = [f"--arch={name}" for name in os.environ.get("ARCH", "").split()]
    sys.exit(0 if reproduce(semester, wanted, arch) else 1)


if __name__ == "__main__":
    sys.exit(cli.exit_code_of(main))
