"""The course's content in the home folder: it follows the course and never costs the student a file."""

import errno
import json
import os
import random
import shutil
import stat
import subprocess
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from cost import measure_least
from course_runtime.files import sync as sync_module
from course_runtime.files.sync import STATE, Report, become_owner, has_arrived, run, sync
from course_runtime.machine.content_number import FOLDER, read_number
from course_runtime.machine.machine import CourseError, Machine

SOLUTION = "p/solutions/a.py"


class Course:
    """A content folder and a home to bring it to."""

    def __init__(self, folder: Path) -> None:
        self.content, self.home = folder / "content", folder / "home"
        self.release: dict[str, str | int] = {}
        self.content.mkdir(parents=True)
        self.home.mkdir()
        self.top = self.home / "ee559"

    def publish(self, **files: str) -> None:
        """Make the content hold exactly `files`; a double underscore in a name is a slash, a single one a dot."""
        self.publish_files({name.replace("__", "/").replace("_", "."): text for name, text in files.items()})

    def publish_files(self, files: dict[str, str], **more: object) -> None:
        for name, text in files.items():
            path = self.content / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        hashes = {name: sha256(text.encode()).hexdigest() for name, text in files.items()}
        (self.content / "manifest.json").write_text(json.dumps({"version": 1, "files": hashes, **self.release, **more}))

    def number(self, release: int, semester: str = "2027-spring") -> None:
        """Make what is published from now on this content release."""
        self.release = {"course": "EE-559", "semester": semester, "release": release}

    def date(self, text: str, day: str) -> None:
        """Publish a file and its solution, which comes at the ISO date `day`."""
        dated = f".dated/{SOLUTION}"
        self.publish_files({"p/a.py": "", dated: text}, dates={dated: day})

    def sync(self, today: str = "", **options: bool) -> Report:
        day = date.fromisoformat(today) if today else None
        return sync(self.content, self.home, "ee559", today=day, **options)

    def forget(self) -> None:
        """Make the home what it was before the first sync."""
        shutil.rmtree(self.home)
        self.home.mkdir()

    def files(self) -> dict[str, str]:
        return {str(path.relative_to(self.top)): path.read_text() for path in self.top.rglob("*") if path.is_file()}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path)


def test_new_files_come_writable_for_the_student_alone(course: Course) -> None:
    course.publish(a_py="1", p__b_ipynb="2")
    old = os.umask(0o077)
    try:
        report = course.sync()
    finally:
        os.umask(old)
    assert course.files() == {"a.py": "1", "p/b.ipynb": "2"}
    assert sorted(report.installed) == ["a.py", "p/b.ipynb"]
    assert stat.S_IMODE((course.top / "a.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((course.top / "p").stat().st_mode) == 0o755


def test_untouched_files_follow_the_course(course: Course) -> None:
    course.publish(a_py="1")
    course.sync()
    course.publish(a_py="2")
    assert course.sync().updated == ["a.py"]
    assert course.files() == {"a.py": "2"}


def test_edited_files_are_kept_and_the_new_version_is_offered_once(course: Course) -> None:
    course.publish(a_py="1")
    course.sync()
    (course.top / "a.py").write_text("mine")
    course.publish(a_py="2")
    assert course.sync().offered == ["a.new.py"]
    assert course.files() == {"a.py": "mine", "a.new.py": "2"}
    (course.top / "a.new.py").unlink()
    assert course.sync() == Report()
    assert course.files() == {"a.py": "mine"}


def test_the_next_version_replaces_an_untouched_offer_and_spares_an_edited_one(course: Course) -> None:
    course.publish(a_py="1")
    course.sync()
    (course.top / "a.py").write_text("mine")
    course.publish(a_py="2")
    course.sync()
    course.publish(a_py="3")
    course.sync()
    assert course.files() == {"a.py": "mine", "a.new.py": "3"}
    (course.top / "a.new.py").write_text("mine too")
    course.publish(a_py="4")
    course.sync()
    assert course.files() == {"a.py": "mine", "a.new.py": "mine too", "a.new2.py": "4"}


def test_deleted_files_stay_deleted_until_they_are_asked_for(course: Course) -> None:
    course.publish(a_py="1", b_py="1")
    course.sync()
    (course.top / "a.py").unlink()
    (course.top / "b.py").write_text("mine")
    course.publish(a_py="2", b_py="1")
    course.sync()
    assert course.files() == {"b.py": "mine"}
    course.sync(restore=True)
    assert course.files()["a.py"] == "2"
    assert course.files()["b.py"] == "mine"


def test_a_solution_comes_at_its_date_and_never_before(course: Course) -> None:
    course.date("1", "2027-03-01")
    for day in ("2026-12-31", "2027-02-28"):
        course.sync(today=day)
        course.sync(today=day, restore=True)
        assert course.files() == {"p/a.py": ""}
    assert course.sync(today="2027-03-01").installed == [SOLUTION]
    assert course.files() == {"p/a.py": "", SOLUTION: "1"}, "and nothing tells of the folder it comes from"


def test_a_clock_that_is_set_back_takes_no_solution_away(course: Course) -> None:
    course.date("1", "2027-03-01")
    course.sync(today="2027-03-01")
    assert course.sync(today="2027-02-01") == Report()
    assert course.files()[SOLUTION] == "1"
    course.date("2", "2027-03-01")
    assert course.sync(today="2027-02-01").updated == [SOLUTION], "it follows the course as other files do"
    (course.top / SOLUTION).unlink()
    course.sync(today="2027-04-01")
    assert SOLUTION not in course.files()
    assert course.sync(today="2027-02-01", restore=True).installed == [SOLUTION]


def test_a_content_release_brings_a_solution_earlier(course: Course) -> None:
    course.number(1)
    course.date("1", "2027-03-01")
    course.sync(today="2027-02-01")
    course.number(2)
    course.date("1", "2027-02-20")
    assert course.sync(today="2027-02-19").installed == []
    assert course.sync(today="2027-02-20").installed == [SOLUTION]
    course.forget()
    course.number(3)
    course.publish_files({"p/a.py": "", SOLUTION: "1"})
    assert SOLUTION in course.sync(today="2027-02-01").installed, "solutions = true"


def test_a_solution_never_replaces_the_students_own_file(course: Course) -> None:
    course.date("1", "2027-03-01")
    course.sync(today="2027-02-01")
    (course.top / SOLUTION).parent.mkdir()
    (course.top / SOLUTION).write_text("mine")
    assert course.sync(today="2027-03-01").offered == ["p/solutions/a.new.py"]
    assert course.files()[SOLUTION] == "mine"


@pytest.mark.parametrize(
    ("path", "day"),
    [(".dated/a.py", "soon"), (".dated/a.py", 3), (".dated//a.py", "2027-03-01"), ("a.py", "2027-03-01")],
)
def test_a_date_that_is_none_or_of_no_dated_file_is_refused(course: Course, path: str, day: object) -> None:
    manifest = {"version": 1, "files": {path: "0" * 64}, "dates": {path: day}}
    (course.content / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CourseError):
        course.sync()


def test_older_content_changes_nothing(course: Course) -> None:
    course.number(2)
    course.publish(a_py="2", b_py="2")
    assert course.sync().release == 2
    (course.top / "b.py").unlink()
    course.number(1)
    course.publish(a_py="1", b_py="1", c_py="1")
    for restore in (False, True):
        report = course.sync(restore=restore)
        assert report.problems == [
            "this home has had content release 2, here is only 1: nothing is changed; course-update fetches the newest"
        ]
        assert report.release == 2 and course.files() == {"a.py": "2"}
    course.number(3)
    course.publish(a_py="3")
    assert course.sync().updated == ["a.py"]


def test_each_semester_counts_for_itself(course: Course) -> None:
    course.number(7)
    course.publish(a_py="1")
    course.sync()
    course.number(1, "2028-spring")
    course.publish(a_py="2")
    assert course.sync().updated == ["a.py"]
    course.number(6)
    course.publish(a_py="3")
    assert course.sync().problems


def test_content_without_a_number_is_synchronised_as_ever(course: Course) -> None:
    course.number(7)
    course.publish(a_py="1")
    course.sync()
    course.release = {}
    course.publish(a_py="2")
    assert course.sync() == Report(updated=["a.py"])


def test_a_machine_leaves_the_number_for_its_window(course: Course, tmp_path: Path) -> None:
    (tmp_path / "root/run/systemd/system").mkdir(parents=True)
    machine = Machine(root=tmp_path / "root")
    course.number(5)
    course.publish(a_py="1")
    run(course.home, "ee559", course.content, machine=machine)
    assert read_number(machine) == 0, "before the first boot has made the folder"
    machine.path(FOLDER).mkdir()
    run(course.home, "ee559", course.content, machine=machine)
    assert read_number(machine) == 5


def test_what_the_course_drops_stays_with_the_student(course: Course) -> None:
    course.publish(a_py="1", b_py="1")
    course.sync()
    course.publish(b_py="1")
    course.sync()
    assert course.files() == {"a.py": "1", "b.py": "1"}


def test_a_file_that_was_there_before_is_never_overwritten(course: Course) -> None:
    course.top.mkdir()
    (course.top / "a.py").write_text("from last year")
    course.publish(a_py="1")
    course.sync()
    assert course.files() == {"a.py": "from last year", "a.new.py": "1"}


def test_the_folder_is_there_even_when_nothing_comes(course: Course) -> None:
    course.publish()
    course.sync()
    assert course.top.is_dir(), "JupyterLab opens there"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": 3}', b"\xff\xfe", b'{"version": 1}'])
def test_a_damaged_record_costs_no_file(course: Course, content: bytes) -> None:
    course.publish(a_py="1", b_py="1")
    course.sync()
    (course.top / "a.py").write_text("mine")
    (course.home / STATE).write_bytes(content)
    course.publish(a_py="2", b_py="2")
    course.sync()
    assert course.files()["a.py"] == "mine"
    assert course.files()["b.py"] == "1"  # who edited it is no longer known, so it counts as the student's
    assert course.files()["b.new.py"] == "2"


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", ""])
def test_a_manifest_that_leaves_the_folder_is_refused(course: Course, name: str) -> None:
    course.publish()
    (course.content / "manifest.json").write_text(json.dumps({"version": 1, "files": {name: "0" * 64}}))
    with pytest.raises(CourseError, match="leaves the content folder"):
        course.sync()


def test_a_damaged_copy_of_the_course_is_left_out(course: Course) -> None:
    course.publish(a_py="1", b_py="1")
    (course.content / "a.py").write_text("damaged")
    report = course.sync()
    assert course.files() == {"b.py": "1"}
    assert "damaged" in report.problems[0]


def test_links_and_odd_things_in_the_way_are_left_alone(course: Course, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim.py").write_text("precious")
    course.publish(
        link_py="1", dangling_py="1", folder_py="1", pipe_py="1", up__new_py="1", notdir__a_py="1", ok_py="1"
    )
    course.top.mkdir()
    (course.top / "link.py").symlink_to(outside / "victim.py")
    (course.top / "dangling.py").symlink_to(outside / "new.py")
    (course.top / "folder.py").mkdir()
    (course.top / "up").symlink_to(outside)
    (course.top / "notdir").write_text("a file")
    os.mkfifo(course.top / "pipe.py")
    report = course.sync()
    assert (course.top / "ok.py").read_text() == "1"
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"victim.py": "precious"}
    assert (course.top / "link.py").is_symlink()
    assert (course.top / "pipe.py").is_fifo()
    assert len(report.problems) == 6
    assert not [*course.top.rglob(".~*")]


def test_an_edited_file_behind_a_link_out_of_the_home_gets_no_offer_there(course: Course, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_text("edited")
    course.top.mkdir()
    (course.top / "up").symlink_to(outside)
    course.publish(up__a_py="1")
    assert len(course.sync().problems) == 1
    assert [path.name for path in outside.iterdir()] == ["a.py"]


def test_a_full_disk_leaves_every_file_whole(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.publish(a_py="1", b_py="1")
    course.sync()
    course.publish(a_py="2", b_py="2", c_py="2")

    def full(descriptor: int, mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fchmod", full)
    report = course.sync()
    assert course.files() == {"a.py": "1", "b.py": "1"}
    assert report.problems == [f"{name}: No space left on device" for name in ("a.py", "b.py", "c.py")]
    monkeypatch.undo()
    course.sync()
    assert course.files() == {"a.py": "2", "b.py": "2", "c.py": "2"}


def run_command(course: Course, path: Path = Path("/nowhere"), **environment: str) -> subprocess.CompletedProcess[str]:
    """course-sync; in `path` lies what Python reads before it."""
    argv = [sys.executable, "-c", "from course_runtime.files.sync import main; main()"]
    argv += ["--content", str(course.content), "--home", str(course.home), "--folder", "ee559"]
    source = Path(sync_module.__file__).parents[2]
    return subprocess.run(
        argv, text=True, capture_output=True, check=False, env={"PYTHONPATH": f"{path}:{source}", **environment}
    )


def test_trouble_is_one_line_and_never_a_failure(course: Course) -> None:
    course.publish(a_py="1")
    course.home.rmdir()
    course.home.write_text("no folder at all")
    done = run_command(course)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("course-sync: ")
    assert done.stderr.count("\n") == 1
    (course.content / "manifest.json").unlink()
    done = run_command(course)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)


def test_a_read_only_home_is_one_line_and_the_courses_own_copy_is_served(course: Course) -> None:
    if os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("root ignores rights and this machine lets nobody mount a read-only folder")
    course.publish(a_py="1")
    if os.geteuid() != 0:
        course.home.chmod(0o555)
        done = run_command(course)
        course.home.chmod(0o755)
    else:
        command = (
            f"mount --bind '{course.home}' '{course.home}' && mount -o remount,ro,bind '{course.home}' && "
            f"exec '{sys.executable}' -c 'from course_runtime.files.sync import main; main()' "
            f"--content '{course.content}' --home '{course.home}' --folder ee559"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(sync_module.__file__).parents[2])}
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", command], text=True, capture_output=True, check=False, env=environment
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("course-sync: ")
    if not Machine().is_booted():
        assert f"serves the course's own copy instead, read-only: {course.content}" in done.stderr
    assert not has_arrived(course.home, "ee559")


def test_a_home_that_has_the_course_keeps_it_when_it_becomes_read_only(course: Course) -> None:
    course.publish(a_py="1")
    course.sync()
    course.publish(a_py="2", b_py="2")
    (course.home / "ee559").rename(course.home / "kept")
    (course.home / "ee559").write_text("in the way of everything")
    done = run_command(course)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "read-only" not in done.stderr


def test_a_full_home_is_one_line_and_the_courses_own_copy_is_served(course: Course) -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    course.publish_files({f"p/{number}.ipynb": "x" * 50_000 for number in range(5)})
    command = (
        f"mount -t tmpfs -o size=16k none '{course.home}' && head -c 8192 /dev/zero >'{course.home}/mine' && "
        f"'{sys.executable}' -c 'from course_runtime.files.sync import main; main()' "
        f"--content '{course.content}' --home '{course.home}' --folder ee559; echo $?; find '{course.home}' -type f"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(sync_module.__file__).parents[2])}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], text=True, capture_output=True, check=True, env=environment
    )
    assert done.stdout == f"0\n{course.home}/mine\n"
    assert done.stderr.count("\n") == 1
    assert "No space left on device (and 4 more)" in done.stderr
    if not Machine().is_booted():
        assert "serves the course's own copy instead" in done.stderr


def test_root_without_its_powers_goes_on_as_it_is(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give up being root")
    os.chown(course.home, 1000, 0)

    def refuse(groups: list[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.setgroups", refuse)
    become_owner(course.home)
    assert os.geteuid() == 0


def test_only_a_machine_of_ones_own_waits_for_the_disk(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[bool] = []
    monkeypatch.setattr("os.sync", lambda: waits.append(True))
    course.publish(a_py="1")
    course.sync(durable=False)
    assert (course.files(), waits) == ({"a.py": "1"}, [])
    course.publish(a_py="2")
    course.sync()
    assert (course.files(), waits) == ({"a.py": "2"}, [True])


MANY = {f"part-{number % 20}/{number}.ipynb": str(number) * 5000 for number in range(600)}

COUNTS_WAITS = """
import os, sys

def counted(name, original):
    def call(*arguments):
        print(name, file=sys.stderr)
        return original(*arguments)
    return call

for name in ("sync", "fsync", "fdatasync"):
    setattr(os, name, counted(name, getattr(os, name)))
"""
"""Python reads it before a program, as sitecustomize: each wait for the disk is a line on stderr."""


def test_hundreds_of_files_take_less_than_half_a_second(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processor. A wait for the disk is as long as what other programs left to write: two are of the record."""
    waits: list[str] = []
    monkeypatch.setattr("os.sync", lambda: waits.append("sync"))
    monkeypatch.setattr("os.fsync", lambda descriptor: waits.append("fsync"))
    course.publish_files(MANY)
    assert measure_least(lambda: course.sync(durable=False), course.forget) < 0.5
    assert len(course.files()) == 600
    assert waits == ["fsync", "fsync"] * 3


def test_the_whole_command_takes_less_than_half_a_second_in_a_container(course: Course, tmp_path: Path) -> None:
    if Machine().is_booted():
        pytest.skip("this machine is booted: course-sync waits for its disk, as it should")
    (tmp_path / "sitecustomize.py").write_text(COUNTS_WAITS)
    course.publish_files(MANY)
    done = []
    seconds = measure_least(lambda: done.append(run_command(course, path=tmp_path)), course.forget)
    assert done[0].stdout == "course-sync: 600 new files\n"
    assert len(course.files()) == 600
    assert done[0].stderr == "fsync\nfsync\n"
    assert seconds < 0.5


def test_nothing_new_takes_a_tenth_of_a_second(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processor, and nothing is written that the disk could be waited for."""
    course.publish_files(MANY)
    course.sync(durable=False)
    waits: list[str] = []
    monkeypatch.setattr("os.sync", lambda: waits.append("sync"))
    monkeypatch.setattr("os.fsync", lambda descriptor: waits.append("fsync"))
    reports: list[Report] = []
    assert measure_least(lambda: reports.append(course.sync())) < 0.1
    assert (reports, waits) == ([Report()] * 3, [])


def cut_in_child(course: Course, cut_after: int) -> bool:
    """Sync in a child that is killed after the `cut_after`th rename, opening or fsync; False when it got through."""
    child = os.fork()
    if child == 0:
        count = 0
        for name in ("replace", "fsync", "sync", "fchmod"):
            original = getattr(os, name)

            def counted(*arguments: object, original: object = original) -> object:
                nonlocal count
                result = original(*arguments)  # type: ignore[operator]
                count += 1
                if count == cut_after:
                    os._exit(9)
                return result

            setattr(os, name, counted)
        try:
            course.sync()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def test_a_sync_cut_anywhere_is_completed_by_the_next_one(tmp_path: Path) -> None:
    for cut_after in range(1, 100):
        course = Course(tmp_path / str(cut_after))
        course.publish(a_py="1", b_py="1", c_py="1", gone_py="1")
        course.sync()
        (course.top / "b.py").write_text("mine")
        (course.top / "gone.py").unlink()
        course.publish(a_py="2", b_py="2", c_py="1", d_py="2", gone_py="2")
        was_cut = cut_in_child(course, cut_after)
        whole = {"a.py": {"1", "2"}, "b.py": {"mine"}, "c.py": {"1"}, "d.py": {"2"}, "b.new.py": {"2"}}
        for name, text in course.files().items():
            assert ".~" in name or text in whole[name], f"{name} after a cut at {cut_after}"
        course.sync()
        files = {name: text for name, text in course.files().items() if ".~" not in name}
        assert files == {"a.py": "2", "b.py": "mine", "b.new.py": "2", "c.py": "1", "d.py": "2"}
        if not was_cut:
            break
    assert cut_after > 6


@pytest.mark.parametrize("seed", range(10))
def test_no_history_of_edits_and_releases_costs_the_student_anything(tmp_path: Path, seed: int) -> None:
    """Random days: the student edits, deletes, creates; the course releases; now and then the record is lost."""
    chance = random.Random(seed)
    course = Course(tmp_path)
    names = [f"{folder}{stem}{suffix}" for folder in ("", "p/") for stem in "abc" for suffix in (".py", ".ipynb")]
    released: dict[str, str] = {}
    lost_record = False
    mine: dict[str, str] = {}  # what the student wrote, and did not delete himself
    for day in range(40):
        for name in chance.sample(names, 3):
            released[name] = f"release {day} of {name}"
        for name in chance.sample(names, 1):
            released.pop(name, None)
        course.publish_files(released)
        if seed % 2 and chance.random() < 0.1:
            (course.home / STATE).unlink(missing_ok=True)
            lost_record = True
        before = course.files() if course.top.exists() else {}
        course.sync()
        after = course.files()
        assert set(before) <= set(after), "a file vanished"
        assert not {name: text for name, text in mine.items() if after[name] != text}, "an edit was lost"
        untouched = {name for name in released if name in after and name not in mine}
        assert lost_record or all(after[name] == released[name] for name in untouched), "a file is out of date"
        again = course.sync()
        assert again == Report(), "a second run finds nothing to do"
        for name in chance.sample([*after], min(3, len(after))):
            path = course.top / name
            if chance.random() < 0.3:
                path.unlink()
                mine.pop(name, None)
            else:
                mine[name] = f"edit {day} of {name}"
                path.write_text(mine[name])
