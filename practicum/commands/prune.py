"""`practicum prune`: what leaves the cache, and docker with it."""

from practicum.engine import stages
from practicum.images.docker import remove_image


def prune(semester: str = "") -> stages.Pruned:
    """Remove what no semester needs; forget the builds of `semester` first. Raise PracticumError for an unknown one."""
    if semester:
        stages.forget(semester)
    return stages.prune(remove_image)
