"""The proof itself: its graph leaves no test out, and a part is measured, stopped and reported as promised."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
import uuid
from itertools import pairwise
from pathlib import Path

import pytest
from survivors import HANG, MARK, marked_processes, wait_until

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

import proof_build  # noqa: E402
import proof_cgroup  # noqa: E402
import proof_part  # noqa: E402
import proof_report  # noqa: E402

from practicum.architecture import ARM64  # noqa: E402
from practicum.images.emulator import require_emulator  # noqa: E402
from practicum.semester.find import find_semester  # noqa: E402
from practicum.semester.products import ova_path  # noqa: E402
from smoke_tests import obstacle  # noqa: E402

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and cgroups need root")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PROOF"))}
RELEASE_TIME = ("trixie", "cluster")
"""What is no part of the proof: a release runs it besides."""
BURN = "import time\nwhile time.process_time() < 0.5: pass"


# ---- the graph -----------------------------------------------------------------------------------------------------


def list_commands(*goals: str) -> list[str]:
    """What make would run for the goals."""
    argv = ["make", "--dry-run", "--no-print-directory", *goals]
    told = subprocess.run(argv, cwd=ROOT, env=CLEAN, capture_output=True, text=True, check=True).stdout
    return told.replace("\\\n", " ").splitlines()


def list_parts(goal: str = "test") -> list[str]:
    (line,) = [line for line in list_commands(goal) if "proof_report.py end" in line]
    return line.partition(" end ")[2].split()


def is_in(path: Path, place: str) -> bool:
    return path == ROOT / place or ROOT / place in path.parents


@needs_root
def test_a_part_sees_the_emulators_of_the_machine() -> None:
    """Without them it would take the products for another processor for ones that cannot be had here."""
    status = Path("/proc/sys/fs/binfmt_misc/status")
    if not status.exists():
        pytest.skip("binfmt_misc is not mounted on this machine: run make emulator")
    done = subprocess.run(proof_part.contain(["cat", status]), capture_output=True, text=True)
    assert done.stdout == status.read_text()


def test_every_test_belongs_to_a_part() -> None:
    """What no part names would never run, and nobody would notice."""
    goals = (f"test-{part}" for part in [*list_parts("test-arm64"), *RELEASE_TIME])
    commands = [line.split() for line in list_commands(*goals) if "pytest" in line]
    covered: set[Path] = set()
    tests = {*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("smoke_tests/**/test_*.py")}
    for words in commands:
        places = [word for word in words if word.startswith(("tests", "smoke_tests"))]
        ignored = [word.partition("=")[2] for word in words if word.startswith("--ignore=")]
        named = {path for path in tests if any(is_in(path, place) for place in places)}
        covered |= {path for path in named if not any(is_in(path, place) for place in ignored)}
    suites = ("smoke_tests/content", "smoke_tests/compute")  # run inside the products, by tests of their own
    left = {path for path in tests - covered if not any(is_in(path, suite) for suite in suites)}
    assert len(covered) > 80 and left == set()


def list_builds(*goals: str) -> list[str]:
    """The parts that build a product of the semester, in make's order."""
    builders = (".venv/bin/practicum", "proof_build.py")
    lines = [line for line in list_commands(*goals) if "proof_part" in line and any(word in line for word in builders)]
    return [line.split("proof_part.py ")[1].split()[0] for line in lines]


def test_builds_come_before_what_they_made() -> None:
    assert list_builds("test-services") == ["build-ova", "build-images", "archive"]


def test_no_two_builds_run_side_by_side() -> None:
    """Two builds of a semester refuse each other, and which of them begins first is chance."""
    builds = list_builds(*(f"test-{part}" for part in list_parts("test-arm64")))
    before = sorted((list_builds(f"test-{part}") for part in builds), key=len)
    assert len(builds) == 6
    assert [len(parts) for parts in before] == [1, 2, 3, 4, 5, 6]
    assert all(set(fewer) < set(more) for fewer, more in pairwise(before))


def test_the_patient_proof_has_all_parts_of_the_other_and_more_of_arm() -> None:
    every, patient = list_parts(), list_parts("test-arm64")
    assert [part for part in patient if part in every] == every
    assert {part for part in patient if part not in every} >= {"registry-arm64", "start-arm64"}
    assert all(part.endswith("-arm64") for part in patient if part not in every)


def test_products_for_arm_are_built_where_they_are_wanted_or_were_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And where they cannot be built, the reason is that."""
    semester = find_semester("")
    elsewhere = semester.model_copy(update={"folder": tmp_path / "semesters" / semester.id})
    monkeypatch.setattr(obstacle, "require_emulator", lambda _: None)
    monkeypatch.delenv(proof_build.WANTED, raising=False)
    assert "is not there: make test-arm64 builds it" in proof_build.find_reason(elsewhere, "arm64")
    path = ova_path(elsewhere, ARM64)
    path.parent.mkdir(parents=True)
    path.touch()
    assert proof_build.find_reason(elsewhere, "arm64") == ""
    path.unlink()
    monkeypatch.setenv(proof_build.WANTED, "1")
    assert proof_build.find_reason(elsewhere, "arm64") == ""
    alone = semester.model_copy(update={"architectures": ("amd64",)})
    assert proof_build.find_reason(alone, "arm64").endswith("semester.toml names no architecture arm64")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(obstacle, "require_emulator", lambda name: require_emulator(name, tmp_path))
    assert "make emulator" in proof_build.find_reason(elsewhere, "arm64")


# ---- one part ------------------------------------------------------------------------------------------------------


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Starts a part whose report goes to `tmp_path`."""
    script = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import proof_part; from pathlib import Path;"
        f"proof_part.REPORT = Path({str(tmp_path)!r}); sys.exit(proof_part.main(*sys.argv[1:]))"
    )

    def start(*command: str, mark: str = "") -> "subprocess.Popen[str]":
        argv = [sys.executable, "-c", script, "demo", *command]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**CLEAN, MARK: mark or "none"})

    return start


def test_part_is_shown_recorded_and_its_exit_code_kept(part, tmp_path: Path) -> None:
    running = part("bash", "-c", "echo one; echo two >&2; exit 3")
    told, _ = running.communicate()
    assert running.returncode == 3
    assert "demo | one\n" in told and "demo | two\n" in told
    assert (tmp_path / "demo.log").read_text() == "one\ntwo\n"
    assert json.loads((tmp_path / "demo.json").read_text())["exit"] == 3


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@needs_root
@pytest.mark.slow
def test_stopped_part_leaves_nothing(part, tmp_path: Path, signum: int) -> None:
    """Neither what does not want to end, nor what left its session."""
    mark = uuid.uuid4().hex
    running = part("bash", "-c", "trap '' INT TERM; setsid sleep 600 & echo up; sleep 600; sleep 600", mark=mark)
    assert running.stdout
    while running.stdout.readline() != "demo | up\n":
        pass
    begun = time.monotonic()
    running.send_signal(signum)
    assert running.wait(HANG) == 128 + signum
    assert not marked_processes(mark)
    # Five seconds are promised, of which the command has GRACE to end by itself.
    assert time.monotonic() - begun >= proof_part.GRACE
    assert proof_part.GRACE < 5
    assert json.loads((tmp_path / "demo.json").read_text())["exit"] == 128 + signum


def test_orderly_end_after_ctrl_c_is_waited_for(part, tmp_path: Path) -> None:
    running = part("bash", "-c", f"trap 'touch {tmp_path}/orderly; exit 130' INT; echo up; while :; do sleep 0.1; done")
    assert running.stdout
    while running.stdout.readline() != "demo | up\n":
        pass
    running.send_signal(signal.SIGINT)
    assert running.wait(HANG) == 130
    assert (tmp_path / "orderly").exists()


@needs_root
def test_killed_part_takes_its_command_along(part) -> None:
    mark = uuid.uuid4().hex
    running = part("bash", "-c", "setsid sleep 600 & echo up; sleep 600", mark=mark)
    assert running.stdout
    while running.stdout.readline() != "demo | up\n":
        pass
    running.kill()
    running.wait()
    wait_until(lambda: not marked_processes(mark))


@pytest.fixture
def group():
    group = proof_cgroup.open_cgroup("test")
    if group is None:
        pytest.skip("no cgroup can be made here, or docker's cgroup driver is systemd")
    yield group
    group.remove()


def test_cgroup_counts_what_left_its_parent(group: proof_cgroup.Cgroup) -> None:
    """`times` of a process counts only children that it waited for."""
    script = (
        f"import subprocess, sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        f"from proof_cgroup import Cgroup\nCgroup({group.path!r}).enter()\n"
        f"subprocess.Popen(['setsid', sys.executable, '-c', {BURN!r}])"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    wait_until(lambda: group.cpu_seconds() > 0.4)


def test_container_left_behind_fails_the_part(part, tmp_path: Path, group: proof_cgroup.Cgroup) -> None:
    """It is removed, and the part says so."""
    image = f"practicum-test-{uuid.uuid4().hex[:12]}"
    subprocess.run(["docker", "import", "-", image], input=b"\0" * 10240, check=True, capture_output=True)
    try:
        running = part("bash", "-c", f'docker create --cgroup-parent="$PROOF_CGROUP" {image} nothing')
        told, _ = running.communicate()
        assert running.returncode == 1 and "left containers behind" in told
        made = re.findall(r"^demo \| ([0-9a-f]{64})$", told, re.MULTILINE)
        assert made and subprocess.run(["docker", "inspect", *made], capture_output=True).returncode != 0
    finally:
        subprocess.run(["docker", "image", "rm", image], check=True, capture_output=True)


# ---- the report ----------------------------------------------------------------------------------------------------

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_good" time="1.5"/>
<testcase classname="tests.test_a" name="test_bad" time="0.5"><failure message="assert 1 == 2&#10;more"/></testcase>
<testcase classname="tests.test_a" name="test_here" time="0"><skipped message="no GPU on this machine"/></testcase>
</testsuite></testsuites>"""


def write_part(folder: Path, name: str, code: int, junit: str = "") -> None:
    (folder / f"{name}.json").write_text(json.dumps({"cpu": 12.3, "seconds": 45.6, "exit": code}))
    if junit:
        (folder / f"{name}.xml").write_text(junit)


@pytest.mark.parametrize(
    "codes, exit_code",
    [({"unit": 0}, 0), ({"unit": 0, "build": 2}, 1), ({"unit": 0, "build": None}, 1), ({"unit": None}, 1)],
)
def test_proof_holds_when_every_part_ran_and_passed(
    tmp_path: Path, codes: dict[str, int | None], exit_code: int
) -> None:
    proof_report.begin(tmp_path)
    for name, code in codes.items():
        if code is not None:
            write_part(tmp_path, name, code)
    assert proof_report.end(tmp_path, list(codes)) == exit_code


def test_report_tells_counts_reasons_and_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof_report.begin(tmp_path)
    write_part(tmp_path, "unit", 1, JUNIT)
    assert proof_report.end(tmp_path, ["unit", "robust"]) == 1
    told = capsys.readouterr().out
    assert re.search(r"unit +│ +12 │ +46 │ +1 │ +1 │ +1 │ FAILED \(1\)", told), told
    assert "   1.5 s  unit: test_a::test_good" in told
    assert "   1 in unit: no GPU on this machine" in told
    assert "unit: test_a::test_bad: assert 1 == 2\n" in told
    assert "robust: NOT RUN" in told
    assert told.endswith("1 passed, 1 failed, 1 skipped\n")
    assert "test_bad" in (tmp_path / "index.html").read_text()


def test_proof_of_the_products_names_their_files_and_commit(tmp_path: Path) -> None:
    report, dist = tmp_path / "build/report", tmp_path / "dist/2027-spring"
    dist.mkdir(parents=True)
    (dist / "a.ova.sha256").write_text(f"{'a' * 64}  a.ova\n")
    proof_report.begin(report)
    write_part(report, "unit", 1, JUNIT)
    write_part(report, "robust", 0, JUNIT.replace("failure", "system-out"))
    write_part(report, "archive", 2)
    parts = [proof_report.read_part(report, name) for name in ("unit", "robust", "archive")]
    assert proof_report.describe_proof(parts, tmp_path) == {
        "revision": "unknown-dirty",
        "subjects": {"a.ova": "a" * 64},
        "passed": 3,
        "failed": 2,
        "skipped": 2,
    }


def test_only_a_proof_that_made_the_products_speaks_for_them(tmp_path: Path) -> None:
    makers = sorted(proof_report.MAKERS)
    for names in (makers[1:], makers):
        proof_report.begin(tmp_path)
        for name in names:
            write_part(tmp_path, name, 0)
        proof_report.end(tmp_path, names)
        assert (tmp_path / proof_report.PROVED).exists() == (names == makers)


def test_file_that_was_cut_off_counts_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(JUNIT[:100])
    (tmp_path / "unit.json").write_text('{"cpu": 1')
    assert proof_report.read_part(tmp_path, "unit") == proof_report.Part("unit", ())
