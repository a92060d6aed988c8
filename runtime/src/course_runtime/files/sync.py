"""Brings the course's content into the home folder and never overwrites what the student did there.

For each file of the content: a new one comes; one the student has not touched follows the course; beside an edited one
the course's new version is laid once as `name.new.ext`; a deleted one stays deleted; what the course drops stays with
the student; a solution with a date comes when this machine's clock has reached it. Nothing here may keep JupyterLab
from starting: trouble is one line, and the exit status is 0.
"""

import argparse
import errno
import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path, PurePosixPath

from course_runtime.files.manifest import Manifest, choose_content, read_manifest
from course_runtime.files.state import STATE, State, encode_state, read_state, write_state
from course_runtime.machine.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from course_runtime.machine.content_number import write_number
from course_runtime.machine.machine import CourseError, Machine, load_course

CONTENT = "/opt/course/content"


@dataclass
class Report:
    """What this run did. release: the number of the content release that the home has now, 0 for none."""

    installed: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    release: int = 0


@dataclass(frozen=True)
class Placement:
    """A new version written beside its place, ready to be renamed."""

    path: str
    digest: str
    temporary: Path
    target: Path
    outcome: str  # the list of Report it belongs to


def sync(
    content: Path, home: Path, folder: str, *, restore: bool = False, durable: bool = True, today: date | None = None
) -> Report:
    """Bring `content` into `home`/`folder`; with `restore`, bring deleted files back too; `durable`, onto the disk.

    today: what this machine's clock says, unless it is given. An older content release than the home has had changes
    nothing. Raise CourseError when the content or the folder cannot be used at all; what concerns one file is in the
    report.
    """
    manifest = read_manifest(content)
    home = home.resolve()
    state_file = home / STATE
    state = read_state(state_file)
    before = encode_state(state)
    report = Report()
    top = home / folder
    make_folder(top, home)  # even when nothing comes: JupyterLab opens there
    if not note_release(manifest, state, report):
        return report
    placements = []
    try:
        for source, path in manifest.list_due(today or date.today(), state.installed):
            try:
                if place := plan_file(content / source, manifest.files[source], top, home, path, state, restore):
                    placements.append(place)
            except OSError as error:
                report.problems.append(f"{path}: {error.strerror or error}")
        if placements and durable:
            os.sync()  # one for all: an fsync for each of hundreds of files takes seconds
        for place in placements:
            finish_placement(place, state, report)
    finally:
        for place in placements:
            place.temporary.unlink(missing_ok=True)
    if encode_state(state) != before:
        write_state(state_file, state)
    return report


def note_release(manifest: Manifest, state: State, report: Report) -> bool:
    """Note which content release comes now; False when the home has had a newer one of the same course and semester."""
    newest = state.releases.get(manifest.name, 0)
    report.release = max(newest, manifest.release)
    if manifest.release < newest:
        report.problems.append(
            f"this home has had content release {newest}, here is only {manifest.release}: nothing is changed;"
            " course-update fetches the newest"
        )
        return False
    if manifest.release:
        state.releases[manifest.name] = manifest.release
    return True


def plan_file(
    source: Path, digest: str, top: Path, home: Path, path: str, state: State, restore: bool
) -> Placement | None:
    """Decide what the file `path` of the folder `top` needs and write it beside its place; None for nothing.

    source: the course's version; digest: its SHA-256 in hex.
    """
    target = top / path
    if not restore and state.installed.get(path) == digest:
        return None  # nothing new in the course: whatever the student did with the file stands
    present = hash_file(target)
    if present is None:
        if path in state.installed and not restore:
            return None
        make_folder(target.parent, home)
        return write_beside(source, path, digest, target, "installed")
    if present == digest:
        state.installed[path] = digest  # the same already: an earlier run was cut before it could say so
        return None
    check_inside(target.parent, home)
    if present == state.installed.get(path):
        return write_beside(source, path, digest, target, "updated")
    if state.offered.get(path) == digest:
        return None
    beside = choose_beside(target, digest, state.offered.get(path))
    if beside is None:
        state.offered[path] = digest
        return None
    return write_beside(source, path, digest, beside, "offered")


def choose_beside(target: Path, digest: str, offered: str | None) -> Path | None:
    """Return where a new version goes beside an edited file (in place of an untouched older one); None: it is there."""
    for number in range(1, 1000):
        name = target.with_name(f"{target.stem}.new{'' if number == 1 else number}{target.suffix}")
        present = hash_file(name)
        if present == digest:
            return None
        if present is None or present == offered:
            return name
    raise OSError(f"{target.name} has 999 new versions beside it: delete some")


def write_beside(source: Path, path: str, digest: str, target: Path, outcome: str) -> Placement:
    """Write the course's version `source` of `path` into a temporary file next to `target`; OSError leaves none."""
    data = source.read_bytes()
    if sha256(data).hexdigest() != digest:
        raise OSError("the course's copy is damaged, it is left out")
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("xb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(data)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return Placement(path, digest, temporary, target, outcome)


def finish_placement(place: Placement, state: State, report: Report) -> None:
    """Rename a written file to its place and record it."""
    try:
        place.temporary.replace(place.target)
    except OSError as error:
        report.problems.append(f"{place.path}: {error.strerror}")
        return
    versions = state.offered if place.outcome == "offered" else state.installed
    versions[place.path] = place.digest
    shown = place.target.name if place.outcome == "offered" else PurePosixPath(place.path).name
    getattr(report, place.outcome).append(str(PurePosixPath(place.path).with_name(shown)))


def hash_file(path: Path) -> str | None:
    """Return the SHA-256 of a file, None when nothing is there; raise OSError on what is no file, as a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError("a link is in the way") from None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("something else than a file is in the way")
        return sha256(file.read()).hexdigest()


def make_folder(folder: Path, home: Path) -> None:
    """Make `folder` below `home`, and refuse one that a link takes out of the home."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    check_inside(folder, home)
    for one in reversed(missing):
        one.mkdir(mode=0o755)
        one.chmod(0o755)  # the service's umask must not decide


def check_inside(folder: Path, home: Path) -> None:
    """Raise OSError when a link takes `folder` out of `home`, which is resolved."""
    if not Path(os.path.realpath(folder)).is_relative_to(home):
        raise OSError("a link leads out of the home folder, it is left alone")


def has_arrived(home: Path, folder: str) -> bool:
    """Return whether the content is in the home, or was: what the student deleted does not come back."""
    return (home / STATE).is_file() or any(files for _, _, files in os.walk(home / folder))


def become_owner(home: Path) -> None:
    """Give up root when the home belongs to somebody else: files made here must be the student's."""
    owner = home.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        with suppress(OSError):  # the root of some containers may become nobody else
            os.setgroups([])
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)


def show_report(report: Report) -> None:
    """Say in a few lines what came."""
    if report.installed:
        print(f"course-sync: {len(report.installed)} new files")
    if report.updated:
        print(f"course-sync: {len(report.updated)} files brought up to date")
    for name in report.offered:
        print(f"course-sync: you edited this file, the course's new version is {name}")


def summarise_problems(report: Report) -> str:
    """Return the first problem and the number of others, "" for none."""
    more = f" (and {len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
    return report.problems[0] + more if report.problems else ""


def find_home(machine: Machine) -> Path:
    """Return the student's home folder: root of a booted machine works for its student."""
    as_root = machine.is_booted() and os.geteuid() == 0
    return machine.account(load_course(machine).user).home if as_root else Path.home()


def run(
    home: Path | None = None,
    folder: str | None = None,
    content: Path = Path(CONTENT),
    *,
    restore: bool = False,
    machine: Machine | None = None,
) -> None:
    """Sync as `course-sync` was asked to, and say what came; trouble is one line.

    content: the image's own. Where no `folder` is given, a newer content release in the home comes instead.
    """
    machine = machine or Machine()
    booted = machine.is_booted()
    home = home or find_home(machine)
    problem = ""
    try:
        become_owner(home)
        if not folder:
            course = load_course(machine)
            folder = course.slug
            content, problem = choose_content(content, home, course.name)
        # In a container it would wait for what all other programs of the host have to write.
        report = sync(content, home, folder, restore=restore, durable=booted)
        show_report(report)
        problem = problem or summarise_problems(report)
        if booted and report.release:
            write_number(machine, report.release)
    except CourseError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename or home}: {error.strerror}"
    if problem and not booted and folder and not has_arrived(home, folder):
        problem += f"; JupyterLab serves the course's own copy instead, read-only: {content}"
    if problem:
        print(f"course-sync: {problem}", file=sys.stderr)


def main() -> None:
    """Run `course-sync`."""
    parser = argparse.ArgumentParser(prog="course-sync", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--content", type=Path, default=Path(CONTENT), help="the course's content (%(default)s)")
    parser.add_argument("--home", type=Path, help="the student's home folder")
    parser.add_argument("--folder", help="folder in the home (the course's short name)")
    parser.add_argument("--restore", action="store_true", help="bring back files you deleted; edited ones stay")
    options = parser.parse_args()
    try:
        run(options.home, options.folder, options.content, restore=options.restore)
    except CourseError as error:
        print(f"course-sync: {error}", file=sys.stderr)
