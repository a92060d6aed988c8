"""Real builds of a small semester, interrupted: nothing is left behind, and the next build goes on from there.

The tests are one walk, in the order of the file: each builds what the one before it left unbuilt, so that the whole
costs little more than one build. Alone, a test works too and only takes longer. Where one fails in a build, those that
follow are skipped. A kill is aimed at a point: a held program (held_programs.py) is at work and the build waits for it.
"""

import json
import re
import signal
from collections.abc import Iterator

import pytest
from held_programs import NAMES
from small_site import SEMESTER, Build, Site, docker, locked, make_site
from survivors import marked_processes, mounts_under

from practicum.engine import namespaces
from practicum.semester import products

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ORDERLY = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with locked(make_site(tmp_path_factory.mktemp("site"))) as site:
        site.lend_layers()
        yield site


def interrupt(running: Build, signum: int) -> None:
    """Stops the build and judges how it ended: by exit code, with one line. What it left is judged by Site.building."""
    code = running.stop(signum)
    if signum == signal.SIGKILL:
        assert code == -9
        return
    assert code == ORDERLY[signal.Signals(signum)], f"{code}: {running.said()}"
    progress = re.compile(r"\[|\d+ wheels: ")  # a cold cache downloads, and says so
    told = [line for line in running.said().splitlines() if not progress.match(line)]
    assert len(told) == 1 and told[0].startswith(f"practicum: stopped by {signal.Signals(signum).name};"), (
        running.said()
    )


# ---- the walk ------------------------------------------------------------------------------------------------------


def test_kill_during_base(site: Site) -> None:
    trim = site.root / products.TRIM_DEBIAN
    before = trim.read_text()
    trim.write_text(f"{before}# of no use, but another base than the one in the cache\n")
    site.programs.hold("mmdebstrap", "--variant")
    try:
        with site.building() as running:
            running.wait_for(lambda: site.programs.is_held("mmdebstrap"))
            # What mmdebstrap mounts for dpkg, and leaves behind where nobody contains it.
            tmp = namespaces.TMP
            running.wait_for(lambda: [line for line in mounts_under(tmp) if "/mmdebstrap." in line], pause=0.3)
            assert mounts_under(site.folder) and len(marked_processes(running.mark)) >= 3
            interrupt(running, signal.SIGKILL)
    finally:
        trim.write_text(before)
    assert not site.dist_digests()


def test_term_during_appliance(site: Site) -> None:
    with site.building() as running:
        running.wait_for_line("appliance: system : Install the Debian packages")
        assert len(site.containers()) == 1 and not any(json.loads(site.published_ports()).values())
        assert running.listeners, "packer listens on loopback for ansible: else this test looks in the wrong place"
        interrupt(running, signal.SIGTERM)
    assert not site.dist_digests()
    assert not list(site.work.iterdir())


def test_kill_during_appliance_and_a_second_build_meanwhile(site: Site) -> None:
    site.programs.hold("packer", "practicum/work/appliance-")
    with site.building() as running:
        running.wait_for(lambda: site.programs.is_held("packer"))
        running.wait_for_line("appliance: jupyter : ")
        assert len(site.containers()) == 1
        went_on = "python: cached" in running.said()
        assert went_on or site.count == 1, "the build must go on from where the last one was stopped"
        second, cpu_seconds = site.command("ova", SEMESTER)
        assert running.process.poll() is None, "the second build must not wait for the first"
        assert second.returncode == 75 and cpu_seconds < 3, f"{second.returncode} after {cpu_seconds:.1f} CPU s"
        assert second.stderr.startswith(f"practicum: build of tt1-{SEMESTER}: process {running.process.pid} ")
        assert len(second.stderr.splitlines()) == 1
        interrupt(running, signal.SIGKILL)
    assert not site.dist_digests()


def test_kill_during_container_image(site: Site) -> None:
    site.programs.hold("packer", "practicum/work/container-cpu-")
    with site.building("docker", "--product=cpu") as running:
        running.wait_for(lambda: site.programs.is_held("packer"))
        running.wait_for_line("container-cpu: container : Open the home to group 0")
        assert len(site.containers()) == 1
        interrupt(running, signal.SIGKILL)
    assert not docker("image", "ls", "--quiet", f"tt1:{SEMESTER}-cpu")


def test_term_while_an_image_is_unpacked(site: Site) -> None:
    site.programs.hold("tar", "practicum/work/squashfs-")
    with site.building() as running:
        running.wait_for(lambda: site.programs.is_held("tar"))
        assert len(site.containers()) == 1
        interrupt(running, signal.SIGTERM)
    assert not site.dist_digests()


def test_kill_while_the_file_system_is_written(site: Site) -> None:
    site.programs.hold("mke2fs", "ext4")
    with site.building() as running:
        running.wait_for(lambda: site.programs.is_held("mke2fs"))
        running.wait_for(lambda: [raw for raw in site.work.glob("disk-*/output/disk.raw") if raw.stat().st_blocks])
        interrupt(running, signal.SIGKILL)
    assert not site.dist_digests()


def test_interrupt_while_the_disk_is_compressed(site: Site) -> None:
    with site.building() as running:
        running.wait_for_line("disk: compressing")
        interrupt(running, signal.SIGINT)
    assert not site.dist_digests()


def test_kill_while_the_appliance_is_written(site: Site) -> None:
    with site.building() as running:
        running.wait_for_line("ova: packing and verifying")
        running.wait_for(lambda: site.written_bytes(running) > 1 << 20, pause=0.01)
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
    assert site.command("verify-ova", str(site.dist / name))[0].returncode == 0
    assert not [path for path in site.work.iterdir() if path.is_dir()], "what the killed builds left must be swept"


def test_unchanged_build_is_quick(site: Site) -> None:
    with site.building() as running:
        running.finish()  # builds what is missing when this test runs alone
    before = site.dist_digests()
    asked = {name: len(site.programs.list_calls(name)) for name in NAMES}
    again, cpu_seconds = site.command("ova", SEMESTER)
    assert again.returncode == 0 and cpu_seconds < 5, (
        f"{again.returncode} after {cpu_seconds:.1f} CPU s: {again.stderr}"
    )
    assert again.stderr.count(": cached\n") == len(products.list_ova(site.load()))
    calls = {name: site.programs.list_calls(name)[count:] for name, count in asked.items()}
    assert {" ".join(call.split()[:2]) for call in calls.pop("docker")} == {"version --format", "image ls"}
    assert not any(calls.values()), calls
    assert site.dist_digests() == before


def test_build_at_another_time_and_place_gives_the_same_bytes(site: Site) -> None:
    """Once more from the Python environment on. The layers below are those of this machine's own products."""
    with site.building() as running:
        running.finish()
    before = site.dist_digests()
    with site.building(
        "ova", "--again=python", umask=0o077, TZ="Asia/Tokyo", LC_ALL="C", LANG="fr_CH.UTF-8"
    ) as running:
        running.finish()
    assert running.stages_run()[0] == "python" and running.stages_run()[-1] == "ova"
    assert site.dist_digests() == before


def test_kill_while_a_new_appliance_replaces_the_last_good_one(site: Site) -> None:
    with site.building() as running:
        running.finish()
    good = site.dist_digests()
    site.give_more_memory()
    with site.building() as running:
        running.wait_for_line("ova: packing and verifying")
        running.wait_for(lambda: site.written_bytes(running) > 1 << 20, pause=0.01)
        interrupt(running, signal.SIGKILL)
    assert site.dist_digests() == good
    assert not running.stages_run(), running.said()
    with site.building() as running:
        running.finish()
    assert running.stages_run() == ["ova"], running.said()
    assert site.dist_digests() != good
