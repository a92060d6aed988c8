"""Every practical, project and lecture, inside the images: what a student on a cluster runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from practicum.container import KINDS
from smoke_tests.inside import LIMIT, run_suite


@pytest.mark.timeout(LIMIT + 60)
@pytest.mark.parametrize("kind", KINDS)
def test_all_of_the_content(request: pytest.FixtureRequest, course_copy: Path, kind: str) -> None:
    told = run_suite(request.getfixturevalue(f"{kind}_image"), course_copy)
    assert " passed" in told
    assert "torch sees no GPU on this machine" in told, "the tests on the GPU say why they did not run"
