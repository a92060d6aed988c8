"""How long JupyterLab takes to answer in the image, against the image's own `jupyter lab` without anything of ours."""

import os
import statistics
import time
from collections.abc import Sequence

from bench_base import LOGS, Bench, Part, require_finished, wait_for_server
from figures import Figure

from practicum.commands import build
from practicum.semester import products, settings
from smoke_tests.container.docker import LABEL, daemon, docker
from smoke_tests.qemu import pick_ports

RATIO = 1.15
"""What was promised."""

ROUNDS = 9
TIMEOUT = 120.0
PAUSE = 0.02

BARE = ("--mount=type=tmpfs,destination=/etc/jupyter", "--entrypoint=/opt/venv/bin/jupyter")
"""docker's options that leave out the start commands and the course's settings of Jupyter."""
LAB = ("lab", "--no-browser", "--ServerApp.ip=0.0.0.0")


def measure_start(bench: Bench) -> list[Figure]:
    """Both in turn, each once before it counts."""
    require_finished(products.list_image(bench.semester, "cpu"), "docker")
    image = build.require_image(bench.semester, "cpu")
    ours, bare = [], []
    for turn in range(1 + ROUNDS):
        bare.append(time_container(*BARE, image, *LAB))
        ours.append(time_container(image))
        bench.console.say(f"{turn} of {ROUNDS}: {ours[-1][0]:.2f} s, bare {bare[-1][0]:.2f} s")
    (clock, cpu), (bare_clock, bare_cpu) = take_medians(ours[1:]), take_medians(bare[1:])
    return [
        Figure("`docker run` of the `cpu` image, to HTTP 200", clock, "s"),
        Figure("a bare `jupyter lab` in its place", bare_clock, "s"),
        Figure("the image against that", clock / bare_clock, "ratio", RATIO),
        Figure("the same in CPU seconds", cpu / bare_cpu, "ratio"),
    ]


PARTS: dict[str, Part] = {"images-start": measure_start}


def take_medians(measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of the seconds by the clock and of the CPU seconds."""
    clock, cpu = zip(*measured, strict=True)
    return statistics.median(clock), statistics.median(cpu)


def time_container(*command: str) -> tuple[float, float]:
    """Return the seconds from `docker run` with these options, image and command to HTTP 200, and its CPU seconds."""
    (port,) = pick_ports(1)
    name, log = f"practicum-bench-{os.getpid()}", LOGS / "bench-container.log"
    publish = f"--publish=127.0.0.1:{port}:{settings.JUPYTER_PORT}"
    started = time.monotonic()
    try:
        docker("run", "--detach", f"--name={name}", "--label", LABEL, publish, *command)
        wait_for_server(f"http://127.0.0.1:{port}", TIMEOUT, log, pause=PAUSE)
        clock = time.monotonic() - started
        used = daemon().stats(name, stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]
        return clock, used / 1e9
    finally:
        log.write_text(docker("logs", name, check=False).stderr)
        docker("rm", "--force", "--volumes", name, check=False)
