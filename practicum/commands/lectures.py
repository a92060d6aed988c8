"""`practicum lectures`: every lecture with what it prints and draws, to be read without running it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from practicum.commands.build import ensure_all, require_emulators
from practicum.commands.site import MARK
from practicum.course import run_lecture
from practicum.course.content import assemble
from practicum.course.executed import Executed, Lecture
from practicum.course.site.documents import list_documents
from practicum.course.site.facts import read_facts
from practicum.course.site.generator import write_site
from practicum.course.site.overview import make_site
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import move_folder
from practicum.images.docker import ensure_docker
from practicum.images.native import Task, run_task
from practicum.images.packer import MOUNT
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.lectures import find_lectures
from practicum.semester.settings import describe_site, list_special_commands

HOURS = 4 * 3600
"""Seconds that a lecture may take: it only ends a hang."""

MADE = "/tmp/lectures"


def make_lectures(semester: Semester, console: Console) -> Path:
    """Run the lectures that were not run as they are, write dist/<id>/lectures, and return this folder.

    Raises PracticumError when a cell fails, when the folder is something else, and as a build does.
    """
    executed = find_lectures(semester)
    if not executed.lectures:
        where = f"semesters/{semester.id}/semester.toml"
        raise PracticumError(where, "content.include names no lectures", 'add "lectures" there')
    if executed.missing:
        run_lectures(semester, executed.missing, console)
        executed = find_lectures(semester)
    target = semester.dist / "lectures"
    write_pages(semester, executed, target, console)
    return target


def run_lectures(semester: Semester, missing: Sequence[Lecture], console: Console) -> None:
    """Run lectures at full size in the students' Python, of which the missing parts are built, and keep each one."""
    ensure_docker()
    architecture = semester.built_for[0]
    require_emulators([architecture])
    stages = products.list_environment(semester, semester.variants[0], architecture)
    ensure_all(stages, semester, console)
    with cache.work_folder("lectures") as work:
        content = work / "given/content"
        assemble(semester.content_root, semester.content.include, content, solutions=False)
        shutil.copy(run_lecture.__file__, work / "given/run_lecture.py")
        for number, lecture in enumerate(missing, 1):
            console.say(f"running {lecture.name} ({number} of {len(missing)})")
            run_task(stages[-1].image, make_task(lecture.name, work / "given"), work / lecture.name, work)
            lecture.kept.parent.mkdir(parents=True, exist_ok=True)
            made = work / lecture.name / f"{lecture.name}.ipynb"
            beside = lecture.kept.with_name(f".{lecture.kept.name}.part")
            shutil.copyfile(made, beside)
            beside.replace(lecture.kept)


def make_task(name: str, given: Path) -> Task:
    """Return the task that runs the lecture `name`; given: the folder with run_lecture.py and the content."""
    notebook = f"{MOUNT}/content/lectures/{name}.ipynb"
    argv = ["sh", "-c", f'mkdir {MADE} && exec /opt/venv/bin/python "$@"', "sh",
            f"{MOUNT}/run_lecture.py", notebook, f"{MADE}/{name}.ipynb"]  # fmt: skip
    variables = {
        "PYTHONPATH": f"{MOUNT}/content/prologue",
        "HOME": "/tmp",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        # The same numbers on any machine. On busy cores threads that wait for each other crawl, too.
        "OMP_NUM_THREADS": "1",
    }
    return Task(argv, given, MADE, variables, HOURS)


def write_pages(semester: Semester, executed: Executed, target: Path, console: Console) -> None:
    """Write the lectures as pages into `target`, which appears when it is complete, in the place of an earlier one."""
    if target.exists() and not (target / MARK).is_file():
        raise PracticumError(str(target), "something else is there", f"run: rm -r {target}")
    console.say("writing the pages")
    beside = target.with_name(".lectures.new")
    shutil.rmtree(beside, ignore_errors=True)
    named = [path for path in semester.content.include if path.split("/")[0] == "lectures"]
    try:
        with cache.work_folder("lectures") as work:
            assemble(semester.content_root, named, work / "content", solutions=False)
            facts = read_facts(describe_site(semester))
            students = list_documents(semester.checkout, list_special_commands(semester)).students
            site = make_site(facts, work / "content", semester.checkout, students=students, run=executed.read())
            (work / "generator").mkdir()
            beside.parent.mkdir(parents=True, exist_ok=True)
            write_site(site, beside, work / "generator")
        move_folder(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
