"""The container images' parts of the benchmark: sizes, what a start and a stop cost, and builds."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from bench_base import (
    Bench,
    Part,
    build_copy,
    fetch_wheels,
    list_stage_times,
    read_stage_times,
    require_finished,
    time_content_change,
    time_nothing_changed,
)
from bench_plain import Plain, build_plain
from figures import Figure
from sandbox import spared

from practicum.commands import build
from practicum.engine import run, stages
from practicum.engine.errors import PracticumError
from practicum.engine.stage import Stage
from practicum.images import docker
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.locks import Variant
from smoke_tests.container.docker import inspect, started

UNPACKED = {"cpu": 2.0e9, "cuda": 6.7e9}
PACKED = {"cpu": 0.65e9, "cuda": 3.1e9}
LAYERS = 12
STOP = 3.0
SYNC = 0.5
START_PATH = 0.3
CONTENT, CONTENT_LAYER = 60.0, 20e6
"""Bytes, layers and seconds that were promised."""

CHANGED_BY_CONTENT = ("course-cpu", "image-cpu", "course-cuda", "image-cuda")
CLEAN_ENDS = (0, 143)

TWICE = """
export HOME=$(mktemp -d) TIMEFORMAT=%R
for start in first second; do
    { time "$@" >/dev/null 2>&1; } 2>&1 || exit
done
"""
"""Runs a command in an empty home, then again in what that is now, and prints the seconds of each."""


def list_recipe(semester: Semester) -> list[Stage]:
    """Return the stages of both images."""
    return products.merge(products.list_image(semester, kind) for kind in products.VARIANTS)


def measure_images(bench: Bench) -> list[Figure]:
    require_finished(list_recipe(bench.semester), "docker")
    if any(stages.find_fault(products.list_archive(bench.semester, kind)[-1]) for kind in products.VARIANTS):
        bench.practicum("archive", bench.semester.id, name="archive")
    figures = []
    for kind in products.VARIANTS:
        image = build.require_image(bench.semester, kind)
        figures += [*measure_image(bench, kind, image), *time_stop(kind, image), *time_start_path(bench, kind, image)]
    return figures


def measure_image(bench: Bench, kind: Variant, image: str) -> list[Figure]:
    known = inspect(image)
    return [
        Figure(f"`{kind}`, unpacked", known["Size"], "bytes", UNPACKED[kind]),
        Figure(f"`{kind}`, layers", len(known["RootFS"]["Layers"]), "count", LAYERS),
        Figure(
            f"`{kind}`, packed (OCI archive, zstd)",
            products.archive_path(bench.semester, kind).stat().st_size,
            "bytes",
            PACKED[kind],
        ),
    ]


def time_stop(kind: Variant, image: str) -> list[Figure]:
    """`docker stop` of an idle server, the median of three."""
    times = []
    for _ in range(3):
        with started(image) as server:
            server.wait_ready()
            seconds, code = server.stop()
        if code not in CLEAN_ENDS:
            raise PracticumError(image, f"docker stop ended the server with exit code {code}, not 0 or 143")
        times.append(seconds)
    return [Figure(f"`{kind}`, `docker stop` of an idle server", statistics.median(times), "s", STOP)]


def time_start_path(bench: Bench, kind: Variant, image: str) -> list[Figure]:
    """Return what happens in front of the server, in an empty home and in one that has the course: medians of five."""
    with docker.running(image, bench.work) as idle:
        sync = time_twice(idle, "bash", "-c", 'course-sync --home "$HOME"')
        start = time_twice(idle, "start.sh", "/bin/true")
        plain = time_twice(idle, "/bin/true")
    figures = []
    for home, coming, starting, nothing in zip(("an empty home", "a later start"), sync, start, plain, strict=True):
        path = starting - nothing
        figures += [
            Figure(f"`{kind}`, `course-sync`, {home}", coming, "s", SYNC),
            Figure(f"`{kind}`, `start.sh` alone, {home}", path, "s", START_PATH),
        ]
    return figures


def time_twice(container_id: str, *argv: str) -> tuple[float, float]:
    """Return the seconds of a command inside: the medians of five first runs and of five second ones."""
    inside = ["docker", "exec", container_id, "bash", "-c", TWICE, "bench", *argv]
    rounds = [[float(line) for line in run.read(inside, step=argv[0]).split()] for _ in range(5)]
    first, second = zip(*rounds, strict=True)
    return statistics.median(first), statistics.median(second)


def measure_warm(bench: Bench) -> list[Figure]:
    seconds = time_nothing_changed(bench, "docker", list_recipe(bench.semester))
    return [Figure("`make docker`, nothing changed", seconds, "s")]


def measure_content(bench: Bench) -> list[Figure]:
    with spared(bench.semester, bench.work) as (copy, home):
        changed, seconds = time_content_change(bench, copy, home, "docker", list_recipe, CHANGED_BY_CONTENT)
        layers = {kind: measure_last_layer(copy, kind) for kind in products.VARIANTS}
    return [
        Figure(f"`make docker` after a change of {changed}", seconds, "s", CONTENT),
        *list_stage_times(home, CHANGED_BY_CONTENT),
        *(Figure(f"`{kind}`, layer that it adds", layers[kind], "bytes", CONTENT_LAYER) for kind in layers),
    ]


def measure_last_layer(semester: Semester, kind: Variant) -> int:
    """Return the unpacked bytes of the layer with the course."""
    *_, before, course, _ = products.list_image(semester, kind)
    return int(inspect(course.image)["Size"] - inspect(before.image)["Size"])


def measure_cold(bench: Bench) -> list[Figure]:
    """One image after the other from nothing, each followed by what a person would write by hand for it."""
    with spared(bench.semester, bench.work) as (copy, home):
        figures, total, by_hand = [], 0.0, 0.0
        for kind in products.VARIANTS:
            whole, *parts = time_image(bench, copy, kind, home)
            recipe, size = products.list_image(copy, kind), inspect(build.require_image(copy, kind))["Size"]
            plain = build_plain(bench, copy, kind, recipe[0].image, home)
            figures += [whole, *parts, *compare(kind, plain, size, sum_stages(home, recipe[1:]))]
            total, by_hand = total + whole.value, by_hand + plain.seconds
        ours = sum_stages(home, [stage for stage in list_recipe(copy) if stage.name != "base"])
    return [
        Figure("`make docker` from an empty cache", total, "s"),
        *figures,
        Figure("both images, build without downloads, against both Dockerfiles", ours / by_hand, "ratio"),
    ]


def time_image(bench: Bench, copy: Semester, kind: Variant, home: Path) -> list[Figure]:
    """Return the seconds of the whole build, downloads included, then those of its parts."""
    before = read_stage_times(home)
    wheels = fetch_wheels(bench, copy, kind, home)
    building = build_copy(bench, copy, home, "docker", f"--product={kind}", name=f"cold-{kind}")
    new = [stage.name for stage in products.list_image(copy, kind) if stage.name not in before]
    what = f"the `{kind}` image" + (", after the `cpu` image" if before else "")
    return [Figure(what, wheels.value + building, "s"), wheels, *list_stage_times(home, new)]


def compare(kind: Variant, plain: Plain, size: int, seconds: float) -> list[Figure]:
    """Both from the same base image and the same wheels."""
    what = f"plain Dockerfile for the `{kind}` image"
    return [
        Figure(f"{what}, unpacked", plain.size, "bytes"),
        Figure(f"`{kind}`, unpacked, against that", size / plain.size, "ratio"),
        Figure(f"{what}, build without downloads", plain.seconds, "s"),
        Figure(f"`{kind}`, build without downloads, against that", seconds / plain.seconds, "ratio"),
    ]


def sum_stages(home: Path, recipe: Sequence[Stage]) -> float:
    times = read_stage_times(home)
    return sum(times[stage.name] for stage in recipe)


PARTS: dict[str, Part] = {
    "images": measure_images,
    "images-warm": measure_warm,
    "images-content": measure_content,
    "images-cold": measure_cold,
}
