"""Why the products for a kind of processor cannot be tried on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from practicum.architecture import Architecture
from practicum.engine.errors import PracticumError
from practicum.images.emulator import require_emulator
from practicum.semester import products

if TYPE_CHECKING:
    from practicum.semester.description import Semester


def find_obstacle(semester: Semester, architecture: Architecture) -> str:
    """Return why products for `architecture` can neither be built nor run here, "" where they can."""
    if architecture not in semester.built_for:
        return f"semesters/{semester.id}/semester.toml names no architecture {architecture.name}"
    if not architecture.is_native:
        try:
            require_emulator(architecture.emulator)
        except PracticumError as error:
            return str(error)
    return ""


def find_absence(semester: Semester, architecture: Architecture) -> str:
    """Return why products for `architecture` are not tried here: an obstacle, or that no such appliance was built."""
    if obstacle := find_obstacle(semester, architecture):
        return obstacle
    path = products.ova_path(semester, architecture)
    if path.is_file():
        return ""
    return f"{path.relative_to(semester.course_root)} is not there: make test-arm64 builds it, and make ova ARCH=arm64"
