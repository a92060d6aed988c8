"""What a grader makes of a submission and of the run of its test.py: problems, notes and a verdict."""

import re
import signal
import site
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath

from course_tools.submit.launch import HOOK
from course_tools.submit.project_sources import FRAMEWORK, NOISE, PAIRS, Line, Sources
from course_tools.submit.runner import Ended, find_home
from course_tools.submit.submission import TEST, Copy, count_pages, format_size

ARCHIVE_NAME = re.compile(r"Proj(_\d+)+\.zip")
ERROR = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Exit|Warning|Iteration)\b.*")
USAGE = re.compile(r"error: (the following arguments are required: .*|.*required.*)")
SPREAD = re.compile(r"±|\+/-|\+-|\bstd\b|standard dev|\bsd\b", re.IGNORECASE)
MEAN = re.compile(r"±|\+/-|\+-|\bmean\b|\baverage\b|\bavg\b", re.IGNORECASE)
COUNT = re.compile(r"param", re.IGNORECASE)
FETCHERS = re.compile(
    r"\b(pip3?|conda|mamba|uv|curl|wget|git|apt|apt-get)\b.*\b(install|clone|http\S*|add)\b|\b(curl|wget)\b"
)
WITHOUT_AUTOGRAD = "Miniproject_2"  # the folder of the noise2noise project's own framework
MOST_LINES = 5  # of one kind: the page is short
LARGE_ARCHIVE = 50 << 20


@dataclass
class Judged:
    """Problems make a submission fail; notes are worth a look."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verdict: str = ""


def judge_copy(source: Path, copy: Copy, folders: Sequence[PurePosixPath]) -> Judged:
    """Return what can be said before anything runs."""
    judged = Judged()
    if not folders:
        python = [str(path) for path in copy.files if path.suffix == ".py"]
        other = [name for name in python if PurePosixPath(name).name.lower() == TEST]
        hint = (
            f"rename {other[0]}"
            if other
            else f"there is {', '.join(python[:5])}"
            if python
            else "no Python file at all"
        )
        judged.problems.append(f"no {TEST}: {hint}")
        judged.verdict = f"A grader would see: nothing to run, there is no {TEST}"
    elif len(folders) == 1 and folders[0].parts and not re.fullmatch(r"(?i)proj(ect)?_?\d", folders[0].name):
        judged.notes.append(f"{TEST} lies in {folders[0]}: graders look at the top, or in Proj1 and Proj2")
    reports = [path for path in copy.files if path.suffix.lower() == ".pdf"]
    for folder in folders if len(folders) > 1 else folders[:1]:
        if not any(folder == path.parent or folder in path.parents for path in reports):
            where = f" in {folder}" if len(folders) > 1 else ""
            judged.notes.append(f"no report{where}: a PDF of 2 to 3 pages is expected")
    for path in reports:
        if (pages := count_pages(copy.folder / path)) > 3:
            judged.notes.append(f"{path} has {pages} pages: a report of 2 to 3 is expected")
    if source.is_file() and not ARCHIVE_NAME.fullmatch(source.name):
        judged.notes.append(f"{source.name}: archives are called like Proj_123456_234567.zip, with your SCIPER numbers")
    if copy.size > LARGE_ARCHIVE:
        judged.notes.append(f"{format_size(copy.size)} are a lot: data sets and checkpoints are not to be handed in")
    return judged


def judge_run(
    ended: Ended,
    sources: Sources,
    project: str | None,
    checked: Sequence[tuple[str, str]] | None,
    place: Path,
    folder: PurePosixPath,
    time_limit: float,
) -> Judged:
    """Return what a grader makes of one run in `place`; `checked` are the findings of the project's own check."""
    judged = Judged()
    ran, ran_lines = list_sources(ended, place), list_lines(ended, place)
    failure = explain_failure(ended, time_limit)
    if failure:
        judged.problems.append(failure)
    elif not ended.output.strip():
        judged.notes.append(f"{TEST} prints nothing: a grader wants to see its errors")
    for name, line in explain_missing(ended, sources):
        fatal = failure and re.search(rf"No module named '{re.escape(name)}\b", ended.output)
        (judged.problems if fatal else judged.notes).append(line)
    for kind, line, forbidden in list_findings(ended, sources, ran, failed=bool(failure)):
        target = judged.problems if forbidden else judged.notes
        target.append(f"{kind}: {line}")
    against = list_forbidden(sources, project)
    uses = [line for line in against if (line.file, line.number) in ran_lines]
    judged.problems += shorten([f"forbidden in this project: {line}" for line in uses])
    for kind, text in checked or ():
        if kind != "ok":
            (judged.problems if kind == "problem" else judged.notes).append(text)
    if project == PAIRS and not failure:
        judged.notes += list(list_missing_words(ended.output))
    judged.notes += list(list_rest(sources, ran, [line for line in against if line not in uses]))
    judged.problems, judged.notes = list(dict.fromkeys(judged.problems)), list(dict.fromkeys(judged.notes))
    judged.verdict = make_verdict(ended, failure, judged, folder)
    return judged


def list_sources(ended: Ended, place: Path) -> set[str]:
    """Return the names of the sources below `place` that ran."""
    paths = [Path(text) for text in ended.list_records("source")]
    return {path.relative_to(place).as_posix() for path in paths if path.is_relative_to(place)}


def list_lines(ended: Ended, place: Path) -> set[tuple[str, int]]:
    """Return the lines (name, number) below `place` that were watched and ran."""
    pairs = [text.rpartition("\t") for text in ended.list_records("line")]
    return {(Path(path).relative_to(place).as_posix(), int(number)) for path, _, number in pairs}


def list_forbidden(sources: Sources, project: str | None) -> list[Line]:
    """Return the lines that `project` forbids, whether they run or not."""
    if project == NOISE:
        return [line for line in sources.forbidden if PurePosixPath(line.file).parts[0] == WITHOUT_AUTOGRAD]
    return sources.forbidden if project == FRAMEWORK else []


def list_rest(sources: Sources, ran: Collection[str], unused: Sequence[Line]) -> Iterator[str]:
    """Yield one line about what is not judged: files that did not run, and `unused`, what would be forbidden."""
    rest = []
    for name in sources.files:
        if name not in ran:
            found = dict.fromkeys(line.text for line in unused if line.file == name)
            found.update({"it is no Python": None} if name in sources.broken else {})
            rest.append(f"{name} ({', '.join(found)})" if found else name)
    rest += [f"{line.file}:{line.number} ({line.text})" for line in unused if line.file in ran]
    if rest:
        rest.sort(key=lambda text: "(" not in text)  # what would be forbidden comes first
        yield f"not judged, {TEST} does not run it: {', '.join(shorten(rest))}"


def explain_failure(ended: Ended, time_limit: float) -> str:
    """Return why the run did not end well; "" when it did."""
    if ended.timed_out:
        return f"{TEST} was still running after {time_limit:g} s and was ended, with all that it started"
    if ended.status == 0:
        return ""
    if ended.status < 0:
        name = signal.Signals(-ended.status).name
        why = ": most likely there was too little memory" if -ended.status == signal.SIGKILL else ""
        return f"{TEST} was killed by {name}{why}"
    if found := USAGE.search(ended.output):
        return f"{TEST} wants arguments ({found[1][:80]}): it must run without any"
    if "EOFError" in ended.output and ended.list_records("input"):
        return f"{TEST} waits for the keyboard, {TEST} must run alone: remove input()"
    error = find_error(ended.output)
    if error.startswith("IndexError") and "sys.argv" in ended.output:
        return f"{TEST} wants arguments ({error}): it must run without any"
    return f"{TEST} ends with exit status {ended.status}" + (f": {error}" if error else "")


def find_error(output: str) -> str:
    """Return the last line of a traceback."""
    lines = [line for line in output.splitlines() if ERROR.match(line)]
    return lines[-1][:200] if lines else ""


def explain_missing(ended: Ended, sources: Sources) -> Iterator[tuple[str, str]]:
    """Yield modules that the sources import and the course's environment does not have, each with a line."""
    for name in ended.list_records("missing"):
        if name in sources.imported:
            places = find_elsewhere(name)
            only = f"it is in {places[0]} only" if places else "it is not on this machine at all"
            yield name, f"module {name} is not in the course's environment: {only}"


def find_elsewhere(name: str) -> list[str]:
    """Return where the student may have a module that the environment does not have, as the student would say it."""
    home = find_home()
    folders = [Path(site.getusersitepackages())]
    folders += sorted(home.glob(".local/lib/python3*/site-packages"))
    folders += [Path(entry) for entry in sys.path if entry]
    for pattern in ("*/lib/python3*/site-packages", "*/envs/*/lib/python3*/site-packages"):
        folders += sorted(home.glob(pattern)) if home != Path("/") else []
    places = []
    for folder in dict.fromkeys(folders):
        with suppress(OSError, ImportError, ValueError):
            if PathFinder.find_spec(name, [str(folder)]):
                inside = folder.is_relative_to(home)
                places.append(f"your home (~/{folder.relative_to(home)})" if inside else str(folder))
    return places


def list_findings(
    ended: Ended, sources: Sources, ran: Collection[str], *, failed: bool
) -> Iterator[tuple[str, str, bool]]:
    """Yield (kind, line, whether it is forbidden) of what was seen while it ran, and in the sources that `ran`."""
    for kind, record, forbidden in (
        ("tries to reach the network, graders have none", "network", True),
        ("writes outside its own folder", "write", True),
        ("reads a file of yours that graders do not have", "read", True),
        ("waits for the keyboard", "input", not failed),
    ):
        yield from ((kind, line, forbidden) for line in shorten(ended.list_records(record)))
    programs = [line for line in ended.list_records("program") if FETCHERS.search(line)]
    yield from (("starts a program that needs the network", line[:100], True) for line in shorten(programs))
    left = [line[:80] for line in ended.left_running]
    yield from (("leaves a program running (ended now)", line, True) for line in shorten(left))
    for text in shorten(ended.list_records("warning")):
        category, file, line, message = (text.split("\t") + [""] * 3)[:4]
        yield "warning", f"{PurePosixPath(file).name}:{line}: {category}: {message.splitlines()[0][:90]}", False
    for kind, lines in (
        ("absolute path", sources.absolute),
        ("not without arguments or keyboard?", sources.arguments),
    ):
        yield from ((kind, line, False) for line in shorten([str(line) for line in lines if line.file in ran]))
    if ended.isolation == HOOK:
        yield (
            "network",
            "this machine cannot take it away completely: Python was refused, other programs were not",
            False,
        )


def list_missing_words(output: str) -> Iterator[str]:
    """Yield what the pairs project is to print."""
    if not (MEAN.search(output) and SPREAD.search(output)):
        yield "the output shows no mean with a standard deviation: 10 rounds or more are asked for"
    if not COUNT.search(output):
        yield "the output does not say how many parameters the models have"


def shorten(lines: Sequence[str]) -> list[str]:
    """Return the first of `lines`, and how many more there are."""
    lines = list(dict.fromkeys(lines))
    more = [f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    return lines[:MOST_LINES] + more


def make_verdict(ended: Ended, failure: str, judged: Judged, folder: PurePosixPath) -> str:
    """Return the verdict in one line."""
    name = f"{folder / TEST}" if folder.parts else TEST
    if failure:
        return f"A grader would see: {name}{failure.removeprefix(TEST)[:150]}"
    counts = [f"{len(judged.problems)} problem{'s' * (len(judged.problems) > 1)}"] * bool(judged.problems)
    rest = f", but with {counts[0]}" if counts else ", nothing forbidden"
    return f"A grader would see: {name} ends well after {ended.seconds:.0f} s{rest}"
