"""A place to build in without a trace: a copy of the checkout, a cache of its own, docker's images as they were."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from practicum.course import content
from practicum.engine import cache, run
from practicum.engine.errors import PracticumError
from practicum.engine.stage import Stage
from practicum.images import docker
from practicum.semester import products, settings
from practicum.semester.description import Semester, load

REMOVAL_TIMEOUT = 300.0
"""Seconds: an image of CUDA has gigabytes of small files."""


@contextmanager
def spared(semester: Semester, work: Path) -> Iterator[tuple[Semester, Path]]:
    """Give `semester` in a copy of its checkout, and an empty cache home, both in `work`; restore docker's images.

    Until then the names of the products may be those of images that are built here.
    """
    scope = semester.product_name
    with cache.lock(f"build-{scope}", f"benchmark of {scope}"):
        checkout, home = work / "checkout", work / "cache"
        copy_checkout(semester.checkout, checkout)
        home.mkdir()
        copy = load(checkout / "semesters" / semester.id)
        before = find_images(copy)
        with kept(before.values()):
            try:
                yield copy, home
            finally:
                restore_images(before, find_images(copy))


def copy_checkout(source: Path, target: Path) -> None:
    """Copy what git knows or would take, as it is now."""
    argv = ["git", "-C", os.fspath(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, run.read(argv, step="bench").split("\0")):
        if (source / name).is_file():  # not removed since the last commit
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name, follow_symlinks=False)


def change_content(semester: Semester) -> str:
    """Append a comment to the first text of the included content; return the file's path inside course_content/."""
    for part in semester.content.include:
        for path in content.list_files(semester.content_root, part, solutions=False):
            if path.suffix in (".md", ".py"):
                with (semester.content_root / path).open("a") as file:
                    file.write("\n# changed by the benchmark\n")
                return f"`{path}`"
    raise PracticumError("content.include", "holds no .md or .py file to change")


def find_images(semester: Semester) -> dict[str, str]:
    """Return the id ("" for none) of each image that a build of `semester` names, children before parents."""
    revision = semester.revision
    names = [settings.name_image(semester, kind, revision) for kind in products.VARIANTS]
    given = [name for both in names for name in (both.moving, both.fixed) if name]
    made = [stage.image for stage in reversed(products.list_all(semester)) if stage.image]
    return {tag: docker.find_id(tag) for tag in (*given, *made)}


@contextmanager
def kept(ids: Iterable[str]) -> Iterator[None]:
    """Give images a second name meanwhile: one without any is garbage to a build and to `docker image prune`."""
    names = {f"practicum-spared:{image.removeprefix('sha256:')[:12]}": image for image in ids if image}
    for name, image in names.items():
        run.read(["docker", "tag", image, name], step="bench")
    try:
        yield
    finally:
        for name in names:
            run.read(["docker", "image", "rm", name], step="bench")


def restore_images(before: dict[str, str], after: dict[str, str]) -> None:
    """Give back the tags that a build took, and remove the images it made, in the order of `after`."""
    for tag, image in before.items():
        if image and after.get(tag) != image:
            run.read(["docker", "tag", image, tag], step="bench")
    made = [image for tag, image in after.items() if image and image != before.get(tag)]
    for image in dict.fromkeys(made):  # an image may have several names
        try:
            run.read(["docker", "image", "rm", "--force", image], step="bench", timeout=REMOVAL_TIMEOUT)
        except PracticumError as error:  # started by somebody while it had a product's name: no figure is lost for it
            print(f"bench: left an image: {error}; remove it with: docker image rm {image}", file=sys.stderr)


def lend_output(stage: Stage, home: Path) -> None:
    """Put the finished output of `stage` from this user's cache into the one at `home`."""
    folder = stage.folder
    shutil.copytree(folder, home / folder.relative_to(cache.root().parent), copy_function=link_or_copy)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # the cache may be on another file system
        shutil.copy2(source, target)
