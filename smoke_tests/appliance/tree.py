"""The appliance's tree, from which its disk is written, as a docker image: asked without a boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from practicum.semester import products
from smoke_tests.container.docker import docker

if TYPE_CHECKING:
    from practicum.semester.description import Semester


def find_tree(semester: Semester) -> str:
    """Return the image's name; fails when the appliance was not built here."""

    (stage,) = [stage for stage in products.list_ova(semester) if stage.name == "course-appliance"]
    if not docker("image", "ls", "--quiet", stage.image).stdout.strip():
        pytest.fail(f"docker has no image {stage.image}: run `make ova` first", pytrace=False)
    return stage.image
