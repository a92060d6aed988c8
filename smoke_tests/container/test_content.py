"""Every practical, project and lecture, once with each torch that the products have, inside the images.

The torch of the `cpu` image, which is the students' Python's and the appliance's too, computes plainly. That of the
`cuda` image takes the way of a GPU, which is only pretended: its numbers are a CPU's, and are checked as well.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from smoke_tests.inside import HALVES, LIMIT, PLAIN, PRETENDED, SAMPLE, run_suite

BUILD = Path(__file__).parents[2] / "build"

TWO = ("test_practical_1.py", "test_practical_2.py")
"""An emulated processor takes minutes for practical 3, which runs one sample after the other."""

SMALL = ("test_check.py", "test_practical_3.py", "test_project_eeg.py", "test_project_framework.py")

pytestmark = pytest.mark.timeout(LIMIT + 60)


@pytest.mark.parametrize("half", HALVES)
def test_plain(cpu_image: str, course_copy: Path, half: str) -> None:
    """A release shows the lectures as they ran here (practicum/release/proof.py)."""
    kept = None
    if half == "lectures":
        kept = BUILD / "lectures"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
    assert " passed" in run_suite(cpu_image, course_copy, *HALVES[half], *PLAIN, kept=kept)


@pytest.mark.parametrize("half", HALVES)
def test_pretended_gpu(cuda_image: str, course_copy: Path, half: str) -> None:
    told = run_suite(cuda_image, course_copy, *HALVES[half], *PRETENDED)
    assert " passed" in told
    assert "nothing need be pretended" not in told, "a real GPU took the place of the pretended one"


def test_two_practicals(cpu_image: str, course_copy: Path) -> None:
    """Enough in each proof for a processor that is emulated here."""
    assert " passed" in run_suite(cpu_image, course_copy, *TWO, *PLAIN)


def test_rest_that_is_small(cpu_image: str, course_copy: Path) -> None:
    assert " passed" in run_suite(cpu_image, course_copy, *SMALL, *PLAIN)


def test_sample(cuda_image: str, course_copy: Path) -> None:
    told = run_suite(cuda_image, course_copy, *SAMPLE, *PLAIN)
    assert " passed" in told
    assert "torch sees no GPU on this machine" in told, "the tests on the GPU say why they did not run"
