"""Runs the suite of the content, smoke_tests/content, inside an image, as a user of its own and with its own Python."""

from __future__ import annotations

from pathlib import Path

from smoke_tests.container.docker import docker, started

SUITE = Path(__file__).parent / "content"
LIMIT = 3000
"""Seconds: it only ends a hang. A half of the suite takes some two minutes of an idle core."""

HALVES = {"lectures": ("test_lectures.py",), "programs": ("--ignore=test_lectures.py",)}
"""The suite in two parts of about the same length, as arguments of pytest: practicals and projects are programs."""

PLAIN = ("-k", "not pretended")
PRETENDED = ("-k", "pretended")
"""On a GPU that is only pretended."""

SAMPLE = ("-m", "sample")
"""Enough for a product whose torch is proven whole in another: its paths, its user, a root that cannot be written."""


def run_suite(image: str, content: Path, *selection: str, kept: Path | None = None) -> str:
    """Return what pytest printed of the tests that its arguments in `selection` pick; fails when one of them failed.

    kept: an existing folder, which gets the executed lectures. There is no network, and nothing of the image can be
    written. The caller's OMP_NUM_THREADS counts inside.
    """
    options: tuple[str, ...] = (
        "--network=none", "--read-only", "--tmpfs=/tmp:exec", "--shm-size=2g", "--no-healthcheck",
        "--env=HOME=/tmp", "--env=OMP_WAIT_POLICY=PASSIVE", "--env=OMP_NUM_THREADS",
        "--user=1000:100", "--entrypoint=/opt/venv/bin/python",
        f"--volume={SUITE}:/mnt/suite/content:ro", f"--volume={content}:/mnt/course:ro", "--workdir=/mnt/suite/content",
    )  # fmt: skip
    if kept:
        kept.chmod(0o777)  # the user inside is another one
        options += (f"--volume={kept}:/mnt/kept", "--env=COURSE_KEPT=/mnt/kept")
    command = ("-m", "pytest", "-c", "pytest.ini", "--content=/mnt/course", "--durations=10", *selection)
    with started(image, *options, command=command) as container:
        code = docker("wait", container.id, timeout=LIMIT).stdout.strip()
        told = container.logs()
    print(told)
    assert code == "0", told[-8000:]
    return told
