"""Whatever is wrong with a description gets one line with file, key, reason and cure, exit code 2, and changes nothing.

Each row of the tables makes one mistake in a good course and asks `practicum check`, in this process.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bad_files import FILES, TEXTS, TOML, Change, edit
from bad_values import GOOD, VALUES

from practicum import cli
from practicum.architecture import AMD64, ARM64
from practicum.engine.errors import PracticumError
from practicum.semester import products
from practicum.semester.description import load
from practicum.semester.locks import find_target, place_debian_lock, place_lock
from practicum.wheels.debian_lock import Packages, render_debian
from practicum.wheels.lockfile import LockedPackage, render_lock

NAME = "semesters/2027-spring"
FILE = f"{NAME}/semester.toml"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a course in which nothing is wrong."""
    course = tmp_path_factory.mktemp("good") / "course"
    for name in (
        "pages/start.md",
        "practicals/practical-1/task.md",
        "projects/pairs/task.md",
        "lectures/lecture-1.nb.py",
    ):
        path = course / "course_content" / name
        path.parent.mkdir(parents=True)
        path.write_text("# A page\n")
    (course / "course_content/tools/src/course_tools/datasets").mkdir(parents=True)
    (course / NAME).mkdir(parents=True)
    (course / FILE).write_text(GOOD)
    semester = load(course / NAME)
    for architecture in semester.built_for:
        for variant in semester.variants:
            torch = "2.10.0" if (variant, architecture) == ("cpu", ARM64) else "2.13.0"
            names = {"torch": torch, "torchvision": "0.28.0", "scikit-learn": "1.9"}
            packages = [LockedPackage(name, version, ("a" * 64,)) for name, version in names.items()]
            lock = render_lock(packages, find_target(semester, architecture), "test")
            place_lock(semester, variant, architecture).write_text(lock)
        packages = dict.fromkeys(("git", "less", "sudo", architecture.kernel), "1")
        place_debian_lock(semester, architecture).write_text(render_debian(Packages({}, packages), semester.id))
    return course


@pytest.fixture
def course(good: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(good, tmp_path / "course"))


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache that is not there, before and after."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    assert not (tmp_path / "cache").exists()


def snapshot(folder: Path) -> dict[Path, tuple[int, ...]]:
    """What would show a file that is written, even with what it held before. Nothing is opened: there may be a pipe."""
    found = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
    return {path: (one.st_mode, one.st_ino, one.st_size, one.st_mtime_ns) for path, one in found.items()}


def ask(course: Path, capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str, str]:
    """Exit code and both streams of a command, `practicum check` if none is given."""
    words = command or ("check", str(course / NAME))
    code = cli.exit_code_of(lambda: cli.app([*words], standalone_mode=False))
    return code, *capsys.readouterr()


def expect_refusal(course: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Of `practicum check`: one line that begins as `line` and ends with a cure, and nothing else."""
    before = snapshot(course)
    code, out, err = ask(course, capsys)
    assert snapshot(course) == before
    assert err.startswith(f"practicum: {line}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "; " in err and err.removesuffix("\n").isprintable()


@contextmanager
def described(good: Path, text: str) -> Iterator[None]:
    """Give the good course another description."""
    assert text != GOOD
    (good / FILE).write_text(text)
    yield
    (good / FILE).write_text(GOOD)


def name(row: tuple[object, ...]) -> str:
    """What a row is called among the tests."""
    return " ".join(str(part) for part in row if not callable(part))[:70]


def test_good_course(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(good, capsys) == (0, f"{NAME}: ee559-2027-spring, no mistakes\n", "")


ROWS = [(key, value, told) for key, rows in VALUES.items() for value, told in rows]


@pytest.mark.parametrize(("key", "value", "told"), ROWS, ids=map(name, ROWS))
def test_value(good: Path, capsys: pytest.CaptureFixture[str], key: str, value: str, told: str) -> None:
    line = f"{key} = {value}: {told}" if told[0] not in "![ :" else f"{key}{told}" if told[0] != "!" else told[1:]
    with described(good, put(GOOD, key, value)):
        expect_refusal(good, capsys, f"{FILE}: {line}")


def put(text: str, key: str, value: str) -> str:
    """Put a value in the place of that of `key`."""
    table, _, last = key.rpartition(".")
    start = text.index({"": "", "course.sessions[0]": "[[course.sessions]]"}.get(table, f"[{table}]"))
    return text[:start] + re.sub(rf"(?m)^{last} = .*$", lambda _: f"{last} = {value}", text[start:], count=1)


@pytest.mark.parametrize(("old", "new", "told"), TEXTS, ids=map(name, TEXTS))
def test_text(good: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, told: str) -> None:
    before, found, after = GOOD.partition(old)
    assert found and old not in after
    with described(good, f"{before}{new}{after}"):
        expect_refusal(good, capsys, told[1:] if told[0] == "!" else f"{FILE}: {told}")


@pytest.mark.parametrize(("old", "new", "told"), TOML, ids=map(name, TOML))
def test_toml(good: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, told: str) -> None:
    number = GOOD.partition(old)[0].count("\n") + 1 + (told[0] == "+")
    test_text(good, capsys, old, new, f"line {number}: not TOML ({told.removeprefix('+')}")


@pytest.mark.parametrize(("path", "change", "told"), FILES, ids=map(name, FILES))
def test_file(course: Path, capsys: pytest.CaptureFixture[str], path: str, change: Change, told: str) -> None:
    place = course / (FILE if path == " " else path)
    place.parent.mkdir(exist_ok=True)
    change(place)
    expect_refusal(course, capsys, f"{FILE}:{told}" if told[0] == " " else told)


# ---- other commands, and what is no mistake ------------------------------------------------------------------------

COMMANDS = (
    *("ova", "docker", "archive", "inputs", "explain", "lock", "check", "lectures", "preflight", "site", "venv x"),
    *("content x", "release", "release content", "next 2031-fall --from"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_a_wrong_description(
    good: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with described(good, put(GOOD, "content.include", "[]")):
        before = snapshot(good)
        told = ask(good, capsys, *command.split(), str(good / NAME))
        assert snapshot(good) == before
    reason = 'content.include = []: names nothing; name at least one file or folder, for example "practicals"'
    assert told == (2, "", f"practicum: {FILE}: {reason}\n")


def test_a_build_takes_no_lock_that_is_older(course: Path) -> None:
    semester = load(course / NAME)
    edit("git=1\n", "")(place_debian_lock(semester, AMD64))
    with pytest.raises(
        PracticumError, match=r"/debian\.lock: older than semester\.toml, which asks for git; run: pract"
    ):
        products.list_all(semester)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"),
        ('title = "Deep Learning"', "title = \"C:\\\\ $1 100 % {a} }} <b> 'q' École 深\""),
        ('"scikit-learn"]', "\"scikit-learn; python_version >= '3.11' and platform_system == 'Linux'\"]"),
        ('include = ["pages"]', 'include = ["pages", "pages/start.md"]'),
    ],
)
def test_what_is_no_mistake(good: Path, capsys: pytest.CaptureFixture[str], old: str, new: str) -> None:
    with described(good, GOOD.replace(old, new)):
        assert ask(good, capsys) == (0, f"{NAME}: ee559-2027-spring, no mistakes\n", "")


def test_a_requirement_with_a_condition_is_in_the_locks_for_which_it_holds(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit('"scikit-learn"]', '"scikit-learn", "numpy; platform_machine == \'x86_64\'"]')(course / FILE)
    for variant in ("cpu", "cuda"):
        line = f"{NAME}/python-{variant}.lock: semester.toml asks for numpy; platform_machine == "
        expect_refusal(course, capsys, line)
        edit("scikit-learn==", f"numpy==2 --hash=sha256:{'b' * 64}\nscikit-learn==")(
            course / NAME / f"python-{variant}.lock"
        )
    assert ask(course, capsys)[0] == 0


def test_a_description_by_its_own_path_and_a_semester_without_locks(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for lock in (course / NAME).glob("*.lock"):
        lock.unlink()
    told = f"{NAME}: ee559-2027-spring, no mistakes; choose the packages with: practicum lock 2027-spring\n"
    assert ask(course, capsys, "check", str(course / FILE)) == (0, told, "")
