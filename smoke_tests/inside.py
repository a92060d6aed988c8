"""Runs the suite of the content, smoke_tests/content, inside an image, as its own user and with its own Python."""

from __future__ import annotations

from pathlib import Path

from smoke_tests.container.docker import docker

SUITE = Path(__file__).parent / "content"
LIMIT = 3000  # seconds: some five minutes on two idle cores


def run_suite(image: str, content: Path) -> str:
    """Returns what pytest printed; fails when a test failed. No network, and nothing of the image can be written.

    No GPU is pretended: what that finds does not depend on the image. The caller's OMP_NUM_THREADS counts inside.
    """
    done = docker(
        "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp:exec", "--shm-size=1g",
        "--env=HOME=/tmp", "--env=OMP_WAIT_POLICY=PASSIVE", "--env=OMP_NUM_THREADS",
        "--user=1000:100", "--entrypoint=/opt/venv/bin/python",
        f"--volume={SUITE}:/mnt/suite/content:ro", f"--volume={content}:/mnt/course:ro", "--workdir=/mnt/suite/content",
        image, "-m", "pytest", "-c", "pytest.ini", "--content=/mnt/course", "-k", "not pretended",
        check=False, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout
