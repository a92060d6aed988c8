"""A sample of the content in the appliance's own tree: the image that its disk is written from.

An emulated processor is too slow for it. The tree has the torch of the `cpu` image, where all of the content is tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smoke_tests.appliance.tree import find_tree
from smoke_tests.inside import LIMIT, PLAIN, SAMPLE, run_suite

if TYPE_CHECKING:
    from practicum.architecture import Architecture
    from practicum.semester.description import Semester


@pytest.mark.timeout(LIMIT + 60)
def test_sample(semester: Semester, architecture: Architecture, course_copy: Path) -> None:
    assert " passed" in run_suite(find_tree(semester, architecture), course_copy, *SAMPLE, *PLAIN)
