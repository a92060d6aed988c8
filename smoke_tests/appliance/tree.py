"""The appliance's tree, from which its disk is written, as a docker image: asked without a boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from practicum.semester import products
from smoke_tests.container.docker import docker

if TYPE_CHECKING:
    from practicum.architecture import Architecture
    from practicum.semester.description import Semester


def find_tree(semester: Semester, architecture: Architecture) -> str:
    """Return the image's name; fails when the appliance was not built here."""
    name = f"course-appliance{architecture.suffix}"
    (stage,) = [stage for stage in products.list_ova(semester, architecture) if stage.name == name]
    if not docker("image", "ls", "--quiet", stage.image).stdout.strip():
        pytest.fail(f"docker has no image {stage.image}: run `make ova` first", pytrace=False)
    return stage.image
