"""Debian 13: a small appliance is built for real, and boots to a JupyterLab that is ready.

It has no torch, because the general index has no CPU build for Debian 13's Python. `make test-trixie` runs this, and
`make test` does not.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from small_site import SEMESTER, Site, locked, make_site, newest_semester

from practicum.engine import tools
from smoke_tests.guest import PATIENCE
from smoke_tests.jupyter import Jupyter
from smoke_tests.qemu import Machine, extract_disk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
BUILD = Path(__file__).parent.parent / "build"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if not tools.find("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is missing: make test-deps installs it")
    packages = newest_semester().debian.appliance_packages
    with locked(make_site(tmp_path_factory.mktemp("site"), "trixie", packages, ("jupyterlab", "pip"))) as site:
        with site.building() as running:
            running.finish()
        yield site


@pytest.fixture(scope="module")
def machine(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine after its first boot."""
    work = tmp_path_factory.mktemp("machine")
    disk = extract_disk(site.dist / f"tt1-{SEMESTER}.ova", work / "disk.raw")
    with Machine(disk, work, BUILD / "logs", "trixie", cpus=1) as booted:
        booted.wait_ready()
        yield booted


def test_first_boot_ends_with_jupyterlab_ready(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    spent = machine.cpu_seconds
    assert machine.issue["Status"] == "ready"
    assert machine.http("/api/contents", machine.code).status_code == 200
    assert machine.http("/api/contents").status_code == 403
    assert machine.run("systemctl --failed --plain --no-legend").stdout == ""
    with capsys.disabled():
        print(f"\n  ready after {spent:.0f} CPU s of QEMU")


def test_machine_is_of_debian_13(machine: Machine) -> None:
    assert machine.run(". /etc/os-release; echo $VERSION_CODENAME").stdout == "trixie\n"
    assert machine.run("/opt/venv/bin/python -V").stdout.startswith("Python 3.13.")


def test_notebook_computes(machine: Machine) -> None:
    with Jupyter(machine.url, machine.code).start_kernel() as kernel:
        assert kernel.execute("print(6 * 7)").text == "42\n"


def test_tmp_is_on_the_disk(machine: Machine) -> None:
    """A tmpfs would take its room from the memory of the notebooks."""
    assert machine.run("findmnt --noheadings --output FSTYPE --target /tmp").stdout == "ext4\n"


def test_keys_of_an_editor_do_not_lock_the_student_out(machine: Machine) -> None:
    """All come from one address, whose penalties OpenSSH 10 adds up: after five in a second it lets nobody in."""
    key = paramiko.RSAKey.generate(2048)
    with ThreadPoolExecutor(8) as pool:
        refused = [*pool.map(lambda _: is_refused(machine, key), range(8))]
    assert all(refused)
    machine.ssh().close()
    assert "\npersourcepenalties no\n" in machine.sudo("sshd -T")


def is_refused(machine: Machine, key: paramiko.PKey) -> bool:
    """Whether sshd answers, and does not know the key."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect(
                "127.0.0.1", machine.ssh_port, machine.user, pkey=key, allow_agent=False, look_for_keys=False,
                timeout=PATIENCE, banner_timeout=PATIENCE, auth_timeout=PATIENCE,
            )  # fmt: skip
        except paramiko.AuthenticationException:
            return True
    return False


def test_ssh_has_one_way_in(machine: Machine) -> None:
    """The port that the hypervisor forwards; systemd 257 would add sockets of its own."""
    listed = machine.run("systemctl list-sockets --all --plain --no-legend | grep ssh").stdout
    assert listed == ""


def test_kernel_is_trimmed(machine: Machine) -> None:
    """Untrimmed, its modules take 79 MB."""
    assert int(machine.run("du --summarize --block-size=1M /usr/lib/modules").stdout.split()[0]) < 30


def test_bye_ends_the_machine(machine: Machine) -> None:
    """The last test: the machine is off then."""
    with Jupyter(machine.url, machine.code).start_kernel() as kernel:
        kernel.send("!bye")
        machine.wait_poweroff(timeout=PATIENCE)
