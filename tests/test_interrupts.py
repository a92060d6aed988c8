"""Real builds of a small semester, interrupted: nothing is left behind, and the next build goes on from there.

The tests are one walk, in the order of the file: each builds what the one before it left unbuilt, so that the whole
costs little more than one build. Alone, a test works too and only takes longer.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest
from small_site import SEMESTER, Build, Site, docker, make_site
from survivors import MARK, listeners_of, marked_processes, mounts_under, wait_until

from practicum import appliance, cache, images, lock, run
from practicum.description import load
from practicum.errors import PracticumError

pytestmark = pytest.mark.timeout(1200)
ORDERLY = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("a build needs root")
    try:
        images.ensure_docker()
        run.require("mmdebstrap", "packer", "ansible-playbook")
    except PracticumError as error:
        pytest.skip(str(error))
    site = make_site(tmp_path_factory.mktemp("site"))
    try:
        # The wheels are content-addressed and made for being shared; downloading them again would prove nothing.
        (site.folder / "cache/practicum").mkdir(parents=True)
        store = cache.root() / "wheels"
        store.mkdir(exist_ok=True)
        (site.folder / "cache/practicum/wheels").symlink_to(store)
        for kind in ("cpu", "cuda"):
            lock.lock_python(load(site.root / "semesters" / SEMESTER), kind=kind)
        yield site
    except PracticumError as error:
        if "network" not in str(error):
            raise
        pytest.skip(str(error))
    finally:
        site.remove()


@pytest.fixture(autouse=True)
def seconds(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    begun = time.monotonic()
    yield
    with capsys.disabled():
        print(f"\n  {request.node.name}: {time.monotonic() - begun:.1f} s", end="")


def interrupt(running: Build, signum: int) -> None:
    """Stops the build and judges how it ended: by exit code, in time, with one line."""
    code, seconds = running.stop(signum)
    if signum == signal.SIGKILL:
        assert code == -9
        return
    assert code == ORDERLY[signal.Signals(signum)] and seconds < 15, f"{code} after {seconds:.1f} s: {running.said()}"
    progress = re.compile(r"\[|\d+ wheels: ")  # a cold cache downloads, and says so
    told = [line for line in running.said().splitlines() if not progress.match(line)]
    assert len(told) == 1 and told[0].startswith(f"practicum: stopped by {signal.Signals(signum).name};"), (
        running.said()
    )


def is_running(program: str, running: Build) -> bool:
    return any(f"b'{program}\\x00" in process for process in marked_processes(running.mark))


# ---- the walk ------------------------------------------------------------------------------------------------------


def test_kill_during_base(site: Site) -> None:
    with site.building() as running:
        # What mmdebstrap mounts for dpkg, and leaves behind where nobody contains it.
        running.wait_for(lambda: [line for line in mounts_under(run.TMP) if "/mmdebstrap." in line])
        assert mounts_under(site.folder) and len(marked_processes(running.mark)) >= 3
        interrupt(running, signal.SIGKILL)
    assert not site.dist_digests()


def test_term_during_appliance(site: Site) -> None:
    with site.building() as running:
        running.wait_for_line("appliance: system : Install the Debian packages")
        assert len(site.containers()) == 1 and not any(json.loads(site.published_ports()).values())
        assert running.listeners, "packer listens on loopback for ansible: else this test looks in the wrong place"
        interrupt(running, signal.SIGTERM)
    assert not site.dist_digests()
    assert not list((site.folder / "cache/practicum/work").iterdir())


def test_kill_during_appliance_and_a_second_build_meanwhile(site: Site) -> None:
    with site.building() as running:
        running.wait_for(site.containers)
        assert "base: cached" in running.said(), "the build must go on from where the last one was stopped"
        begun = time.monotonic()
        second = site.command("ova", SEMESTER)
        refused = time.monotonic() - begun
        assert second.returncode == 75 and refused < 3, f"{second.returncode} after {refused:.1f} s"
        assert second.stderr.startswith(f"practicum: build of {SEMESTER}: process {running.process.pid} ")
        assert len(second.stderr.splitlines()) == 1
        interrupt(running, signal.SIGKILL)
    assert not site.dist_digests()


def test_kill_during_container_image(site: Site) -> None:
    with site.building("docker", "--product=cpu") as running:
        running.wait_for_line("container-cpu: container : Open the home to group 0")
        assert len(site.containers()) == 1
        interrupt(running, signal.SIGKILL)
    assert not docker("image", "ls", "--quiet", f"tt1:{SEMESTER}-cpu")


def test_term_while_an_image_is_unpacked(site: Site) -> None:
    with site.building() as running:
        running.wait_for_line("squashfs: unpacking")
        running.wait_for(site.containers)
        interrupt(running, signal.SIGTERM)
    assert not site.dist_digests()


def test_kill_while_the_file_system_is_written(site: Site) -> None:
    with site.building() as running:
        running.wait_for_line("disk: writing the file system")
        running.wait_for(lambda: is_running("mke2fs", running))
        interrupt(running, signal.SIGKILL)
    assert not site.dist_digests()


def test_interrupt_while_the_disk_is_compressed(site: Site) -> None:
    with site.building() as running:
        running.wait_for_line("disk: compressing")
        interrupt(running, signal.SIGINT)
    assert not site.dist_digests()


def test_kill_while_the_appliance_is_written(site: Site) -> None:
    with site.building() as running:
        running.wait_for(lambda: site.written_bytes(running) > 1 << 20)
        interrupt(running, signal.SIGKILL)
    assert not site.dist_digests()


def test_build_after_all_that(site: Site) -> None:
    with site.building() as running:
        running.finish()
    assert running.stages_run()[-1] == "ova"
    name = f"tt1-{SEMESTER}.ova"
    digests = site.dist_digests()
    assert set(digests) == {name, f"{name}.sha256"}
    assert (site.dist / f"{name}.sha256").read_text() == f"{digests[name]}  {name}\n"
    assert site.command("verify-ova", str(site.dist / name)).returncode == 0
    work = site.folder / "cache/practicum/work"
    assert not [path for path in work.iterdir() if path.is_dir()], "what the killed builds left must be swept"


def test_unchanged_build_is_quick(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with site.building() as running:
        running.finish()  # builds what is missing when this test runs alone
    before = site.dist_digests()
    begun = time.monotonic()
    again = site.command("ova", SEMESTER)
    took = time.monotonic() - begun
    assert again.returncode == 0 and took < 5, f"{again.returncode} after {took:.1f} s: {again.stderr}"
    assert again.stderr.count(": cached\n") == len(appliance.recipe(load(site.root / "semesters" / SEMESTER)))
    assert site.dist_digests() == before
    with capsys.disabled():
        print(f"\n  unchanged: {took:.1f} s", end="")


def test_kill_while_a_new_appliance_replaces_the_last_good_one(site: Site) -> None:
    with site.building() as running:
        running.finish()
    good = site.dist_digests()
    site.content_file.write_text(f"Changed {uuid.uuid4()}.\n")
    with site.building() as running:
        running.wait_for(lambda: site.written_bytes(running) > 1 << 20)
        interrupt(running, signal.SIGKILL)
    assert site.dist_digests() == good
    assert running.stages_run() == ["course-appliance", "disk"], running.said()
    with site.building() as running:
        running.finish()
    assert running.stages_run() == ["ova"], running.said()
    assert site.dist_digests() != good


# ---- the eyes ------------------------------------------------------------------------------------------------------


def test_listener_off_loopback_would_be_seen() -> None:
    mark = uuid.uuid4().hex
    script = (
        "import socket, sys\n"
        "held = [socket.create_server((host, 0), family=family) for host, family in"
        " (('127.0.0.1', socket.AF_INET), ('0.0.0.0', socket.AF_INET))]\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, MARK: mark}, stdin=subprocess.PIPE
    ) as child:
        try:
            wait_until(lambda: listeners_of(mark) == {"127.0.0.1", "0.0.0.0"})
        finally:
            child.kill()
