"""How long JupyterLab takes to answer in a container, against the same environment started without one."""

import os
import statistics
import time
from pathlib import Path
from subprocess import PIPE, Popen

from bench_base import LOGS, Bench, Part, require_finished, wait_for_server
from figures import Figure

from practicum.commands import build
from practicum.engine import cache, namespaces
from practicum.images.tree import export_tree
from practicum.semester import products, settings
from smoke_tests.container.docker import LABEL, docker, inspect
from smoke_tests.qemu import pick_ports

RATIO = 1.3
"""What was promised."""

ROUNDS = 9
SERVER = ("jupyter", "lab", "--no-browser", "--ServerApp.ip=127.0.0.1")
TIMEOUT = 120.0
PAUSE = 0.02

UID, GID = 1000, 100
OUTSIDE = f"""
mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && echo ready && read -r || exit
exec chroot --userspec={UID}:{GID} --groups={GID} "$@"
"""
"""Waits for a line between the mounts, in a namespace of its own, and the command: only the command is timed."""


def measure_start(bench: Bench) -> list[Figure]:
    """Both in turn, each once before it counts."""
    require_finished(products.list_image(bench.semester, "cpu"), "docker")
    image, tree = build.require_image(bench.semester, "cpu"), bench.work / "tree"
    export_tree(image, tree, bench.work)
    inside, outside = [], []
    for turn in range(1 + ROUNDS):
        outside.append(time_outside(image, tree))
        inside.append(time_container(image))
        bench.console.say(f"{turn} of {ROUNDS}: container {inside[-1]:.2f} s, outside {outside[-1]:.2f} s")
    ours, bare = statistics.median(inside[1:]), statistics.median(outside[1:])
    return [
        Figure("`docker run` of the `cpu` image, to HTTP 200", ours, "s"),
        Figure("`jupyter lab` outside a container, to HTTP 200", bare, "s"),
        Figure("the container against that", ours / bare, "ratio", RATIO),
    ]


PARTS: dict[str, Part] = {"images-start": measure_start}


def time_container(image: str) -> float:
    (port,) = pick_ports(1)
    name, log = f"practicum-bench-{os.getpid()}", LOGS / "bench-container.log"
    publish = f"--publish=127.0.0.1:{port}:{settings.JUPYTER_PORT}"
    started = time.monotonic()
    try:
        docker("run", "--detach", f"--name={name}", "--label", LABEL, publish, image)
        wait_for_server(f"http://127.0.0.1:{port}", TIMEOUT, log, pause=PAUSE)
        return time.monotonic() - started
    finally:
        log.write_text(docker("logs", name, check=False).stderr)
        docker("rm", "--force", "--volumes", name, check=False)


def time_outside(image: str, tree: Path) -> float:
    """Return the image's files at `tree`, its user and its variables, in a home as new as a container's."""
    (port,) = pick_ports(1)
    home, log = tree / f"home/{settings.CONTAINER_USER}", LOGS / "bench-outside.log"
    cache.remove_tree(home)
    home.mkdir(mode=0o775)
    os.chown(home, UID, 0)
    variables = [*inspect(image)["Config"]["Env"], f"JUPYTER_PORT={port}"]
    command = ["env", "--ignore-environment", f"--chdir=/{home.relative_to(tree)}", *variables, *SERVER]
    argv = namespaces.contained(["bash", "-c", OUTSIDE, "outside", str(tree), *command])
    with log.open("w") as sink, Popen(argv, stdin=PIPE, stdout=PIPE, stderr=sink, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            server.stdout.readline()
            started = time.monotonic()
            server.stdin.write("go\n")
            server.stdin.flush()
            wait_for_server(f"http://127.0.0.1:{port}", TIMEOUT, log, pause=PAUSE)
            return time.monotonic() - started
        finally:
            server.kill()  # and with it the namespace
