"""practicum.engine.stages: outputs whole or absent, reasons told, and no trace of a killed build."""

import dataclasses
import io
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import Checkout
from cpu_time import cpu_seconds_of, forbid_waiting
from plain_stage import PlainStage, key_of, remove_no_image
from survivors import HANG, MARK, marked_processes, mounts_under, wait_until

from practicum.commands.build import ensure_all
from practicum.engine import cache, run, stages
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.stage import Stage

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of the build need root")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg" / "practicum"


@pytest.fixture
def quiet() -> Console:
    return Console(plain=True)


class Recipe:
    """Builds a stage and counts how often it was asked to."""

    def __init__(self, text: str = "content") -> None:
        self.runs = 0
        self.text = text

    def __call__(self, folder: Path, _console: Console) -> None:
        self.runs += 1
        (folder / "root.tar").write_text(self.text)


def make(build: Callable[[Path, Console], None], **inputs: str) -> Stage:
    return PlainStage(name="base", given=inputs or {"suite": "bookworm"}, build=build)


def test_seconds_of_a_stage_are_those_of_its_last_run(own_cache: Path, quiet: Console) -> None:
    old, new = make(Recipe(), suite="bookworm"), make(Recipe(), suite="trixie")
    assert stages.recall_seconds(new, "s") is None
    for stage, seconds in ((old, 40.0), (new, 50.0)):
        file = stages.ensure(stage, "s", quiet) / stages.MANIFEST
        file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": seconds}))
        assert stages.recall_seconds(make(Recipe(), suite="sid"), "s") == seconds, "whatever its key"
    stages.ensure(old, "s", quiet)
    assert stages.recall_seconds(new, "s") == 40.0, "of the one that the scope used last"
    os.utime(new.folder / stages.MANIFEST, (2**31, 2**31))
    assert stages.recall_seconds(old, "another") == 50.0, "of any scope, where it has none"
    (new.folder / stages.MANIFEST).write_text("{}")
    assert stages.recall_seconds(old, "another") is None


def test_a_build_tells_what_is_expected(quiet: Console, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a stage that is cached, and the seconds that the cache remembers of the others."""
    first, second = make(Recipe(), suite="bookworm"), PlainStage(name="disk", given={"a": "1"}, build=Recipe())
    scope = checkout.load().product_name
    file = stages.ensure(dataclasses.replace(second, given={"a": "0"}), scope, quiet) / stages.MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": 50.0}))
    stages.ensure(first, scope, quiet)
    expected: list[dict[str, float | None]] = []
    monkeypatch.setattr(quiet, "expect", expected.append)
    ensure_all([first, second], checkout.load(), quiet)
    assert expected == [{"base": 0.0, "disk": 50.0}]


def test_key_depends_on_name_and_inputs_alone() -> None:
    key = key_of("base", {"a": "1", "b": "2"})
    assert key == key_of("base", {"b": "2", "a": "1"})
    others = [("disk", {"a": "1", "b": "2"}), ("base", {"a": "12"}), ("base", {"a": "2", "b": "1"}), ("base", {})]
    assert len({key, *(key_of(name, inputs) for name, inputs in others)}) == 5


def test_ensure_builds_once_and_records_what_it_did() -> None:
    recipe, told = Recipe(), io.StringIO()
    quiet = Console(stream=told)
    stage = dataclasses.replace(make(recipe), tools=("bash", "/etc"))
    begun = time.monotonic()
    folder = stages.ensure(stage, "ee559-2027-spring", quiet)
    assert stages.ensure(stage, "ee559-2027-spring", quiet) == folder
    assert recipe.runs == 1 and (folder / "root.tar").read_text() == "content"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert 0 <= manifest.pop("seconds") <= round(time.monotonic() - begun, 1)
    assert manifest.pop("tools")["bash"].startswith("GNU bash")
    assert manifest == {
        "version": stages.MANIFEST_VERSION,
        "name": "base",
        "key": stage.key,
        "inputs": {"suite": "bookworm"},
        "outputs": {"root.tar": {"sha256": cache.hash_file(folder / "root.tar"), "bytes": 7}},
        "image": "",
    }
    said = told.getvalue()
    assert "s] base: first build\n" in said and said.endswith("s] base: cached\n")


def test_other_inputs_build_beside(quiet: Console) -> None:
    one, two = Recipe("one"), Recipe("two")
    first = stages.ensure(make(one, lock="1"), "s", quiet)
    second = stages.ensure(make(two, lock="2"), "s", quiet)
    assert (first / "root.tar").read_text() == "one" and (second / "root.tar").read_text() == "two"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "root.tar").unlink(), "output missing: root.tar"),
        (lambda folder: (folder / "root.tar").write_text("cut"), "root.tar has another size than recorded"),
        (lambda folder: (folder / "manifest.json").unlink(), "no output"),
        (lambda folder: (folder / "manifest.json").write_text('{"outputs": {'), "no output"),
        (lambda folder: (folder / "manifest.json").write_text('["x"]'), "no output"),
        (lambda folder: (folder / "manifest.json").write_text('{"outputs": []}'), "no output"),
    ],
)
def test_damaged_output_is_built_again(quiet: Console, damage: Callable[[Path], object], reason: str) -> None:
    recipe = Recipe()
    folder = stages.ensure(make(recipe), "s", quiet)
    damage(folder)
    assert reason in stages.explain(make(recipe), "s")
    assert stages.ensure(make(recipe), "s", quiet) == folder
    assert recipe.runs == 2 and (folder / "root.tar").read_text() == "content"
    assert stages.explain(make(recipe), "s") == "cached"


def test_vanished_image_is_built_again(quiet: Console) -> None:
    image: list[Path] = []
    recipe = Recipe()
    stage = dataclasses.replace(make(recipe), still_there=lambda _: bool(image))
    stages.ensure(stage, "s", quiet)
    assert stages.explain(stage, "s") == "output missing: what it left outside the cache is gone"
    stages.ensure(stage, "s", quiet)
    assert recipe.runs == 2
    image.append(Path())
    assert stages.explain(stage, "s") == "cached"


def test_explain_names_what_changed(quiet: Console) -> None:
    before = make(Recipe(), suite="bookworm", lock="0" * 64, gone="x", same="y")
    assert stages.explain(before, "s") == "first build"
    stages.ensure(before, "s", quiet)
    after = make(Recipe(), suite="trixie", lock="1" * 64, new="x", same="y")
    assert stages.explain(after, "s") == "changed: gone (gone), lock, new (new), suite (bookworm -> trixie)"
    assert stages.explain(after, "another semester") == "first build"
    assert stages.explain(before, "s") == "cached"


@pytest.mark.parametrize("leave", [lambda folder: None, lambda folder: (folder / "root.tar").touch()])
def test_output_that_was_not_made_is_refused(quiet: Console, own_cache: Path, leave: Callable[[Path], None]) -> None:
    with pytest.raises(PracticumError, match=r"stage base: it ended without making root\.tar"):
        stages.ensure(make(lambda folder, _: leave(folder)), "s", quiet)
    assert not (own_cache / "stages").exists() and not list((own_cache / "work").iterdir())
    assert stages.explain(make(Recipe()), "s") == "first build"


def test_failed_build_keeps_the_last_good_output(quiet: Console, own_cache: Path) -> None:
    good = stages.ensure(make(Recipe("good"), lock="1"), "s", quiet)

    def fail(folder: Path, _console: Console) -> None:
        (folder / "root.tar").write_text("half")
        raise PracticumError("base", "no network")

    with pytest.raises(PracticumError, match="base: no network"):
        stages.ensure(make(fail, lock="2"), "s", quiet)
    assert (good / "root.tar").read_text() == "good"
    assert [path.name for path in (own_cache / "stages" / "base").iterdir()] == [good.name]
    assert not list((own_cache / "work").iterdir())


@needs_root
def test_log_of_a_failed_build_stays_where_the_message_says(quiet: Console, own_cache: Path) -> None:
    def fail(folder: Path, _console: Console) -> None:
        run.run(["sh", "-c", "echo first; echo reason; exit 1"], step="base", log=folder / "base.log")

    log = own_cache / "logs" / "s" / "base" / "base.log"
    with pytest.raises(PracticumError) as caught:
        stages.ensure(make(fail), "s", quiet)
    assert str(caught.value) == f"base: sh ended with exit code 1: reason (log: {log})"
    assert log.read_text() == "first\nreason\n"


def test_obstacles_are_named_before_the_build_starts(quiet: Console) -> None:
    recipe = Recipe()
    huge = dataclasses.replace(make(recipe), space=10**18)
    toolless = dataclasses.replace(make(recipe), tools=("no-such-tool", "bash"))
    for refuse in (lambda: stages.ensure(huge, "s", quiet), lambda: stages.find_missing([huge, make(Recipe())])):
        with pytest.raises(PracticumError, match=r"needs 1000000.0 TB free"):
            refuse()
    for refuse in (lambda: stages.ensure(toolless, "s", quiet), lambda: stages.find_missing([toolless])):
        with pytest.raises(PracticumError, match="missing: no-such-tool; install with"):
            refuse()
    assert recipe.runs == 0
    stages.ensure(make(Recipe()), "s", quiet)
    stages.find_missing([huge, toolless])  # same key: cached, so nothing is needed


class TestPrune:
    def test_keeps_two_for_each_scope(self, quiet: Console, own_cache: Path) -> None:
        for lock in "123":
            stages.ensure(make(Recipe(), lock=lock), "spring", quiet)
        stages.ensure(make(Recipe(), lock="1"), "autumn", quiet)
        stages.ensure(make(Recipe(), lock="4"), "spring", quiet)
        pruned = stages.prune(remove_no_image)
        assert [Path(path).name for path in pruned.removed] == [key_of("base", {"lock": "2"})]
        assert pruned.freed > 0 and not pruned.left
        kept = {path.name for path in (own_cache / "stages" / "base").iterdir()}
        assert kept == {key_of("base", {"lock": lock}) for lock in "134"}

    def test_going_back_and_forth_keeps_both(self, quiet: Console) -> None:
        for lock in "12121":
            stages.ensure(make(Recipe(), lock=lock), "s", quiet)
        assert stages.prune(remove_no_image) == stages.Pruned()

    def test_leaves_what_is_being_built(self, quiet: Console, own_cache: Path) -> None:
        folder = stages.ensure(make(Recipe()), "s", quiet)
        (own_cache / "scopes" / "s" / "base.json").unlink()
        with cache.lock(f"base-{folder.name}", "base of s"):
            assert "is at it" in stages.prune(remove_no_image).left[0]
        assert folder.exists()
        assert stages.prune(remove_no_image).removed == (str(folder),)

    def test_removes_the_image_first(self, quiet: Console, own_cache: Path) -> None:
        stage = dataclasses.replace(make(Recipe()), image="practicum-base:1")
        folder = stages.ensure(stage, "s", quiet)
        (own_cache / "scopes" / "s" / "base.json").unlink()
        removed: list[tuple[str, bool]] = []

        def no_docker(_image: str) -> None:
            raise PracticumError("docker", "Cannot connect to the Docker daemon")

        assert stages.prune(no_docker).left == (f"base/{stage.key[:16]}: docker: Cannot connect to the Docker daemon",)
        assert folder.exists(), "without its folder nobody would remember the image"
        pruned = stages.prune(lambda image: removed.append((image, folder.exists())))
        assert pruned.removed == (str(folder),)
        assert removed == [("practicum-base:1", True)]


def test_a_semester_is_forgotten(quiet: Console, own_cache: Path) -> None:
    only = stages.ensure(make(Recipe(), lock="1"), "spring", quiet)
    shared = stages.ensure(make(Recipe(), lock="2"), "spring", quiet)
    stages.ensure(make(Recipe(), lock="2"), "autumn", quiet)
    with pytest.raises(
        PracticumError, match=r"--semester=sprin: the cache has no such semester; known: autumn, spring"
    ):
        stages.forget("sprin")
    stages.forget("spring")
    assert stages.prune(remove_no_image).removed == (str(only),)
    assert shared.is_dir()


def test_images_without_a_folder_are_found(quiet: Console, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stages.ensure(make(Recipe()), "s", quiet)
    names = [
        f"practicum-base:{here.name[:16]}",
        "practicum-base:0123456789abcdef",
        "practicum-torch-cpu:0123456789abcdef",
    ]
    monkeypatch.setattr(run, "read", lambda _argv, *, step: "\n".join(names))
    assert stages.list_lost_images() == names[1:]

    def no_docker(_argv: list[str], *, step: str) -> str:
        raise PracticumError(step, "Cannot connect to the Docker daemon")

    monkeypatch.setattr(run, "read", no_docker)
    assert stages.list_lost_images() == [], "prune needs no docker where no image has to go"


# ---- builds that are interrupted -----------------------------------------------------------------------------------

DRIVER = """
import sys
from pathlib import Path
from plain_stage import PlainStage
from practicum.engine import run, stages
from practicum.cli import exit_code_of
from practicum.engine.progress import Console

lock, what, mount_point, scope = sys.argv[1:5]

def build(folder, console):
    (folder / "root.tar").write_text("content of " + lock)
    script = f"mount -t tmpfs x {mount_point}; setsid sleep 600 & echo mounted; sleep 600"
    if what == "hang":
        run.run(["sh", "-c", script], step="base", on_line=lambda line: print(line, flush=True))
    if what == "compute":
        print("computing", flush=True)
        while True:
            sum(range(10000))

run.stop_on_signals()
stage = PlainStage(given={"lock": lock}, build=build)
sys.exit(exit_code_of(lambda: stages.ensure(stage, scope, Console(plain=True))))
"""


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


def start_build(tmp_path: Path, mark: str, lock: str, what: str, scope: str = "s") -> "subprocess.Popen[str]":
    mount_point = tmp_path / "mounted"
    mount_point.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, lock, what, str(mount_point), scope],
        env={**os.environ, MARK: mark, "PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_no_trace(tmp_path: Path, mark: str, own_cache: Path, good: Path) -> None:
    wait_until(lambda: not marked_processes(mark))
    assert not mounts_under(tmp_path)
    assert [path.name for path in (own_cache / "stages" / "base").iterdir()] == [good.name]
    assert (good / "root.tar").read_text() == "content of good"


@needs_root
@pytest.mark.parametrize(
    ("what", "line", "signum", "code"),
    [
        ("hang", "mounted", signal.SIGKILL, -9),
        ("hang", "mounted", signal.SIGTERM, 143),
        ("hang", "mounted", signal.SIGINT, 130),
        ("compute", "computing", signal.SIGTERM, 143),
        ("compute", "computing", signal.SIGKILL, -9),
    ],
)
def test_interrupted_build(
    tmp_path: Path, own_cache: Path, mark: str, what: str, line: str, signum: int, code: int
) -> None:
    assert start_build(tmp_path, mark, "good", "finish").wait(HANG) == 0
    good = own_cache / "stages" / "base" / key_of("base", {"lock": "good"})
    process = start_build(tmp_path, mark, "new", what)
    assert process.stdout and process.stdout.readline().strip() == line
    assert list((own_cache / "work").iterdir())
    process.send_signal(signum)
    _, errors = process.communicate(timeout=HANG)
    assert process.returncode == code
    assert_no_trace(tmp_path, mark, own_cache, good)
    if signum != signal.SIGKILL:
        assert not list((own_cache / "work").iterdir()) and not list((own_cache / "locks").iterdir())
        told = [text for text in errors.splitlines() if text.startswith("practicum: ")]
        assert len(told) == 1 and "kept" in told[0] and signal.Signals(signum).name in told[0], errors
    assert start_build(tmp_path, mark, "new", "finish").wait(HANG) == 0
    assert not list((own_cache / "work").iterdir())


def wait_for_moment(process: "subprocess.Popen[str]", cpu_seconds: float) -> None:
    """Waits until the process has computed for so long, or says that it has nothing left to compute."""
    wait_until(lambda: cpu_seconds_of(process.pid) >= cpu_seconds or select.select([process.stdout], [], [], 0)[0])


@needs_root
def test_build_killed_at_any_moment(tmp_path: Path, own_cache: Path, mark: str) -> None:
    """From the first import to the mounted child: each run is killed somewhere else, each next one starts clean."""
    assert start_build(tmp_path, mark, "good", "finish").wait(HANG) == 0
    good = own_cache / "stages" / "base" / key_of("base", {"lock": "good"})
    process = start_build(tmp_path, mark, "new", "hang")
    assert process.stdout and process.stdout.readline()
    whole = cpu_seconds_of(process.pid)
    process.kill()
    process.communicate()
    dice = random.Random(559)
    for _ in range(10):
        process = start_build(tmp_path, mark, "new", "hang")
        wait_for_moment(process, dice.uniform(0.3, 1.1) * whole)
        process.send_signal(dice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.communicate(timeout=HANG)
        assert_no_trace(tmp_path, mark, own_cache, good)
    assert start_build(tmp_path, mark, "new", "finish").wait(HANG) == 0
    assert not list((own_cache / "work").iterdir())


@needs_root
def test_same_build_twice_is_refused_at_once(
    tmp_path: Path, mark: str, quiet: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start_build(tmp_path, mark, "new", "hang")
    assert process.stdout and process.stdout.readline()
    refused = pytest.raises(cache.Busy, match=rf"^base of s: process {process.pid} \(base of s\) since 20")
    with monkeypatch.context() as patch, refused as caught:
        forbid_waiting(patch)
        stages.ensure(make(Recipe(), lock="new"), "s", quiet)
    assert process.poll() is None and caught.value.exit_code == 75
    stages.ensure(make(Recipe(), lock="other"), "s", quiet)  # another output is free
    process.kill()
    wait_until(lambda: not marked_processes(mark))
    process.communicate()


@needs_root
def test_another_semester_waits_for_the_stage_both_need(tmp_path: Path, mark: str) -> None:
    first = start_build(tmp_path, mark, "shared", "hang", "spring")
    assert first.stdout and first.stdout.readline()
    second = start_build(tmp_path, mark, "shared", "finish", "autumn")
    assert second.stderr
    while "waiting for process" not in (line := second.stderr.readline()):
        assert line, "it must say that it waits"
    assert second.poll() is None
    first.terminate()
    first.communicate(timeout=HANG)
    second.communicate(timeout=HANG)
    assert (first.returncode, second.returncode) == (143, 0)
