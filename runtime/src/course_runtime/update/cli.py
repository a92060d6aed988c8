"""`course-update`: bring the newest content release, from the course's address or from files, into the home.

What comes is verified with the keys in the product, is never older than what the home has had, and appears under its
name when it is whole. Then `course-sync` takes it from there, and leaves the student's edits alone. So a cut at any
moment, and whatever a server sends, changes no file.
"""

import argparse
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course_runtime.files import sync
from course_runtime.files.manifest import choose_content, find_kept, list_kept, read_release
from course_runtime.files.state import STATE, read_state
from course_runtime.machine.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, fsync_path
from course_runtime.machine.machine import Course, CourseError, Machine, explain, load_course
from course_runtime.update.answers import TELL, NotNow, Untrue
from course_runtime.update.sources import FolderSource, Source, WebSource
from course_runtime.update.statement import Statement, read_statement, require_own
from course_runtime.update.unpack import fill_in, unpack

WRONG_USE = 2


def update(machine: Machine, course: Course, home: Path, source: Source, *, quiet: bool) -> None:
    """Bring what `source` has, if it is newer; raise CourseError or OSError when nothing can or may come."""
    image = machine.path(sync.CONTENT)
    statement = read_statement(source.read_statement(), machine, source.where)
    require_own(statement, course, source.where)
    there = read_release(choose_content(image, home, course.name)[0])
    had = read_state(home / STATE).releases.get(course.name, 0)
    if statement.release < max(there, had):
        offer = f"{source.where} offers content release {statement.release}"
        raise Untrue(f"{offer}, older than {max(there, had)}, which is here", TELL)
    if statement.release > there:
        with alone(find_kept(home, course.name)) as kept:
            bring(machine, kept, statement, source)
            remove_older(home, course, statement.release)
        print(f"course-update: content release {statement.release} came", flush=True)
    elif not quiet:
        print(f"course-update: content release {there} is the newest", flush=True)
    if statement.release > had or not quiet:
        sync.run(home, content=image, machine=machine)


def bring(machine: Machine, kept: Path, statement: Statement, source: Source) -> None:
    """Make the folder of a content release in `kept`."""
    target = kept / str(statement.release)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX, dir=kept) as name:
        archive, content = Path(name, "archive"), Path(name, "content")
        with archive.open("xb") as file:
            source.copy_archive(statement, file)
        manifest = unpack(archive, content, statement.file)
        if (manifest.name, manifest.release) != (kept.name, statement.release):
            raise Untrue(f"{statement.file} has another content release than {source.where} states", TELL)
        fill_in(content, manifest, machine)
        if machine.is_booted():
            os.sync()  # one for all files; in a container it would wait for all programs of the host
        shutil.rmtree(target, ignore_errors=True)  # a damaged one
        content.rename(target)
        fsync_path(kept)


def remove_older(home: Path, course: Course, newest: int) -> None:
    """Remove the content releases of `course` in `home` but the newest."""
    for number in list_kept(home, course.name):
        if number != newest:
            shutil.rmtree(find_kept(home, course.name) / str(number), ignore_errors=True)


@contextmanager
def alone(kept: Path) -> Iterator[Path]:
    """Make the folder `kept`, without what a cut update left in it; raise NotNow while another update is at work."""
    kept.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(kept, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotNow("another course-update is at work", "wait a minute, then run it again") from None
        except OSError:
            pass  # a file system without locks
        for left in kept.glob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"):
            shutil.rmtree(left, ignore_errors=True)
        yield kept
    finally:
        os.close(descriptor)


def choose_source(course: Course, given: Path | None) -> Source:
    """Return where to look; raise CourseError where the course names no place."""
    if given:
        return FolderSource(given)
    cure = "course-update --from FILE takes files that you were given"
    if not course.address:
        raise CourseError("this course has no address from which content releases come", cure)
    if not course.updates:
        raise CourseError("this course does not let machines ask for content releases", cure)
    return WebSource(course)


def run(machine: Machine, given: Path | None = None, *, quiet: bool = False) -> int:
    """Run `course-update` and return its exit status: 0 done, 1 nothing could or may come, 2 it was used wrongly.

    quiet: say only what came and what is wrong, and return 0.
    """
    try:
        course = load_course(machine)
        source = choose_source(course, given)
    except CourseError as error:
        return 0 if quiet else fail(error, WRONG_USE)
    try:
        home = sync.find_home(machine)
        sync.become_owner(home)
        update(machine, course, home, source, quiet=quiet)
    except NotNow as error:
        return 0 if quiet else fail(error, 1)
    except CourseError as error:
        return fail(error, 0 if quiet else 1)
    except OSError as error:
        return fail(explain(error), 0 if quiet else 1)
    return 0


def fail(error: CourseError, status: int) -> int:
    """Say what is wrong, and return `status`."""
    print(f"course-update: {error}", file=sys.stderr)
    return status


def main() -> None:
    """Run `course-update`."""
    parser = argparse.ArgumentParser(prog="course-update", description="Bring the newest files of the course.")
    parser.add_argument(
        "--from",
        dest="given",
        type=Path,
        metavar="FILE",
        help="a content.json that you were given, with its archive beside it, or their folder; no network is used",
    )
    parser.add_argument("--quiet", action="store_true", help="as at a start: silent when nothing came, status 0")
    options = parser.parse_args()
    if options.given and not options.given.exists():
        parser.error(f"{options.given}: there is no such file")
    try:
        sys.exit(run(Machine(), options.given, quiet=options.quiet))
    except KeyboardInterrupt:
        sys.exit(130)
