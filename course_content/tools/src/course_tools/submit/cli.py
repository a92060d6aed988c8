"""`course-submit FOLDER`: what a grader sees who runs the test.py of what you hand in, on one page.

It copies the folder, or unpacks the zip archive, and runs `python test.py` there: without a network, without what you
installed yourself, with an empty home, nobody at the keyboard and a time limit.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from course_tools.datasets.catalogue import COURSE_FOLDER, HOME_FOLDER, SETS
from course_tools.submit import project_sources, runner, submission
from course_tools.submit.judge import Judged, judge_copy, judge_run, list_forbidden, list_sources
from course_tools.submit.page import LONGEST_PAGE, format_page
from course_tools.submit.submission import TEST, Copy, UnusableSubmissionError

# By the path of this very package: another version may be installed.
CHECK = "import sys; sys.path.insert(0, sys.argv[1]); from course_tools.submit.{} import main; main()"
CHECKS = {
    project_sources.FRAMEWORK: CHECK.format("framework_check"),
    project_sources.NOISE: CHECK.format("noise_check"),
}

TIME_LIMIT = 600.0  # seconds: nobody waits longer for a project


def submit(source: Path, project: str | None, time_limit: float) -> dict[str, Any]:
    """Run every test.py of `source` in a clean copy; return what the page shows. Raise UnusableSubmissionError."""
    scratch = Path(os.path.realpath(make_scratch()))
    try:
        (scratch / "work").mkdir()
        copy = submission.copy_submission(source, scratch)
        folders = submission.find_tests(copy)
        shared = judge_copy(source, copy, folders)
        runs = []
        for number, folder in enumerate(folders):
            print(f"course-submit: running {folder / TEST} (at most {time_limit:g} s)", file=sys.stderr, flush=True)
            own_scratch = scratch / f"run{number}"
            own_scratch.mkdir()
            runs.append(run_test(source, copy, folder, own_scratch, project, time_limit))
        return summarize(source, copy, shared, runs)
    finally:
        remove(scratch)


def make_scratch() -> str:
    """Return a new folder for everything; raise UnusableSubmissionError."""
    try:
        return tempfile.mkdtemp(prefix="course-submit-")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableSubmissionError(
            f"no folder for a copy ({reason}): make room, or name a folder that can be written in TMPDIR"
        ) from error


def remove(folder: Path) -> None:
    """Remove `folder`, whatever rights a program gave its content."""
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        for place, _, _ in os.walk(folder):
            os.chmod(place, 0o700)  # noqa: PTH101


def run_test(
    source: Path, copy: Copy, folder: PurePosixPath, scratch: Path, project: str | None, time_limit: float
) -> dict[str, Any]:
    """Run one test.py, and what else is asked of its project."""
    place = copy.folder / folder
    sources = project_sources.read_sources(place)
    environ, data = find_data(place)
    home = runner.find_home()
    homes = [path for path in dict.fromkeys([home, home.resolve(), source.resolve()]) if path != Path("/")]
    before = list_state(copy.folder)
    python = [sys.executable, "-s"]
    watched = list_forbidden(sources, project or sources.guess_project(()))
    ended = runner.run(
        [*python, TEST],
        place,
        scratch,
        time_limit=time_limit,
        environ=environ,
        homes=homes,
        writable=copy.folder,
        lines=[(place / line.file, line.number) for line in watched],
    )
    ran = sorted(list_sources(ended, place) & set(sources.files))
    project = project or sources.guess_project(ran)
    wrote = list_changes(copy.folder, before)
    wrote += [f"~/{name}" for name in list_state(scratch / "home") if not name.startswith((".cache", ".config"))]
    checked: list[tuple[str, str]] | None = None
    if project in CHECKS:
        checks = runner.run(
            [*python, "-c", CHECKS[project], os.fspath(runner.PACKAGE.parent), *ran],
            place,
            scratch,
            time_limit=min(time_limit, 120),
            environ=environ,
            writable=copy.folder,
        )
        checked = [pair for pair in checks.records if pair[0] in ("ok", "problem", "note")]
        if not any(kind == "ok" and text == "end" for kind, text in checked):
            checked.append(("note", f"the project could not be checked: {last_line(checks.output)}"))
    judged = judge_run(ended, sources, project, checked, place, folder, time_limit)
    return {
        "folder": str(folder),
        "project": project,
        "command": f"python {TEST}",
        "status": ended.status,
        "timed_out": ended.timed_out,
        "time_limit": time_limit,
        "seconds": round(ended.seconds, 2),
        "peak_memory": ended.peak_memory,
        "isolation": ended.isolation,
        "data": data,
        "tiny": bool(environ.get("COURSE_TINY")),
        "output": ended.output,
        "output_size": ended.output_size,
        "wrote": wrote,
        "problems": judged.problems,
        "notes": judged.notes,
        "verdict": judged.verdict,
    }


def last_line(text: str) -> str:
    """Return the last line of `text` that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it says nothing")


def find_data(place: Path) -> tuple[dict[str, str], str]:
    """Return the environment with the course's data, which lie where the student's home has them, and where that is."""
    environ = dict(os.environ)
    own = runner.find_home() / HOME_FOLDER
    # One folder is named, so it must not hide a set that only the machine's own has.
    enough = all((own / name).is_dir() for name in SETS) or (own.is_dir() and not Path(COURSE_FOLDER).is_dir())
    if "PYTORCH_DATA_DIR" not in environ and enough and not (place / "data").is_dir():
        environ["PYTORCH_DATA_DIR"] = os.fspath(own)
    return environ, environ.get("PYTORCH_DATA_DIR", "")


def list_state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the files below `folder`, with what changes when they are written."""
    state = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if "__pycache__" not in path.parts:
                information = path.lstat()
                state[path.relative_to(folder).as_posix()] = (information.st_mtime_ns, information.st_size)
    return state


def list_changes(folder: Path, before: dict[str, tuple[int, int]]) -> list[str]:
    """Return the files below `folder` that are new or changed, each with its size."""
    after = list_state(folder)
    return [f"{name} ({submission.format_size(after[name][1])})" for name in after if before.get(name) != after[name]]


def summarize(source: Path, copy: Copy, shared: Judged, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the page and the JSON hold."""
    problems = [*shared.problems, *(problem for run in runs for problem in run["problems"])]
    return {
        "version": 1,
        "source": os.fspath(source),
        "files": len(copy.files),
        "size": copy.size,
        "zip_size": submission.measure_zip(copy) if copy.size <= submission.LARGEST_FILE else None,
        "left_out": copy.left_out,
        "runs": runs,
        "problems": shared.problems,
        "notes": shared.notes,
        "verdict": shared.verdict,
        "passed": bool(runs) and not problems,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `course-submit`."""
    parser = argparse.ArgumentParser(
        prog="course-submit",
        description="Run the test.py of a project in a clean copy, as a grader would, and say on one page what he sees."
        " Exit status: 0 when it ends well and nothing forbidden was found, 1 otherwise, 2 when nothing could be run.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the folder with test.py (or a zip archive of it)")
    parser.add_argument(
        "--project", choices=project_sources.PROJECTS, help="which project it is; else the sources tell"
    )
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, metavar="SECONDS", help="default: 600")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found to this file")
    options = parser.parse_args(arguments)
    if not options.time_limit > 0:
        parser.error("--time-limit: give a number of seconds, larger than 0")
    try:
        if not find_spec("torch"):
            raise UnusableSubmissionError(f"{sys.executable} has no torch: use the course's own Python")
        with runner.signals_end_the_run():
            found = submit(options.folder, options.project, options.time_limit)
        print("\n".join(format_page(found)[:LONGEST_PAGE]))
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n")
        status = 0 if found["passed"] else 1
    except (UnusableSubmissionError, OSError) as error:
        print(f"course-submit: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("course-submit: stopped; nothing is left behind", file=sys.stderr)
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
