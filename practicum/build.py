"""What a person asks for: the appliance, the container images, and why a stage would run again."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from practicum import appliance, archive, container, images, stages
from practicum.description import Semester
from practicum.lock import Kind
from practicum.progress import Console
from practicum.stages import Stage


def build_ova(semester: Semester, console: Console) -> Path:
    """Builds what is missing and returns the appliance's path; raises PracticumError, Busy or Stopped."""
    images.ensure_docker()
    ensure_all(appliance.recipe(semester), semester, console)
    return appliance.target(semester)


def build_images(semester: Semester, kinds: Sequence[Kind], console: Console) -> list[str]:
    """Builds what is missing and returns the names of the container images; raises as `build_ova` does."""
    images.ensure_docker()
    ensure_all(merge(container.recipe(semester, kind) for kind in kinds), semester, console)
    return [container.require_docker_image(semester, kind) for kind in kinds]


def build_archives(semester: Semester, kinds: Sequence[Kind], console: Console) -> list[Path]:
    """Builds what is missing and returns the paths of the OCI archives; raises as `build_ova` does."""
    images.ensure_docker()
    ensure_all(merge(archive.recipe(semester, kind) for kind in kinds), semester, console)
    return [archive.target(semester, kind) for kind in kinds]


def ensure_all(wanted: Sequence[Stage], semester: Semester, console: Console) -> None:
    """Runs the stages that are not cached, then frees what no semester uses any more."""
    stages.require_all(wanted)
    console.expect([stage.name for stage in wanted])
    for stage in wanted:
        stages.ensure(stage, semester.course.semester, console)
    stages.prune()


def merge(recipes: Iterable[Sequence[Stage]]) -> list[Stage]:
    """Returns the stages of all recipes, those they share once, in an order in which they can run."""
    return list({stage.key: stage for recipe in recipes for stage in recipe}.values())


def list_stages(semester: Semester) -> list[Stage]:
    """Returns every stage of every product of the semester."""
    return merge([appliance.recipe(semester), *(container.recipe(semester, kind) for kind in container.KINDS)])


def explain(semester: Semester) -> list[tuple[str, str]]:
    """Returns, for each stage, why it would run again, or "cached"."""
    images.ensure_docker()
    return [(stage.name, stages.explain(stage, semester.course.semester)) for stage in list_stages(semester)]
