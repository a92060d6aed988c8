"""What a person asks for: the appliance, the container images, and why a stage would run again."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from practicum.architecture import AMD64, Architecture
from practicum.commands.inputs import read_inputs
from practicum.engine import stages
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.images.debs import DebSource
from practicum.images.docker import ensure_docker, image_exists, remove_image
from practicum.images.emulator import require_emulator
from practicum.semester import products, settings
from practicum.semester.description import Semester
from practicum.semester.locks import Variant


def build_ovas(
    semester: Semester,
    architectures: Sequence[Architecture],
    console: Console,
    again: str = "",
    inputs: Path | None = None,
) -> list[Path]:
    """Build what is missing and return the appliances' paths; raises PracticumError, Busy or Stopped.

    `again`: a stage that runs even if it is cached, with all that reads it. `inputs`: a file of `practicum inputs`, in
    place of the network.
    """
    ensure_docker()
    require_emulators(architectures)
    debs = find_debs(semester, console, inputs)
    wanted = products.merge(products.list_ova(semester, architecture, debs) for architecture in architectures)
    ensure_all(wanted, semester, console, again)
    return [products.ova_path(semester, architecture) for architecture in architectures]


def build_images(
    semester: Semester,
    architectures: Sequence[Architecture],
    variants: Sequence[Variant],
    console: Console,
    again: str = "",
    inputs: Path | None = None,
) -> list[str]:
    """Build what is missing and return the names of the container images; raises as `build_ovas` does."""
    ensure_docker()
    require_emulators(architectures)
    debs, each = find_debs(semester, console, inputs), [*itertools.product(variants, architectures)]
    wanted = products.merge(products.list_image(semester, variant, one, debs) for variant, one in each)
    ensure_all(wanted, semester, console, again)
    return [require_image(semester, variant, one) for variant, one in each]


def build_archives(
    semester: Semester,
    architectures: Sequence[Architecture],
    variants: Sequence[Variant],
    console: Console,
    again: str = "",
    inputs: Path | None = None,
) -> list[Path]:
    """Build what is missing and return the paths of the OCI archives, each of which is for all of `architectures`.

    Raises as `build_ovas` does.
    """
    ensure_docker()
    require_emulators(architectures)
    debs = find_debs(semester, console, inputs)
    wanted = products.merge(products.list_archive(semester, variant, architectures, debs) for variant in variants)
    ensure_all(wanted, semester, console, again)
    return [products.archive_path(semester, variant, architectures) for variant in variants]


def find_debs(semester: Semester, console: Console, inputs: Path | None) -> DebSource:
    """Return where Debian's packages come from; the file `inputs` is unpacked into the cache first."""
    return read_inputs(inputs, semester, console) if inputs else products.MIRROR


def ensure_all(wanted: Sequence[Stage], semester: Semester, console: Console, again: str = "") -> None:
    """Run the stages that are not cached, then free what no semester uses any more."""
    forced = find_readers(wanted, again) if again else set()
    missing = {stage.name for stage in stages.find_missing(wanted, forced)}
    scope = semester.product_name
    console.expect({one.name: stages.recall_seconds(one, scope) if one.name in missing else 0.0 for one in wanted})
    for stage in wanted:
        stages.ensure(stage, scope, console, again=stage.name in forced, complete=stage.name not in missing)
    stages.prune(remove_image)


def find_readers(wanted: Sequence[Stage], name: str) -> set[str]:
    """Return `name` and every stage that reads it, directly or not; raises PracticumError for an unknown name."""
    if name not in {stage.name for stage in wanted}:
        known = ", ".join(stage.name for stage in wanted)
        raise PracticumError(f"--again={name}", "no such stage of this product", f"known: {known}")
    found = {name}
    for stage in wanted:  # in the order they run, so a reader comes after what it reads
        if found & stage.inputs.keys():
            found.add(stage.name)
    return found


def explain(semester: Semester, architectures: Sequence[Architecture] = ()) -> list[tuple[str, str]]:
    """Return, for each stage, why it would run again, or "cached"; without `architectures`, for all of them."""
    ensure_docker()
    return [
        (stage.name, stages.explain(stage, semester.product_name))
        for stage in products.list_all(semester, architectures)
    ]


def require_emulators(architectures: Sequence[Architecture]) -> None:
    """Raise PracticumError where this machine cannot run the programs of one of `architectures`."""
    for architecture in architectures:
        if not architecture.is_native:
            require_emulator(architecture.emulator)


def render_reads(semester: Semester) -> str:
    """Return as a Markdown table what the stages of each class make and read; docs/build.md holds it.

    Of several architectures, the table has the stages of the first one that the description names.
    """
    classes: dict[type[Stage], list[Stage]] = {}
    listed = products.list_all(semester, semester.built_for[:1])
    for stage in listed:
        classes.setdefault(type(stage), []).append(stage)
    names = {stage.name for stage in listed}
    rows = ["| stage | makes | reads | runs, of `practicum/` |", "| --- | --- | --- | --- |"]
    for kind, members in classes.items():
        labels = list(dict.fromkeys(label for stage in members for label in stage.inputs))
        code = [label.removeprefix("practicum/") for label in labels if label.startswith("practicum/")]
        others = [label for label in labels if not label.startswith("practicum/")]
        read = [label if label in names else f"`{label.replace(semester.id, 'SEMESTER')}`" for label in others]
        title = ", ".join(f"`{stage.name}`" for stage in members)
        makes = (kind.__doc__ or "").splitlines()[0].rstrip(".")
        rows.append(f"| {title} | {makes} | {', '.join(read)} | {', '.join(fold_modules(code))} |")
    return "\n".join(rows) + "\n"


def fold_modules(paths: Iterable[str]) -> Iterator[str]:
    """Yield the modules of each folder in one word: `images/{docker,stage}.py`."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        folder, _, file = path.rpartition("/")
        folders.setdefault(folder, []).append(file.removesuffix(".py"))
    for folder, names in folders.items():
        stems = names[0] if len(names) == 1 else f"{{{','.join(names)}}}"
        yield f"`{Path(folder, stems)}.py`"


def require_image(semester: Semester, variant: Variant, architecture: Architecture = AMD64) -> str:
    """Return the name of the image that follows the semester; raises PracticumError when no such image is there."""
    name = settings.name_image(semester, variant, semester.revision, architecture).moving
    if not image_exists(name):
        raise PracticumError(name, "no such image", "run: make docker")
    return name
