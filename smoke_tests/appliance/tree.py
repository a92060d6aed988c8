"""The appliance's tree, from which its disk is written, as a docker image: asked without a boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smoke_tests.container.docker import docker

if TYPE_CHECKING:
    from practicum.description import Semester


def find_tree(semester: Semester) -> str:
    """The image's name; fails when the appliance was not built here."""
    from practicum import appliance

    (stage,) = [stage for stage in appliance.recipe(semester) if stage.name == "course-appliance"]
    if not docker("image", "ls", "--quiet", stage.tag).stdout.strip():
        pytest.fail(f"docker has no image {stage.tag}: run `make ova` first", pytrace=False)
    return stage.tag
