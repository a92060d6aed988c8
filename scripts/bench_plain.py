"""The plain Dockerfile that a person would write by hand for the packages of a container image, built to compare."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench_base import ROOT, Bench

from practicum.engine import run
from practicum.engine.progress import Console
from practicum.semester.description import Semester
from practicum.semester.locks import Variant, find_lock
from practicum.wheels import wheelhouse
from smoke_tests.container.docker import inspect
from smoke_tests.waiting import wait_until

DOCKERFILE = ROOT / "scripts/plain.Dockerfile"
LABELLED = ("--filter", "label=org.opencontainers.image.title=practicum-plain")


@dataclass(frozen=True)
class Plain:
    """What came of it: unpacked bytes, and the seconds of `docker build`."""

    size: int
    seconds: float


class QuietHandler(SimpleHTTPRequestHandler):
    """Hands out the files of a folder and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        with suppress(ConnectionError):  # whoever asked was stopped
            super().copyfile(source, outputfile)


def build_plain(bench: Bench, semester: Semester, kind: Variant, base: str, home: Path) -> Plain:
    """Build it from the image `base` and the wheels in the cache at `home`; leave no image."""
    house = wheelhouse.prepare(find_lock(semester, kind), home / "practicum", Console())
    context, tag = bench.work / f"plain-{kind}", f"practicum-plain:{kind}"
    context.mkdir()
    shutil.copy(DOCKERFILE, context / "Dockerfile")
    (context / "requirements.txt").write_text(list_pins(house.requirements.read_text()))
    try:
        with serve(house.folder) as url:
            argv = build_argv(context, tag, list_arguments(semester, base, url))
            # The classic builder is in every docker.
            seconds = bench.run(*argv, name=f"plain-{kind}", env={"DOCKER_BUILDKIT": "0"})
        return Plain(inspect(tag)["Size"], seconds)
    finally:
        remove_plain(tag)


def list_arguments(semester: Semester, base: str, wheels: str) -> dict[str, str]:
    """Return what the Dockerfile asks for."""
    return {"BASE": base, "DEBIAN_PACKAGES": " ".join(semester.debian.packages), "WHEELS": wheels}


def build_argv(context: Path, tag: str, arguments: dict[str, str]) -> list[str]:
    """Return the command; the wheels come from this machine's loopback, which a network of docker's own cannot see."""
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    return ["docker", "build", "--no-cache", "--force-rm", "--network=host", *given, f"--tag={tag}", str(context)]


def list_pins(requirements: str) -> str:
    """Return the lines of a requirements file without their hashes."""
    return "".join(f"{line.split()[0]}\n" for line in requirements.splitlines() if line.strip())


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback, as `python -m http.server` does, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def remove_plain(tag: str) -> None:
    """Remove the image, and what a build that was stopped has left: its container goes by itself, soon."""
    wait_until(lambda: not ask("ps", "--all", "--quiet", *LABELLED), "the end of the build's container", 60)
    if ask("image", "ls", "--quiet", tag):
        ask("image", "rm", "--force", tag)
    ask("image", "prune", "--force", *LABELLED)


def ask(*arguments: str) -> str:
    return run.read(["docker", *arguments], step="plain", timeout=300).strip()
