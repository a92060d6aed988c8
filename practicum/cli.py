"""The command line: one thin command for each thing practicum does, and the one place where errors become exit codes.

Exit codes: 0 done; 1 the answer is no (a file that does not conform, a machine that is not ready); 2 a mistake or an
obstacle, named in one line; 75 another process is at it; 128 + n stopped by signal n.
"""

import errno
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from practicum.engine import cache, run
from practicum.engine.errors import PracticumError
from practicum.engine.namespaces import leave_network
from practicum.release import cli as release
from practicum.semester.description import Semester
from practicum.semester.find import (
    choose_architectures,
    choose_images,
    find_root,
    find_semester,
    list_semesters,
    name_course,
    require_product,
)
from practicum.semester.folders import COURSE

if TYPE_CHECKING:
    from practicum.engine.progress import Console

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Builds the practical environment of a course. Run `make help` for the commands around it.",
)
app.add_typer(release.app, name="release")
app.command()(release.changes)
app.command()(release.site)


def print_version(wanted: bool) -> None:
    """Print the version and end the program."""
    if wanted:
        from importlib.metadata import version

        print(f"practicum {version('practicum')}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
    course: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", envvar=COURSE, help="The course; the checkout around here if left out."),
    ] = None,
) -> None:
    """Take the options that stand before a command."""
    if course:  # where `find_root` looks, in this process and in those that it starts
        os.environ[COURSE] = str(course.resolve())


Again = Annotated[str, typer.Option(metavar="STAGE", help="Run this stage, and what reads it, though it is cached.")]

Inputs = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Build without a network, from this file of `practicum inputs`."),
]


def complete_semester(begun: str) -> list[str]:
    """Return the semesters whose names begin so, for the shell's completion."""
    return [name for name in list_semesters(find_root()) if name.startswith(begun)]


SemesterId = Annotated[
    str,
    typer.Argument(
        metavar="[SEMESTER]",
        help="A folder of semesters/, by name or path; the newest if left out.",
        autocompletion=complete_semester,
    ),
]


Product = Annotated[
    Literal["cpu", "cuda"] | None, typer.Option(help="Only this one; all that are described if left out.")
]

Arch = Annotated[
    str, typer.Option(metavar="ARCH", help="For which processors: one, or all; this machine's own if left out.")
]


class Goal(StrEnum):
    """The commands that build products."""

    OVA = "ova"
    DOCKER = "docker"
    ARCHIVE = "archive"


@app.command()
def ova(semester: SemesterId = "", arch: Arch = "", again: Again = "", inputs: Inputs = None) -> None:
    """Build the VirtualBox appliance and print its path."""
    described = find_semester(semester)
    require_product(described, "appliance")
    architectures = choose_architectures(described, arch)
    with building(described, inputs) as console:
        from practicum.commands import build

        paths = build.build_ovas(described, architectures, console, again, inputs)
    print_sizes(paths)


@app.command()
def docker(
    semester: SemesterId = "", product: Product = None, arch: Arch = "", again: Again = "", inputs: Inputs = None
) -> None:
    """Build the container images and print their names."""
    described = find_semester(semester)
    variants, architectures = choose_images(described, product), choose_architectures(described, arch)
    with building(described, inputs) as console:
        from practicum.commands import build

        names = build.build_images(described, architectures, variants, console, again, inputs)
    print(*names, sep="\n")


@app.command()
def archive(
    semester: SemesterId = "", product: Product = None, arch: Arch = "", again: Again = "", inputs: Inputs = None
) -> None:
    """Write the container images as OCI archives with zstd layers into dist/, with their checksums."""
    described = find_semester(semester)
    variants, architectures = choose_images(described, product), choose_architectures(described, arch)
    with building(described, inputs) as console:
        from practicum.commands import build

        paths = build.build_archives(described, architectures, variants, console, again, inputs)
    print_sizes(paths)


@app.command()
def inputs(
    semester: SemesterId = "",
    product: Product = None,
    arch: Arch = "",
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="In place of a file in dist/.")] = None,
) -> None:
    """Write every Debian package and wheel of the last build into one file, from which it can be built again."""
    from practicum.commands.inputs import write_inputs
    from practicum.engine.progress import Console
    from practicum.semester.products import inputs_path

    described = find_semester(semester)
    path, architectures = to or inputs_path(described), choose_architectures(described, arch)
    with Console() as console:
        write_inputs(described, path, console, (product,) if product else described.variants, architectures)
    print_sizes([path])


@app.command()
def explain(
    semester: SemesterId = "",
    arch: Arch = "",
    reads: Annotated[bool, typer.Option("--reads", help="Print what each stage reads, as a table.")] = False,
) -> None:
    """Say of each stage why it would run again, or that it is cached."""
    from practicum.commands import build

    described = find_semester(semester)
    if reads:
        print(build.render_reads(described), end="")
        return
    told = build.explain(described, choose_architectures(described, arch))
    width = max(len(name) for name, _ in told)
    for name, reason in told:
        print(f"{name:<{width}} {reason}")


@app.command()
def lock(semester: SemesterId = "") -> None:
    """Resolve the Python sets with hashes, and record the versions of the Debian packages as they are today."""
    from practicum.commands.lock import lock_semester
    from practicum.engine.progress import Console

    with Console() as console:
        paths = lock_semester(find_semester(semester), console)
    print(*paths, sep="\n")


@app.command()
def verify_ova(
    file: Annotated[Path, typer.Argument(help="The appliance.")],
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    import_only: Annotated[
        bool,
        typer.Option("--import-only", help="Apply only the rules of VirtualBox's importer."),
    ] = False,
) -> None:
    """Apply the rules of VirtualBox's importer, and the course's own, to an appliance; exit code 1 if it breaks one."""
    from practicum.ova import conformance

    rules = conformance.IMPORT_RULES if import_only else conformance.RULES
    report = conformance.check(file, rules, with_sum=json)
    print(report.to_json() if json else report.render())
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="An .ova or an .oci.tar.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another build of the same product.")],
) -> None:
    """Name, for each stage, the first files in which two builds of a product differ; exit code 1 if any differ."""
    from practicum.engine.progress import Console
    from practicum.release.compare import compare as compare_builds
    from practicum.release.compare import render

    with Console() as console:
        differences = compare_builds(a, b, console)
    print(render(differences) if differences else f"{a} and {b} are equal")
    raise typer.Exit(1 if differences else 0)


@app.command()
def check(semester: SemesterId = "") -> None:
    """Read the description of a semester and its locks, and name their mistakes."""
    from practicum.commands.check import check_files

    described = find_semester(semester)
    locked = "" if check_files(described) else f"; choose the packages with: practicum lock {described.id}"
    print(name_course(f"semesters/{described.id}: {described.product_name}, no mistakes{locked}"))


@app.command()
def venv(
    folder: Annotated[Path, typer.Argument(help="The virtual environment to make.")], semester: SemesterId = ""
) -> None:
    """Install the students' Python environment on this machine, without a build."""
    from practicum.commands.venv import make_venv

    make_venv(find_semester(semester), folder)
    print(f"{folder}/bin/python")


@app.command()
def content(
    folder: Annotated[Path, typer.Argument(help="The folder to make; one that this command made is replaced.")],
    solutions: Annotated[
        bool, typer.Option("--solutions", help="With the solutions, whatever semester.toml says.")
    ] = False,
    semester: SemesterId = "",
) -> None:
    """Write the course's content as students get it, without a build."""
    from practicum.commands.content import make_content

    make_content(find_semester(semester), folder, solutions=solutions)
    print(folder)


@app.command()
def lectures(semester: SemesterId = "") -> None:
    """Run the lectures that changed since they were run, and write all of them as pages into dist/."""
    from practicum.commands.lectures import make_lectures

    described = find_semester(semester)
    with building(described) as console:
        folder = make_lectures(described, console)
    print(f"{folder}/index.html")


@app.command()
def prune(
    semester: Annotated[str, typer.Option(metavar="SEMESTER", help="Forget this one's builds first.")] = "",
) -> None:
    """Remove from the cache what killed builds left and what no semester used in its last two builds."""
    from practicum.commands import prune as pruning
    from practicum.engine import stages

    pruned = pruning.prune(semester)
    for line in (*pruned.removed, *(f"left {line}" for line in pruned.left)):
        print(line)
    print(f"{len(pruned.removed)} removed, {cache.format_bytes(pruned.freed)} freed in {cache.root()}")
    if lost := stages.list_lost_images():
        cure = f"docker image rm {' '.join(lost)}"
        print(f"left images without a folder here; unless another cache has it: {cure}", file=sys.stderr)


@app.command()
def preflight(
    semester: SemesterId = "",
    goals: Annotated[
        list[Goal] | None,
        typer.Option("--for", help="The command that is to succeed; may be repeated. ova and docker if left out."),
    ] = None,
    product: Product = None,
    arch: Arch = "",
) -> None:
    """Look at all this machine needs for a build, at once; exit code 1 if something is missing."""
    from practicum.commands.preflight import Build, inspect

    described = find_semester(semester)
    possible = {Goal.OVA: "appliance" in described.products, Goal.DOCKER: bool(described.images)}
    wanted = goals or [goal for goal, is_described in possible.items() if is_described]
    if Goal.OVA in wanted:
        require_product(described, "appliance")
    variants = choose_images(described, product) if {*wanted} != {Goal.OVA} else ()
    findings = inspect(Build(described, tuple(wanted), variants, choose_architectures(described, arch)))
    for finding in findings:
        print(f"{'ok     ' if finding.ok else 'MISSING'}  {finding.subject:<12} {name_course(finding.detail)}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    semester: Annotated[str, typer.Option(metavar="SEMESTER", help="Its first semester; today's if left out.")] = "",
) -> None:
    """Make a course that builds as it is: a semester, a first page, a notebook."""
    from datetime import date

    from practicum.commands.new import choose_semester, make_course

    described = make_course(folder, semester or choose_semester(date.today()))
    course, image = shlex.quote(str(folder)), f"{described.course.slug}:{described.id}-cpu"
    print(f"{folder}: {described.product_name}, a course to change. Type next:")
    print(f"  practicum --course {course} lock      # chooses the packages; takes the network")
    print(f"  practicum --course {course} docker    # the container image; ova: the appliance")
    print(f"  docker run --rm -p 127.0.0.1:8888:8888 {image}")


@app.command("next")
def next_semester(
    name: Annotated[str, typer.Argument(metavar="SEMESTER", help="The semester to make.")],
    earlier: Annotated[
        str, typer.Option("--from", metavar="SEMESTER", help="The one to begin with; the newest if left out.")
    ] = "",
) -> None:
    """Make the next semester from an earlier one: its description, locks and examples; then check it."""
    from practicum.commands.following import list_mentions, make_next

    begun = find_semester(earlier)
    made = make_next(begun, name)
    print(f"semesters/{made.id}: {made.product_name}, no mistakes")
    for line in list_mentions(made.course_root, begun.id):
        print(f"names {begun.id} still: {line}")
    print(name_course(f"Edit semesters/{made.id}/semester.toml, then type: practicum lock {made.id}"))


@contextmanager
def building(described: Semester, inputs: Path | None = None) -> Iterator["Console"]:
    """Give what shows the progress of the semester's only build, which has no network if it has `inputs`.

    What builds is imported inside, not above, so that --help and the refusal of a second build are instant.
    """
    if inputs:
        leave_network()
    scope = described.product_name
    with cache.lock(f"build-{scope}", f"build of {scope}"):
        from practicum.engine.progress import Console

        with Console() as console:
            yield console


def print_sizes(paths: Iterable[Path]) -> None:
    """Print the paths of finished files, each with its size."""
    for path in paths:
        print(f"{path}  ({cache.format_bytes(path.stat().st_size)})")


def exit_code_of(action: Callable[[], object]) -> int:
    """Run `action`, tell its failure in one line on standard error, and return the exit code."""
    try:
        action()
    except PracticumError as error:
        print(*(f"practicum: {name_course(line)}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return error.exit_code
    except run.Stopped as stopped:
        kept = "finished stages and the last good files are kept, the same command goes on from there"
        print(f"practicum: stopped by {stopped}; {kept}", file=sys.stderr)
        return stopped.exit_code
    except KeyboardInterrupt:  # before stop_on_signals
        return 130
    except OSError as error:
        if error.filename is None and error.errno not in NO_SPACE:  # no file that a person could mend
            raise
        print(f"practicum: {explain_os_error(error)}", file=sys.stderr)
        return 2
    return 0


def explain_os_error(error: OSError) -> PracticumError:
    """Return what a person can do about a file that cannot be made, read or written."""
    where = str(error.filename or cache.locate())
    if error.errno in NO_SPACE:
        return PracticumError(where, "no space left", "free some, then run this again")
    reason = error.strerror or type(error).__name__
    if Path(where).is_relative_to(cache.locate()) or cache.locate().is_relative_to(where):
        return PracticumError(where, reason, "set XDG_CACHE_HOME to a folder that you may write")
    return PracticumError(where, reason, f"look at it with: ls -ld {shlex.quote(where)}")


def main() -> None:
    """Run `practicum`."""
    os.umask(0o022)  # as for everybody who logs in, so that nothing in a product has another mode
    run.stop_on_signals()
    sys.exit(exit_code_of(app))
