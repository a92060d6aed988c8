"""The stages of a semester's products, in the order they run. Nothing runs here; files are read to hash them.

    base ─▶ system ─▶ python ─▶ data ─┬▶ torch-cpu ─┬▶ appliance ─┬▶ course-appliance ─▶ disk ─▶ ova
                                      │             │             └▶ squashfs ──────────▶┘
                                      │             └▶ container-cpu ─▶ course-cpu ─▶ image-cpu ─▶ archive-cpu
                                      └▶ cuda-cudnn ─▶ cuda-math ─▶ cuda-rest ─▶ torch-cuda ─▶ container-cuda ─▶ ...

What the CPU and the CUDA set of wheels have in common lies below both, so that the products share it, on disk and on
the wire. What changes most comes last: a change of the content adds one small layer to an image.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from practicum.engine.stage import Place, Stage, Tree
from practicum.images.debs import DebSource
from practicum.images.packer import Play
from practicum.images.stage import ImageStage
from practicum.recipes.appliance import Appliance
from practicum.recipes.archive import Archive
from practicum.recipes.base import Base
from practicum.recipes.container import Container
from practicum.recipes.course import Course
from practicum.recipes.data import Data
from practicum.recipes.disk import Disk
from practicum.recipes.image import Facts, Image
from practicum.recipes.ova import Ova
from practicum.recipes.squashfs import Squashfs
from practicum.recipes.system import System
from practicum.recipes.wheels import LastWheels, Wheels
from practicum.semester import settings
from practicum.semester.description import Semester
from practicum.semester.locks import Variant, find_lock
from practicum.semester.revision import read_revision
from practicum.semester.values import PINNED
from practicum.wheels.lockfile import LockedPackage, read_lock

VARIANTS: tuple[Variant, ...] = ("cpu", "cuda")

CUDA_GROUPS = (
    ("cuda-cudnn", r"nvidia-cudnn-.*"),
    ("cuda-math", r"nvidia-(cublas|cufft|curand|cusolver|cusparse|nvjitlink)"),
    ("cuda-rest", r"(nvidia|cuda)-.*"),
)
"""Layers of the CUDA libraries: none above 1 GB packed, so that docker's parallel downloads share the work."""

MIRROR = DebSource()
"""Debian's own mirror, where packages come from unless a build is given them."""

TRIM_DEBIAN = "ansible/trim/debian.dpkg.cfg"


def list_ova(semester: Semester, debs: DebSource = MIRROR) -> tuple[Stage, ...]:
    """Return the stages of the VirtualBox appliance."""
    below = list_environment(semester, "cpu", debs)
    machine = Appliance(
        torch=below[-1],
        variables=settings.describe_roles(semester),
        recorded=Place(semester.folder / "debian.lock"),
        debs=debs,
        play=Play(semester.root, "appliance", ("jupyter", "appliance", "system"), semester.epoch),
    )
    squashfs = Squashfs(machine, semester.epoch)
    course = _course(semester, machine, "appliance")
    disk = Disk(course, squashfs, settings.describe_disk(semester))
    ova = Ova(disk, settings.describe_machine(semester), semester.epoch, ova_path(semester))
    return (*below, machine, squashfs, course, disk, ova)


def list_image(semester: Semester, variant: Variant, debs: DebSource = MIRROR) -> tuple[Stage, ...]:
    """Return the stages of a container image."""
    below = list_environment(semester, variant, debs)
    described = {"product": variant, "course": settings.describe_course(semester, variant)}
    programs, hooks, library = (Tree(semester.root, f"docker/{name}") for name in ("bin", "before-notebook.d", "lib"))
    play = Play(semester.root, "container", ("jupyter", "container"), semester.epoch)
    container = Container(below[-1], variant, described, programs, hooks, library, play)
    course = _course(semester, container, variant, settings.describe_start(semester, variant))
    revision = read_revision(semester.root)
    names = settings.name_image(semester, variant, revision)
    facts = Facts(
        title=f"{semester.course.code} {semester.course.title}",
        institution=semester.course.institution,
        semester=semester.id,
        suite=semester.debian.suite,
        python=semester.debian.python_version,
    )
    image = Image(
        course, below[-1], variant, names.moving, names.fixed, revision.label, revision.date, facts
    )  # fmt: skip
    return (*below, container, course, image)


def list_archive(semester: Semester, variant: Variant, debs: DebSource = MIRROR) -> tuple[Stage, ...]:
    """Return the stages of a container image and of its archive."""
    below = list_image(semester, variant, debs)
    return (*below, Archive(below[-1], variant, list_layers(below), semester.epoch, archive_path(semester, variant)))


def list_layers(stages: Iterable[Stage]) -> tuple[str, ...]:
    """Return the names of the stages that make a layer of an image, the lowest first."""
    return tuple(stage.name for stage in stages if isinstance(stage, ImageStage))


def list_all(semester: Semester) -> list[Stage]:
    """Return every stage of the appliance and of the images."""
    return merge([list_ova(semester), *(list_image(semester, variant) for variant in VARIANTS)])


def merge(products: Iterable[Sequence[Stage]]) -> list[Stage]:
    """Return the stages of all products, those they share once, in an order in which they can run."""
    return list({stage.key: stage for stages in products for stage in stages}.values())


def ova_path(semester: Semester) -> Path:
    """Return where the appliance appears."""
    return semester.root / "dist" / semester.id / f"{semester.product_name}.ova"


def archive_path(semester: Semester, variant: Variant) -> Path:
    """Return where the archive of an image appears."""
    return semester.root / "dist" / semester.id / f"{semester.product_name}-{variant}.oci.tar"


def inputs_path(semester: Semester) -> Path:
    """Return where the file of a build's inputs appears."""
    return semester.root / "dist" / semester.id / f"{semester.product_name}.inputs.tar"


def list_environment(semester: Semester, variant: Variant, debs: DebSource = MIRROR) -> tuple[ImageStage, ...]:
    """Return the stages up to the complete Python environment of `variant`."""
    root, debian_lock = semester.root, semester.folder / "debian.lock"
    recorded = Tree(root, f"{debian_lock.relative_to(root)}") if debian_lock.exists() else None
    base = Base(semester.debian.suite, Tree(root, TRIM_DEBIAN), recorded, semester.epoch, debs)
    play = Play(root, "system", ("system", "python"), semester.epoch)
    done: list[ImageStage] = [base, System(base, semester.debian.suite, semester.debian.packages, debs, play)]
    groups = split_wheels(semester, variant)
    trim, play = Tree(root, "ansible/trim/python.txt"), Play(root, "wheels", ("wheels",), semester.epoch)
    lock = Place(find_lock(semester, variant))
    for group, packages in groups.items():
        make = LastWheels if group == list(groups)[-1] else Wheels
        done.append(make(done[-1], group, packages, lock, trim, play))
        if group == "python" and semester.data.sets:
            done.append(_data(semester, done[-1]))
    return tuple(done)


def split_wheels(semester: Semester, variant: Variant) -> dict[str, tuple[LockedPackage, ...]]:
    """Return the packages of the lock by the layer they go to, in the order of the layers; none is empty."""
    other: Variant = "cuda" if variant == "cpu" else "cpu"
    mine, theirs = (read_lock(find_lock(semester, one)) for one in (variant, other))
    # One wheel of torchvision may be locked for both, yet the CPU's is repacked.
    common = [package for package in mine if package in theirs and package.name not in PINNED]
    groups: dict[str, list[LockedPackage]] = {"python": common}
    for package in mine:
        if package not in common:
            matching = (name for name, pattern in CUDA_GROUPS if re.fullmatch(pattern, package.name))
            groups.setdefault(next(matching, f"torch-{variant}"), []).append(package)
    order = ("python", *(name for name, _ in CUDA_GROUPS), f"torch-{variant}")
    return {name: tuple(groups[name]) for name in order if groups.get(name)}


def _data(semester: Semester, before: ImageStage) -> Data:
    tools = Tree(semester.root, "course_content/tools/src/course_tools/datasets")
    play = Play(semester.root, "data", ("data",), semester.epoch)
    return Data(before, tuple(semester.data.sets), semester.data.source, tools, play)


def _course(semester: Semester, before: ImageStage, product: settings.Product, start: tuple[str, ...] = ()) -> Course:
    return Course(
        before=before,
        product=product,
        variables={"product": product, "course": settings.describe_course(semester, product)},
        content=Tree(semester.root, "course_content"),
        runtime=Tree(semester.root, "runtime"),
        include=tuple(semester.content.include),
        solutions=semester.content.solutions,
        verify=Tree(semester.root, "smoke_tests/compute"),
        settings=start,
        play=Play(semester.root, "course", ("course", "sysprep"), semester.epoch),
    )
