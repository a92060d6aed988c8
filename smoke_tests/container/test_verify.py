"""`docker run IMAGE course-verify`, the one command for a cluster's node: here without a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from practicum.semester.products import VARIANTS
from smoke_tests.container.conftest import RunContainer

REPORT = Path(__file__).parents[2] / "build/report"

WAYS = {
    "cpu": ("--user=54321:0", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    "cuda": ("--network=none",),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_torch_works(run_container: RunContainer, request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> None:
    image = request.getfixturevalue(f"{kind}_image")
    tmp_path.chmod(0o777)
    volume = f"--volume={tmp_path}:/report"
    command = ["course-verify", "--json", "/report/report.json"]
    container = run_container(*WAYS[kind], volume, image=image, command=command, ready=False)
    code, log = container.wait_ended(), container.logs()
    REPORT.mkdir(parents=True, exist_ok=True)
    (REPORT / f"course-verify-{kind}.txt").write_text(log)
    assert code == 0, log
    assert " passed" in log and " failed" not in log
    assert "cuda    not tested: " in log, "why there is no GPU is shown"
    report = json.loads((tmp_path / "report.json").read_text())
    assert report, "no figures"


def test_gpu_can_be_required(run_container: RunContainer, cuda_image: str) -> None:
    """On a node that should have one, its absence is a failure, not a skip."""
    command = ["course-verify", "--require-gpu", "-k", "test_devices"]
    container = run_container(image=cuda_image, command=command, ready=False)
    assert container.wait_ended() != 0
    assert "GPU" in container.logs()
