"""`practicum release`: write the folder dist/<id>/release and the record, which a person then commits.

The folder appears when it is complete. The same commit with the same products and reports gives the same bytes.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import move_folder, write_text
from practicum.engine.run import read
from practicum.ova import conformance
from practicum.release import contents
from practicum.release.changes import render_changes
from practicum.release.commits import find_previous, git_of, list_releases, record_path
from practicum.release.contents import Answers
from practicum.release.notes import render_notes
from practicum.release.proof import collect_reports, read_proof
from practicum.release.record import FILE, NAMED, Record, write_record
from practicum.release.sbom import render_sbom
from practicum.semester.description import Semester
from practicum.semester.locks import find_lock
from practicum.semester.revision import Revision

MATERIALS = ("semester.toml", "*.lock")
"""Files of a semester's folder that the provenance names with their sha256."""


@dataclass(frozen=True)
class Released:
    """What `release` leaves: the folder, its record, the record's file in semesters/ for git, whether it is signed."""

    folder: Path
    record: Record
    kept: Path
    signed: bool


def release(semester: Semester, console: Console, *, number: int = 0, key: Path | None = None) -> Released:
    """Assemble the release of the commit that is checked out, from the products that were built of it.

    number: of the release; `choose_number` replaces 0. key: the private ssh key that signs; None leaves the release
    unsigned. Raises PracticumError when files differ from the commit, a product is not built or breaks a rule of
    VirtualBox's importer, tests of it failed, or another commit has the number.
    """
    revision = semester.revision
    require_committed(revision)
    number = choose_number(semester, revision.full, number)
    with cache.work_folder("release") as work:
        described = contents.describe_all(semester, work, console)
    products = {name: product for name, (product, _) in described.items()}
    record = Record(
        semester=semester.id,
        number=number,
        revision=revision.full,
        created=revision.date,
        products=products,
        proof=read_proof(semester.checkout, revision.full, products.values()),
        floors=contents.read_floors((semester.checkout / "semesters/security-floors.toml").read_text()),
    )
    answers = {name: answered for name, (_, answered) in described.items()}
    folder = assemble(semester, record, answers, console, key=key)
    kept = record_path(semester.course_root, semester.id, number)
    write_text(kept, write_record(record))
    return Released(folder, record, kept, key is not None)


def require_committed(revision: Revision, command: str = "make release") -> None:
    """Raise PracticumError unless the files are those of a commit, which a release names as its source.

    command: what the cure says to run then.
    """
    if revision.full == "unknown":
        raise PracticumError("release", "this is no git repository", "release from a clone of the repository")
    if revision.dirty:
        cure = f"see which: git status; commit them, then run: {command}"
        raise PracticumError("release", f"files differ from commit {revision.full[:12]}", cure)


def choose_number(semester: Semester, revision: str, wanted: int = 0) -> int:
    """Return the number of the release of `revision`.

    It is `wanted`; else that of the tag <id>-r<number> on the commit; else that of an earlier run; else the next one.
    Raises PracticumError when another commit has the number.
    """
    released = {record.number: record.revision for record in list_releases(semester.course_root, semester.id)}
    earlier = [number for number, commit in released.items() if commit == revision]
    following = max([0, *released, *list_tags(semester)]) + 1
    number = wanted or max(list_tags(semester, "--points-at=HEAD"), default=0) or max(earlier, default=following)
    if released.get(number, revision) != revision:
        raise PracticumError(
            f"{semester.id}-r{number}",
            f"was released before, from commit {released[number][:12]}",
            f"run: practicum release {semester.id} --number {following}",
        )
    return number


def list_tags(semester: Semester, *options: str) -> list[int]:
    """Return the numbers of the semester's releases that are tags; options: of `git tag`."""
    told = read([*git_of(semester.course_root), "tag", "--list", *options, f"{semester.id}-r*"], step="git")
    found = (re.fullmatch(rf"{re.escape(semester.id)}-r([1-9]\d*)", tag) for tag in told.split())
    return [int(match[1]) for match in found if match]


def assemble(
    semester: Semester,
    record: Record,
    answers: Mapping[str, Answers],
    console: Console,
    *,
    key: Path | None = None,
) -> Path:
    """Write the release of `record` beside dist/<id>/release, then give it that name, in place of an earlier one.

    answers: what the products said of themselves. The large files are not copied: they get a second name.
    """
    from practicum.release import provenance, signing, sums

    dist = semester.dist
    beside = dist / ".release.new"
    cache.remove_tree(beside)
    beside.mkdir(parents=True)
    try:
        write_files(beside, semester, record, answers, signed=key is not None)
        verify_appliances(beside, record, console)
        provenance.write_provenance(beside, record, key, materials=hash_materials(semester))
        console.say(f"hashing {cache.format_bytes(sum(product.bytes for product in record.files.values()))}")
        sums.write_sums(beside)
        if key:
            signing.sign(beside, key)
        move_folder(beside, dist / "release")
    finally:
        cache.remove_tree(beside)
    return dist / "release"


def write_files(
    folder: Path, semester: Semester, record: Record, answers: Mapping[str, Answers], *, signed: bool
) -> None:
    """Fill `folder` with everything but the provenance, the sums and the signature."""
    previous = find_previous(semester.course_root, semester.id, record.number)
    for file in record.files:
        link(semester.dist / file, folder / file)
    for name, product in record.products.items():
        kind, architecture = NAMED[name]
        lock = find_lock(semester, "cuda" if kind == "cuda" else "cpu", architecture)
        text = render_sbom(record.name, record.created, name, product, answers[name], lock, semester.debian.suite)
        write_text(folder / f"sbom/{name}.cdx.json", text)
    write_text(folder / FILE, write_record(record))
    write_text(folder / "CHANGES.md", render_changes(previous, record))
    write_text(folder / "NOTES.md", render_notes(record, previous, signed=signed))
    (folder / "report").mkdir()
    collect_reports(semester.checkout, folder / "report", record.proof)


def link(source: Path, name: Path) -> None:
    """Give the file `source` a second name; a file system without hard links gets a copy."""
    try:
        os.link(source, name)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, name)


def verify_appliances(folder: Path, record: Record, console: Console) -> None:
    """Write a report, report/verify-ova.json, on each appliance; raises PracticumError when one breaks a rule."""
    for name, product in record.products.items():
        kind, architecture = NAMED[name]
        if kind == "appliance":
            console.say(f"verifying {product.file}")
            report = conformance.check(folder / product.file, with_sum=True)
            if not report.ok:
                cure = f"see which: practicum verify-ova dist/{record.semester}/{product.file}"
                raise PracticumError(product.file, f"breaks rules: {report.verdict}", cure)
            write_text(folder / f"report/verify-ova{architecture.suffix}.json", report.to_json() + "\n")


def hash_materials(semester: Semester) -> dict[str, str]:
    """Return the sha256, by path in the repository, of the files that say what is in the products."""
    paths = [path for pattern in MATERIALS for path in sorted(semester.folder.glob(pattern))]
    return {str(path.relative_to(semester.course_root)): cache.hash_file(path) for path in paths}
