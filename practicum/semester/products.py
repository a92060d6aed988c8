"""The stages of a semester's products, in the order they run. Nothing runs here; files are read to hash them.

    base ─▶ system ─▶ python ─▶ data ─┬▶ torch-cpu ─┬▶ appliance ─┬▶ course-appliance ─▶ disk ─▶ ova
                                      │             │             └▶ squashfs ──────────▶┘
                                      │             └▶ container-cpu ─▶ course-cpu ─▶ image-cpu ─▶ archive-cpu
                                      └▶ cuda-cudnn ─▶ cuda-math ─▶ cuda-rest ─▶ torch-cuda ─▶ container-cuda ─▶ ...

Each architecture has these stages for itself; the names of those of another than amd64 end with its own, base-arm64.
What the CPU and the CUDA set of wheels have in common lies below both, so that the products share it, on disk and on
the wire. What changes most comes last: a change of the content adds one small layer to an image.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from practicum.architecture import AMD64, Architecture, find_native
from practicum.engine import source
from practicum.engine.stage import Place, Stage, Tree
from practicum.images.debs import DebSource
from practicum.images.packer import Play
from practicum.images.stage import ImageStage
from practicum.recipes.appliance import Appliance
from practicum.recipes.archive import Archive, Images, Part
from practicum.recipes.base import Base
from practicum.recipes.container import Container
from practicum.recipes.course import THEME, Course, list_documents
from practicum.recipes.data import Data
from practicum.recipes.disk import Disk
from practicum.recipes.extras import Extras
from practicum.recipes.grub import Grub
from practicum.recipes.image import Facts, Image
from practicum.recipes.ova import Ova
from practicum.recipes.squashfs import Squashfs
from practicum.recipes.system import System
from practicum.recipes.wheels import LastWheels, Wheels
from practicum.semester import settings
from practicum.semester.description import Semester
from practicum.semester.folders import CONTENT, DATA_TOOLS, FILES, OVERRIDES, TASKS
from practicum.semester.lectures import find_lectures
from practicum.semester.locks import Variant, find_debian_lock, find_lock, find_target, place_debian_lock
from practicum.semester.values import PINNED
from practicum.wheels.debian_lock import read_base
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


def list_ova(semester: Semester, architecture: Architecture = AMD64, debs: DebSource = MIRROR) -> tuple[Stage, ...]:
    """Return the stages of the VirtualBox appliance."""
    suffix, boot = architecture.suffix, architecture.boot
    below = list_environment(semester, "cpu", architecture, debs)
    machine = Appliance(
        torch=below[-1],
        variables=settings.describe_roles(semester, architecture),
        recorded=Place(place_debian_lock(semester, architecture)),
        debs=debs,
        play=Play(semester.checkout, "appliance", ("jupyter", "appliance", "system"), semester.epoch),
        suffix=suffix,
    )
    extras = _extras(semester, machine, "appliance")
    done = (machine, *extras)[-1]
    squashfs = Squashfs(done, semester.epoch, suffix=suffix)
    course = _course(semester, done, "appliance", below)
    fetched = (Grub(boot.package, architecture.name, debs, suffix=suffix),) if boot.package else ()
    disk = Disk(course, squashfs, settings.describe_disk(semester, architecture), *fetched, suffix=suffix)
    described, target = settings.describe_machine(semester, architecture), ova_path(semester, architecture)
    ova = Ova(disk, described, semester.epoch, target, suffix=suffix)
    return (*below, machine, *extras, squashfs, course, *fetched, disk, ova)


def list_image(
    semester: Semester, variant: Variant, architecture: Architecture = AMD64, debs: DebSource = MIRROR
) -> tuple[Stage, ...]:
    """Return the stages of a container image."""
    suffix = architecture.suffix
    below = list_environment(semester, variant, architecture, debs)
    told = settings.describe_course(semester, variant)
    described = {"product": variant, "course": told, "has_torch": semester.has_torch}
    root = semester.checkout
    programs, hooks, library = (Tree(root, f"docker/{name}") for name in ("bin", "before-notebook.d", "lib"))
    play = Play(root, "container", ("jupyter", "container"), semester.epoch)
    container = Container(below[-1], variant, described, programs, hooks, library, play, suffix=suffix)
    extras = _extras(semester, container, variant)
    done, start = (container, *extras)[-1], settings.describe_start(semester, variant)
    course = _course(semester, done, variant, below, start)
    revision = semester.revision
    names = settings.name_image(semester, variant, revision, architecture)
    facts = Facts(
        title=f"{semester.course.code} {semester.course.title}",
        institution=semester.course.institution,
        semester=semester.id,
        suite=semester.debian.suite,
        python=semester.debian.python_version,
        gpu=architecture.gpu if variant == "cuda" else "",
    )
    image = Image(
        course, below[-1], variant, names.moving, names.fixed, revision.label, revision.date, facts, suffix=suffix
    )  # fmt: skip
    return (*below, container, *extras, course, image)


def list_archive(
    semester: Semester,
    variant: Variant,
    architectures: Sequence[Architecture] = (AMD64,),
    debs: DebSource = MIRROR,
) -> tuple[Stage, ...]:
    """Return the stages of the container images of a variant, one for each architecture, and of their archive."""
    listed = [list_image(semester, variant, architecture, debs) for architecture in architectures]
    images = Images(tuple(Part(stages[-1], list_layers(stages)) for stages in listed))
    moving = settings.name_image(semester, variant, semester.revision, *only(architectures)).moving
    target = archive_path(semester, variant, architectures)
    suffix = "".join(architecture.suffix for architecture in only(architectures))
    return (*merge(listed), Archive(images, variant, moving, semester.epoch, target, suffix=suffix))


def only(architectures: Sequence[Architecture]) -> Sequence[Architecture]:
    """Return the one architecture that a name is for, none where it is for several."""
    return architectures if len(architectures) == 1 else ()


def list_layers(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Return the names of the stages that make a layer of the last stage's image, the lowest first."""
    return tuple(stage.name for stage in stages if isinstance(stage, ImageStage) and stage.suffix == stages[-1].suffix)


def list_all(semester: Semester, architectures: Sequence[Architecture] = ()) -> list[Stage]:
    """Return every stage of the products for `architectures`, those of the description if none."""
    return merge(
        listed
        for architecture in architectures or semester.built_for
        for listed in (
            *([list_ova(semester, architecture)] if "appliance" in semester.products else []),
            *(list_image(semester, variant, architecture) for variant in semester.images),
        )
    )


def merge(products: Iterable[Sequence[Stage]]) -> list[Stage]:
    """Return the stages of all products, those they share once, in an order in which they can run."""
    return list({stage.key: stage for stages in products for stage in stages}.values())


def ova_path(semester: Semester, architecture: Architecture = AMD64) -> Path:
    """Return where the appliance appears; of several, each file's name says for which architecture it is."""
    return semester.dist / f"{semester.product_name}{end_of_name(semester, [architecture])}.ova"


def archive_path(semester: Semester, variant: Variant, architectures: Sequence[Architecture] = (AMD64,)) -> Path:
    """Return where the archive of the images of a variant appears."""
    name = f"{semester.product_name}-{variant}{end_of_name(semester, architectures)}.oci.tar"
    return semester.dist / name


def end_of_name(semester: Semester, architectures: Sequence[Architecture]) -> str:
    """Return how the name of a file ends that is for these architectures of the description: "" for all of them."""
    several = len(semester.built_for) > 1
    return "".join(f"-{one.name}" if several else one.suffix for one in only(architectures))


def inputs_path(semester: Semester) -> Path:
    """Return where the file of a build's inputs appears."""
    return semester.dist / f"{semester.product_name}.inputs.tar"


def list_environment(
    semester: Semester, variant: Variant, architecture: Architecture = AMD64, debs: DebSource = MIRROR
) -> tuple[ImageStage, ...]:
    """Return the stages up to the complete Python environment of `variant`."""
    root, suffix = semester.checkout, architecture.suffix
    helpers = list_helpers(semester, variant, architecture, debs)
    native = next((stage for stage in helpers if isinstance(stage, System)), None)
    done: list[ImageStage] = [*list_system(semester, architecture, debs, native)]
    groups = split_wheels(semester, variant, architecture)
    trim, play = Tree(root, "ansible/trim/python.txt"), Play(root, "wheels", ("wheels",), semester.epoch)
    lock, platform = Place(find_lock(semester, variant, architecture)), find_target(semester, architecture).platform
    for group, packages in groups.items():
        make = LastWheels if group == list(groups)[-1] else Wheels
        cross = (native, platform) if native else ()
        done.append(make(done[-1], group, packages, lock, trim, play, *cross, suffix=suffix))
        if group == "python" and semester.data.sets:
            made = next((stage for stage in helpers if isinstance(stage, Data)), None)
            done.append(_data(semester, done[-1], made))
    return (*helpers, *done)


def list_system(
    semester: Semester, architecture: Architecture, debs: DebSource, native: ImageStage | None = None
) -> tuple[ImageStage, ...]:
    """Return the stages of Debian's packages; native: the last of them for this machine's own architecture."""
    root, debian, suffix = semester.checkout, semester.debian, architecture.suffix
    debian_lock = find_debian_lock(semester, architecture)
    recorded = Tree(semester.course_root, str(debian_lock.relative_to(semester.course_root))) if debian_lock else None
    trim, kind = Tree(root, TRIM_DEBIAN), (architecture.name, architecture.variant)
    of_base = read_base(debian_lock) if debian_lock else ""
    base = Base(debian.suite, trim, of_base, semester.epoch, debs, *kind, suffix=suffix)
    play = Play(root, "system", ("system", "python"), semester.epoch)
    return base, System(base, debian.suite, debian.packages, recorded, debs, play, native, suffix=suffix)


def list_helpers(
    semester: Semester, variant: Variant, architecture: Architecture, debs: DebSource
) -> tuple[ImageStage, ...]:
    """Return the stages of this machine's own architecture in which parts for another one are made.

    In its system, wheels are installed; its data sets are the other's, too, where the description has both. There are
    none where `architecture` is that of this machine.
    """
    native = find_native()
    if native in (None, architecture):
        return ()
    if not semester.data.sets or native not in semester.built_for:
        return list_system(semester, native, debs)
    listed = list_environment(semester, variant, native, debs)
    return listed[: 1 + next(place for place, stage in enumerate(listed) if isinstance(stage, Data))]


def split_wheels(
    semester: Semester, variant: Variant, architecture: Architecture = AMD64
) -> dict[str, tuple[LockedPackage, ...]]:
    """Return the packages of the lock by the layer they go to, in the order of the layers; none is empty.

    The lowest has what the locks of all products have in common.
    """
    mine = read_lock(find_lock(semester, variant, architecture))
    theirs = [{*read_lock(find_lock(semester, one, architecture))} for one in semester.variants if one != variant]
    groups: dict[str, list[LockedPackage]] = {}
    for package in mine:
        group = next((name for name, pattern in CUDA_GROUPS if re.fullmatch(pattern, package.name)), "python")
        # One wheel of torchvision may be locked for both, yet the CPU's is repacked.
        if group == "python" and (package.name in PINNED or not all(package in lock for lock in theirs)):
            group = f"torch-{variant}"
        groups.setdefault(group, []).append(package)
    order = ("python", *(name for name, _ in CUDA_GROUPS), f"torch-{variant}")
    return {name: tuple(groups[name]) for name in order if groups.get(name)}


def find_helper(stages: Iterable[Stage]) -> ImageStage | None:
    """Return the system of this machine's own architecture that `stages` use, None where theirs is its own."""
    return next((stage.native for stage in stages if isinstance(stage, System) and stage.native), None)


def _data(semester: Semester, before: ImageStage, native: ImageStage | None) -> Data:
    tools = Tree(semester.course_root, DATA_TOOLS)
    play = Play(semester.checkout, "data", ("data",), semester.epoch)
    return Data(before, tuple(semester.data.sets), semester.data.source, tools, play, native, suffix=before.suffix)


def _extras(semester: Semester, before: ImageStage, product: settings.Product) -> tuple[Extras, ...]:
    """Return the stage of what the course adds of its own; none where it adds nothing."""
    root = semester.course_root
    files, overrides, tasks = (
        Tree(root, name) if (root / name).exists() else None for name in (FILES, OVERRIDES, TASKS)
    )
    environment = dict(semester.environment)
    if not (files or overrides or tasks or environment):
        return ()
    if tasks:
        tasks = Tree(root, str(Path(TASKS).parent))
    told = {"product": product, "course": settings.describe_course(semester, product)}
    play = Play(semester.checkout, "extras", ("extras",), semester.epoch)
    return (Extras(before, product, told, files, overrides, tasks, environment, play, suffix=before.suffix),)


def _course(
    semester: Semester,
    before: ImageStage,
    product: settings.Product,
    below: Iterable[Stage],
    start: tuple[str, ...] = (),
) -> Course:
    return Course(
        before=before,
        product=product,
        variables={
            "product": product,
            "course": settings.describe_course(semester, product) | settings.describe_updates(semester),
        },
        release=settings.describe_content(semester),
        signers=settings.list_signers(semester),
        content=Tree(semester.course_root, CONTENT),
        runtime=Tree(semester.checkout, "runtime"),
        include=tuple(semester.content.include),
        solutions=settings.describe_solutions(semester.content.solutions),
        versions={
            package.name: package.version for stage in below if isinstance(stage, Wheels) for package in stage.packages
        },
        verify=Tree(semester.checkout, "smoke_tests/compute") if semester.has_torch else None,
        facts=settings.describe_site(semester),
        run=find_lectures(semester),
        documents=list_documents(semester.checkout, settings.list_special_commands(semester)),
        theme=Tree(source.ROOT.parent, THEME),
        settings=start,
        play=Play(semester.checkout, "course", ("course", "sysprep"), semester.epoch),
        native=find_helper(below),
        suffix=before.suffix,
    )
