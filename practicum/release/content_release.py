"""`practicum release content`: the students' files alone, numbered and signed, which machines fetch by themselves.

The folder dist/<id>/content has two files: the archive, and content.json with a statement about it and the statement's
signature. Who has content.json can judge the archive. The same commit gives the same bytes.
"""

import base64
import gzip
import json
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from practicum.commands.content import assemble_content
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.publish import move_folder, new_file, write_text
from practicum.engine.run import read
from practicum.release.assemble import require_committed
from practicum.release.commits import git_of, list_releases, read_checkout, read_commit
from practicum.release.signing import is_allowed, sign_file
from practicum.release.sums import Untrue
from practicum.semester.description import Semester
from practicum.semester.settings import SIGNERS, describe_content

FILE = "content.json"
"""The statement and its signature: the one file of a published content release that a later one replaces."""

NAMESPACE = "practicum-content"
"""Of the signature: a release's signature cannot be taken for that of a content release."""

LIMIT = 64 * 10**6
"""The most bytes of an archive that machines take."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Statement(_Model):
    """What is signed. file: name of the archive; bytes: its size; sha256: of it, hex; created: of the commit."""

    version: int = 1
    course: str
    semester: str
    release: int = Field(ge=1)
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    bytes: int
    sha256: str
    created: str

    @property
    def name(self) -> str:
        """The name of the content release in messages."""
        return f"content release {self.release} of {self.semester}"

    @property
    def folder(self) -> str:
        """The name of the folder, below the address of the releases, in which all of the semester's lie."""
        return f"{self.semester}-content"


class Signed(_Model):
    """The file content.json. payload: the statement as JSON, in base64. signature: of that JSON, by `ssh-keygen -Y`."""

    payload: str
    signature: str


class ContentRecord(_Model):
    """What the repository keeps of a content release: the sha256 of its list of files, and its first commit."""

    release: int
    manifest: str
    revision: str
    created: str


@dataclass(frozen=True)
class Written:
    """What `write_content_release` leaves: the folder, what it states, and the record's file in semesters/ for git."""

    folder: Path
    statement: Statement
    kept: Path


def write_content_release(semester: Semester, key: Path | None) -> Written:
    """Write dist/<id>/content, which appears when it is whole, and its record.

    key: the private ssh key that signs. Raises PracticumError when files differ from the commit, when another content
    has the number, when a page names a package that no lock names, without a key, and for a key that no product knows.
    """
    if key is None:
        cure = "make a key as docs/release.md says, then: export PRACTICUM_SIGNING_KEY=practicum-release"
        raise PracticumError("PRACTICUM_SIGNING_KEY", "is not set, and machines take only what is signed", cure)
    revision = semester.revision
    require_committed(revision, "make content-release")
    require_own_number(semester)
    dist = semester.dist
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".content-", dir=dist) as name:
        assembled, folder = Path(name, "files"), Path(name, "content")
        manifest = assemble_content(semester, assembled)
        made = ContentRecord(
            release=semester.content.release,
            manifest=cache.hash_file(manifest),
            revision=revision.full,
            created=revision.date,
        )
        record = choose_record(semester, made)
        folder.mkdir(mode=0o755)
        archive = folder / f"{semester.product_name}-content-{semester.content.release}.tar.gz"
        write_archive(manifest, archive, semester.epoch)
        statement = describe(semester, archive, record.created)
        text = sign(statement, key, semester.folder.parent / SIGNERS)
        write_text(folder / FILE, text)
        move_folder(folder, dist / "content")
    kept = record_path(semester, semester.content.release)
    write_text(kept, record.model_dump_json(indent=1) + "\n")
    return Written(dist / "content", statement, kept)


def require_own_number(semester: Semester) -> None:
    """Raise PracticumError when the products of the last release have other files under this number."""
    released = list_releases(semester.course_root, semester.id)
    if not released:
        return
    last = released[-1]
    then, now = (
        read_commit(semester.course_root, last.revision, semester.id),
        read_checkout(semester.course_root, semester.id),
    )
    git = git_of(semester.course_root)
    described = read([*git, "show", f"{last.revision}:semesters/{semester.id}/semester.toml"], step="git")
    number = tomllib.loads(described)["content"].get("release", 1)
    same = [next(iter(record.products.values())).content for record in (then, now)]
    if semester.content.release < number or (semester.content.release == number and same[0] != same[1]):
        raise refuse_number(semester, f"the products of {last.name} have content release {number}", number + 1)


def refuse_number(semester: Semester, reason: str, following: int) -> PracticumError:
    """Return the error about a number that is taken."""
    where = f"content.release = {semester.content.release}"
    cure = f"raise content.release to {following} in semesters/{semester.id}/semester.toml, and commit it"
    return PracticumError(where, reason, cure)


def record_path(semester: Semester, number: int) -> Path:
    """Return where the record of a content release is kept."""
    return semester.folder / "content" / f"{number}.json"


def choose_record(semester: Semester, made: ContentRecord) -> ContentRecord:
    """Return the record that an earlier run left of the same files, else `made`.

    Raises PracticumError when the number has other files, or a later content release was made.
    """
    kept = {int(path.stem): read_record(path) for path in (semester.folder / "content").glob("*.json")}
    found = kept.get(made.release)
    if found and found.manifest == made.manifest:
        return found
    if found:
        raise refuse_number(semester, "an earlier content release of this number has other files", max(kept) + 1)
    if kept and max(kept) > made.release:
        raise refuse_number(semester, f"content release {max(kept)} was made before", max(kept) + 1)
    return made


def read_record(path: Path) -> ContentRecord:
    """Return the record in the file; raises PracticumError when it is none."""
    try:
        return ContentRecord.model_validate_json(path.read_bytes())
    except ValidationError:
        raise PracticumError(str(path), "is no record of a content release", f"git checkout -- {path}") from None


def write_archive(manifest: Path, target: Path, epoch: int) -> None:
    """Write the list `manifest` and the files beside and below it as a .tar.gz, the list first.

    The same files give the same bytes. epoch: the time of each file, in seconds since 1970.

    Raises PracticumError when it is larger than machines take.
    """
    top = manifest.parent
    names = sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())
    names.sort(key=lambda name: name != manifest.name)
    with (
        new_file(target) as new,
        gzip.GzipFile(filename="", mode="wb", fileobj=new.stream, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = (top / name).stat().st_size, epoch, 0o644
            info.uname = info.gname = "root"
            with (top / name).open("rb") as stream:
                tar.addfile(info, stream)
    size = target.stat().st_size
    if size > LIMIT:
        cure = "leave large files out of content.include: data sets come by course-data"
        raise PracticumError(target.name, f"has {size} bytes, machines take {LIMIT}", cure)


def describe(semester: Semester, archive: Path, created: str) -> Statement:
    """Return the statement about an archive."""
    stated = {
        **describe_content(semester),
        "file": archive.name,
        "bytes": archive.stat().st_size,
        "sha256": cache.hash_file(archive),
        "created": created,
    }
    return Statement.model_validate(stated)


def sign(statement: Statement, key: Path, signers: Path) -> str:
    """Return the text of content.json; raises PracticumError when `signers` does not allow the key to sign content."""
    payload = json.dumps(statement.model_dump(), sort_keys=True).encode()
    with tempfile.TemporaryDirectory(prefix="practicum-") as name:
        stated = Path(name, "statement")
        stated.write_bytes(payload)
        signature = sign_file(stated, key, NAMESPACE)
        if not is_allowed(stated, signature, signers, NAMESPACE):
            public = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
            namespaces = f'namespaces=\\"practicum-release,{NAMESPACE}\\"'
            cure = f"echo \"release {namespaces} $(cut -d ' ' -f 1,2 {public})\" >>semesters/{SIGNERS}"
            raise PracticumError(str(key), f"may not sign content: semesters/{SIGNERS} has no line for it", cure)
        signed = Signed(payload=base64.b64encode(payload).decode(), signature=signature.read_text())
    return json.dumps(signed.model_dump(), indent=1) + "\n"


def open_content(folder: Path) -> Statement:
    """Return what the content release in `folder` states; raises Untrue when its archive is another one."""
    statement = read_statement((folder / FILE).read_bytes())
    archive = folder / statement.file
    if not archive.is_file() or cache.hash_file(archive) != statement.sha256:
        raise Untrue(str(archive), f"is not the archive that {FILE} names", "make it: practicum release content")
    return statement


def read_statement(text: bytes) -> Statement:
    """Return what a content.json states, whoever signed it; raises Untrue when it is none."""
    try:
        return Statement.model_validate_json(base64.b64decode(Signed.model_validate_json(text).payload))
    except ValueError:
        raise Untrue(FILE, "states nothing of a content release", "make it: practicum release content") from None
