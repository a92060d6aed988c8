"""What the course's page offers of a release: its files and images for students, its notes, its executed lectures."""

import os
from pathlib import Path

from practicum.commands.downloads import File, Image, Published
from practicum.commands.site import place_page, write_page
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release.record import FILE, NAMED, Product, Record, read_record
from practicum.release.sums import SIGNATURE, SUMS
from practicum.semester.description import Semester

TEXTS = {"Release notes": "NOTES.md", "What changed": "CHANGES.md"}
SMALL = 20 << 20
"""Bytes; larger files are where the release is published, not on its page."""

SIGNED = "ssh-keygen -Y verify -f allowed_signers -I release -n practicum-release -s SHA256SUMS.sig < SHA256SUMS"


def make_page(semester: Semester, folder: Path | None, to: Path | None, console: Console) -> Path:
    """Write the course's page, and return its folder.

    folder: the release that it offers, dist/<id>/release if None. to: where it appears, dist/<id>/site if None. Raises
    PracticumError when a folder that was named is no release of the semester, and as `write_page` does.
    """
    target, published = to or place_page(semester), None
    release = folder or semester.dist / "release"
    if folder or (release / FILE).is_file():
        beside = os.path.relpath(release, target)
        published = read_release(
            semester, release, f"{semester.release.address}/{semester.id}" if semester.release.address else beside
        )
        if not semester.release.address:
            console.say(f"release.address is not set: the page looks for the files in {beside}")
    else:
        console.say(
            f"there is no release in {release.relative_to(semester.course_root)}: the page offers nothing to download"
        )
    write_page(semester, published, target, console)
    return target


def read_release(semester: Semester, folder: Path, base: str) -> Published:
    """Return what the release in `folder` offers; raises PracticumError when it is none of the semester.

    base: where visitors find the files, an address or a path from the page's folder.
    """
    if not (folder / FILE).is_file():
        raise PracticumError(str(folder), "holds no release", f"run: make release SEMESTER={semester.id}")
    record = read_record(folder / FILE)
    if record.semester != semester.id:
        raise PracticumError(
            str(folder), f"is a release of {record.semester}", f"run: practicum site {record.semester}"
        )
    lectures = {path.stem: path.read_bytes() for path in sorted((folder / "report/lectures").glob("*.ipynb"))}
    return Published(
        name=record.name,
        appliances={
            NAMED[name][1].name: _offer(base, product)
            for name, product in record.products.items()
            if NAMED[name][0] == "appliance" and product.file
        },
        images=tuple(_list_images(semester, record, base)),
        port=semester.appliance.jupyter_port,
        slug=semester.course.slug,
        signature=SIGNED if (folder / SIGNATURE).is_file() else "",
        texts={title: (folder / name).read_text() for title, name in TEXTS.items() if (folder / name).is_file()},
        files=_read_small(folder),
        run=lectures,
    )


def _list_images(semester: Semester, record: Record, base: str) -> list[Image]:
    """Return an image for each kind, by a name from which each computer takes its own."""
    images: dict[str, Image] = {}
    for name, product in record.products.items():
        kind = NAMED[name][0]
        if kind != "appliance" and product.file and kind not in images:
            registry = semester.release.registry or f"REGISTRY/{semester.course.slug}"
            pulled = f"{registry}@{product.index or product.digest}"
            images[kind] = Image(kind, pulled, _offer(base, product), product.driver)
    return list(images.values())


def _offer(base: str, product: Product) -> File:
    return File(product.file, f"{base}/{product.file}", product.bytes, product.sha256)


def _read_small(folder: Path) -> dict[str, bytes]:
    """Return the files that vouch for the release, by name, and its SBOMs."""
    names = [SUMS, SIGNATURE, FILE, *TEXTS.values(), "provenance.intoto.jsonl"]
    paths = [folder / name for name in names] + sorted((folder / "sbom").glob("*.json"))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if path.is_file() and path.stat().st_size <= SMALL
    }
