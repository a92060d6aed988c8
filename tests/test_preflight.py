"""practicum preflight: what a build needs, and that whatever is missing hides nothing of the rest."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout
from loopback import Index, answering, make_wheel, serve
from survivors import HANG

from practicum.architecture import AMD64
from practicum.commands import preflight, sources
from practicum.commands.new import make_course
from practicum.commands.preflight import Build, find_missing, judge
from practicum.engine.errors import PracticumError
from practicum.engine.stage import Place
from practicum.recipes.wheels import Wheels
from practicum.semester.locks import find_target
from practicum.wheels.lockfile import LockedPackage, render_lock

NOBODY = "http://127.0.0.1:9"
"""Where nobody answers."""

OFFLINE = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOBODY),
    **{"no_proxy": "", "NO_PROXY": "", "UV_DEFAULT_INDEX": f"{NOBODY}/simple/", "UV_NO_CONFIG": "1"},
}
SUBJECTS = ["root", "locks", "tools", "disk", "memory", "docker", "images", "wheels", "packages"]


def ask(folder: Path, *words: str, **environment: str) -> tuple[int, dict[str, tuple[bool, str]]]:
    """Exit code of `practicum preflight`, and its findings by subject."""
    command = [Path(sys.executable).with_name("practicum"), f"--course={folder}", "preflight", *words]
    given = {**os.environ, **OFFLINE, "PYTHONPATH": str(Path(preflight.__file__).parents[2]), **environment}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.stderr == ""
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    return done.returncode, {subject: (word == "ok", detail) for word, subject, detail in lines}


def test_no_obstacle_hides_another(checkout: Checkout, tmp_path: Path) -> None:
    """Neither programs, nor a cache, nor a lock, nor a network."""
    (checkout.folder / "python-cpu.lock").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    code, found = ask(checkout.root, PATH=str(tmp_path / "empty"), XDG_CACHE_HOME=str(tmp_path / "file"))
    assert (code, list(found)) == (1, SUBJECTS)
    assert found["locks"] == (
        False,
        f"semesters/{SEMESTER}/python-cpu.lock: not there yet; run: practicum --course {checkout.root} lock {SEMESTER}",
    )
    assert {subject for subject, (ok, _) in found.items() if not ok} >= {*SUBJECTS} - {"root", "memory"}
    assert found["disk"][1] == f"{tmp_path}/file cannot be written; set XDG_CACHE_HOME to a folder that you may write"
    assert "install with: apt-get install" in found["tools"][1] and found["memory"][1].endswith("B")


def test_course_without_locks_is_told_what_a_lock_needs(tmp_path: Path) -> None:
    make_course(tmp_path / "cs-202", "2031-fall")
    code, found = ask(tmp_path / "cs-202", XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert code == 1 and found["locks"][1].endswith(
        f"not there yet; run: practicum --course {tmp_path}/cs-202 lock 2031-fall"
    )
    assert found["tools"][1].endswith(", for practicum lock") and found["disk"][1].startswith("practicum lock: ")
    assert not found["wheels"][0] and found["wheels"][1].endswith("check the network and run again")


def test_a_build_needs_what_its_own_stages_need(checkout: Checkout) -> None:
    semester, tools, names = checkout.load(), dict[str, set[str]](), dict[str, set[str]]()
    for goal in ("ova", "docker", "archive"):
        listed = Build(semester, (goal,), ("cpu",), (AMD64,)).list_stages()
        names[goal] = {stage.name for stage in listed}
        tools[goal] = {tool for stage in listed for tool in stage.needs}
        assert find_missing(listed) == listed, "nothing is cached"
    assert "ova" in names["ova"] and not names["docker"] & {"ova", "disk", "torch-cuda"}
    assert names["archive"] - names["docker"] == {"archive-cpu"}
    assert {"mksquashfs", "mcopy"} <= tools["ova"] and not {"mksquashfs", "mcopy"} & tools["docker"]
    both = Build(semester, ("ova", "docker"), ("cpu",), (AMD64,)).list_stages()
    assert sorted(stage.name for stage in both) == sorted(names["ova"] | names["docker"]), "each once"
    assert preflight.find_space(both, both[-1:]).startswith(f"1 of {len(both)} stages: ")
    with pytest.raises(PracticumError, match=rf"\d+ of {len(both)} stages: needs .* free in .*; free some"):
        preflight.find_space(both, both * 10_000)


def test_findings_have_no_trace_of_an_error() -> None:
    def fail() -> str:
        raise PermissionError(13, "Permission denied", "/a")

    assert judge("disk", fail) == preflight.Finding("disk", False, "/a: Permission denied")


# ---- the network ---------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index with one package."""
    make_wheel(tmp_path / "index", "speedy", "1.0")
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    with serve(tmp_path / "index") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple/")
        yield index


@pytest.fixture
def stage(checkout: Checkout, index: Index) -> Wheels:
    """The wheels of a lock that names this package alone."""
    lock = checkout.folder / "python-cpu.lock"
    wheel = index.wheel(next(index.folder.iterdir()))
    package = LockedPackage(wheel.name, wheel.version, (wheel.sha256,))
    listed = Build(checkout.load(), ("docker",), ("cpu",), (AMD64,)).list_stages()
    lock.write_text(render_lock([package], find_target(checkout.load()), "test"))
    stage = next(stage for stage in listed if isinstance(stage, Wheels))
    assert stage.lock == Place(lock)
    return stage


def test_index_is_asked_for_the_wheels(stage: Wheels, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources.find_wheels([stage]) == "1 found where uv and pip look"
    assert not index.asked, "no wheel is fetched"
    assert sources.find_wheels([]) == "none needed"
    monkeypatch.setenv("UV_DEFAULT_INDEX", OFFLINE["UV_DEFAULT_INDEX"])
    monkeypatch.setenv("UV_CACHE_DIR", f"{index.folder}-none")
    with pytest.raises(PracticumError, match=r"python-cpu\.lock: .*; check the network and run again$"):
        sources.find_wheels([stage])
    assert "UV_HTTP_RETRIES" not in os.environ


def test_wheel_that_the_index_lost_is_told(stage: Wheels, index: Index) -> None:
    next(index.folder.iterdir()).unlink()
    with pytest.raises(PracticumError, match=r"python-cpu\.lock: .*speedy"):
        sources.find_wheels([stage])


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A proxy of apt that answers for every host, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"file")

        def log_message(self, *_: object) -> None:
            pass

    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, address)
        monkeypatch.delenv("no_proxy", raising=False)
        yield asked


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap is asked as root")


@as_root
def test_archives_are_asked_for_one_file_each_as_apt_is_configured(archive: list[str]) -> None:
    assert sources.find_packages(None, "bookworm") == f"{len(archive)} archives of Debian answer"
    assert len(archive) == 3 and all(address.endswith("/InRelease") for address in archive)
    assert sources.find_packages([], "bookworm") == "none needed" and len(archive) == 3


@as_root
def test_archive_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOBODY)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(PracticumError) as caught:
        sources.find_packages(None, "bookworm")
    told = str(caught.value)
    assert told.startswith("packages: Debian's archives: Failed to fetch ") and "\n" not in told
    assert told.endswith("; check the network and apt's proxy")
