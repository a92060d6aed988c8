"""scripts/: what a new machine meets before there is any Python of ours."""

import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
from docker_clients import list_clients, name_client
from survivors import HANG, MARK, marked_processes, wait_until

ROOT = Path(__file__).parent.parent
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the script refuses other users, as it should")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the scripts, with a folder for stand-ins of the programs they call."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    return tmp_path


def stand_in(checkout: Path, name: str, body: str) -> None:
    path = checkout / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def call(checkout: Path, script: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [checkout / "scripts" / script, *arguments],
        env={**os.environ, "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )


@needs_root
def test_only_what_is_missing_is_installed(checkout: Path) -> None:
    (checkout / "scripts" / "packages.txt").write_text(
        "# a comment\n\nova no-such-tool gives-tool\nova sh dash\n"
        "ova /no/such/file gives-file\ntest no-such-test tester\n"
    )
    stand_in(checkout, "apt-get", f'echo "$DEBIAN_FRONTEND $*" >>{checkout}/asked')
    told = call(checkout, "install-deps.sh", "ova")
    assert told.returncode == 0
    assert told.stdout == "deps: apt-get install --yes --no-install-recommends gives-tool gives-file\n"
    assert (checkout / "asked").read_text().splitlines() == [
        "noninteractive update --quiet",
        "noninteractive install --yes --no-install-recommends gives-tool gives-file --quiet",
    ]
    assert "gives-file tester" in call(checkout, "install-deps.sh", "ova", "test").stdout


def test_complete_machine_is_left_alone(checkout: Path) -> None:
    (checkout / "scripts" / "packages.txt").write_text("ova sh dash\n")
    stand_in(checkout, "apt-get", "exit 99")
    told = call(checkout, "install-deps.sh", "ova", "test")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


class TestEmulator:
    """make-emulator.sh, with stand-ins for what changes the machine."""

    @pytest.fixture
    def machine(self, checkout: Path) -> Path:
        (checkout / "scripts" / "packages.txt").write_text("emulator no-such-emulator gives-emulator\n")
        (checkout / "binfmt").mkdir()
        stand_in(checkout, "apt-get", f'echo "apt-get $*" >>{checkout}/asked')
        stand_in(checkout, "mount", f'echo "mount $*" >>{checkout}/asked; touch {checkout}/binfmt/register')
        return checkout

    @needs_root
    def test_registrations_have_a_place_before_the_packages_come(self, machine: Path) -> None:
        told = call(machine, "make-emulator.sh", BINFMT=str(machine / "binfmt"))
        assert told.returncode == 0, told
        asked = (machine / "asked").read_text().splitlines()
        assert asked[0] == f"mount -t binfmt_misc none {machine}/binfmt"
        assert asked[-1] == "apt-get install --yes --no-install-recommends gives-emulator --quiet"

    @needs_root
    def test_mounted_folder_is_left_alone(self, machine: Path) -> None:
        (machine / "binfmt/register").touch()
        assert call(machine, "make-emulator.sh", BINFMT=str(machine / "binfmt")).returncode == 0
        assert "mount" not in (machine / "asked").read_text()

    @needs_root
    def test_container_without_privileges_is_told_where_to_go(self, machine: Path) -> None:
        stand_in(machine, "mount", "echo 'mount: permission denied.' >&2; exit 32")
        told = call(machine, "make-emulator.sh", BINFMT=str(machine / "binfmt"))
        assert told.returncode == 2 and not (machine / "asked").exists()
        last = told.stderr.splitlines()[-1]
        assert last.startswith("emulator: this machine may not mount ") and last.endswith("make emulator on its host")


@pytest.mark.skipif(
    "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text(), reason="this machine is no Debian 12"
)
class TestNewerEmulator:
    """make-qemu.sh, with stand-ins for what needs a network."""

    @pytest.fixture
    def machine(self, checkout: Path) -> Path:
        stand_in(checkout, "qemu-system-x86_64", "echo 'QEMU emulator version 7.2.22 (Debian)'")
        fetch = 'case "$*" in *download*) touch one.deb ;; esac'
        stand_in(checkout, "apt-get", f'echo "$*" >>{checkout}/asked; {fetch}')
        stand_in(
            checkout, "dpkg-deb", f'mkdir -p "$3/usr/bin" && cp {checkout}/bin/fetched "$3/usr/bin/qemu-system-x86_64"'
        )
        stand_in(checkout, "fetched", "echo 'QEMU emulator version 10.0.2'")
        return checkout

    def fetch(self, machine: Path) -> tuple[int, list[str], list[str]]:
        """Return the exit code, what was said, and what is in the folder of builds."""
        told = call(machine, "make-qemu.sh", str(machine / "build/qemu"))
        left = [path.name for path in (machine / "build").glob("*")]
        return told.returncode, told.stderr.splitlines(), left

    def test_is_fetched_once(self, machine: Path) -> None:
        assert self.fetch(machine) == (0, ["qemu: fetching a newer QEMU for the tests, 24 MB"], ["qemu"])
        assert (machine / "build/qemu/usr/bin/qemu-system-x86_64").exists()
        asked = (machine / "asked").read_text()
        assert "/etc/apt" not in asked and " install" not in asked
        assert self.fetch(machine) == (0, [], ["qemu"])
        assert (machine / "asked").read_text() == asked

    def test_machine_that_has_a_newer_one_is_left_alone(self, machine: Path) -> None:
        stand_in(machine, "qemu-system-x86_64", "echo 'QEMU emulator version 10.0.2 (Debian)'")
        assert self.fetch(machine) == (0, [], [])
        assert not (machine / "asked").exists()

    def test_tests_go_on_where_none_can_be_had(self, machine: Path) -> None:
        stand_in(machine, "apt-get", "echo 'E: no network' >&2; exit 100")
        code, said, left = self.fetch(machine)
        assert (code, left) == (0, [])
        assert said[-1] == (
            "qemu: bookworm-backports cannot be had, so the tests run on Debian's own QEMU: E: no network"
        )

    def test_one_that_does_not_start_is_not_kept(self, machine: Path) -> None:
        stand_in(machine, "fetched", "echo 'error while loading shared libraries: libx.so.1'; exit 127")
        code, said, left = self.fetch(machine)
        assert (code, left) == (0, [])
        assert said[-1].endswith("Debian's own: error while loading shared libraries: libx.so.1")


def test_old_python_is_passed_over(checkout: Path) -> None:
    stand_in(checkout, "python3", "exit 1")
    found = call(checkout, "find-python.sh")
    if found.returncode == 0:
        version = subprocess.check_output(
            [found.stdout.strip(), "-c", "import sys; print(sys.version_info >= (3, 11))"]
        )
        assert version == b"True\n" and found.stdout.strip() != str(checkout / "bin" / "python3")
    named = call(checkout, "find-python.sh", PYTHON3=shutil.which("python3.11") or "python3.11")
    assert named.returncode == 0 and named.stdout.startswith("/")


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd starts docker here")
class TestStartDocker:
    def test_answering_daemon_is_left_alone(self, checkout: Path) -> None:
        stand_in(checkout, "docker", "exit 0")
        stand_in(checkout, "dockerd", "exit 99")
        assert call(checkout, "start-docker.sh").stdout == ""

    @needs_root
    def test_daemon_is_started_on_a_socket_only_and_outlives_us(self, checkout: Path) -> None:
        mark = uuid.uuid4().hex
        stand_in(checkout, "docker", f"test -e {checkout}/up")
        stand_in(checkout, "dockerd", f'echo "$@" >{checkout}/asked; touch {checkout}/up; exec sleep 600')
        told = call(checkout, "start-docker.sh", **{MARK: mark})
        assert told.returncode == 0, told.stderr
        assert (checkout / "asked").read_text() == "--host unix:///var/run/docker.sock\n"
        (daemon,) = marked_processes(mark)
        os.kill(int(daemon.split()[0]), signal.SIGKILL)
        wait_until(lambda: not marked_processes(mark))

    @needs_root
    def test_daemon_that_dies_is_reported_at_once(self, checkout: Path) -> None:
        stand_in(checkout, "docker", "exit 1")
        stand_in(checkout, "dockerd", "echo no iptables; exit 1")
        told = call(checkout, "start-docker.sh")
        assert told.returncode == 2
        assert told.stderr == "docker: the daemon ended: no iptables; see build/dockerd.log\n"


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd starts docker here")
@needs_root
@pytest.mark.parametrize("client", list_clients(), ids=name_client)
def test_every_docker_client_tells_a_dead_daemon_from_one_that_answers(checkout: Path, client: Path) -> None:
    stand_in(checkout, "docker", f'exec {client} "$@"')
    stand_in(checkout, "dockerd", "echo asked; exit 1")
    dead = call(checkout, "start-docker.sh", DOCKER_HOST=f"unix://{checkout}/nobody")
    assert (dead.returncode, dead.stderr) == (2, "docker: the daemon ended: asked; see build/dockerd.log\n")
    if subprocess.run([client, "version"], capture_output=True).returncode:
        pytest.skip("no daemon answers here")
    assert call(checkout, "start-docker.sh").returncode == 0


def test_killed_make_takes_its_command_along(tmp_path: Path) -> None:
    """With the very lines of our Makefile, on a stand-in of the command."""
    mark = uuid.uuid4().hex
    lines = (ROOT / "Makefile").read_text().splitlines()
    head = [line for line in lines if line.startswith(("SHELL", ".SHELLFLAGS", "PRACTICUM"))]
    (tmp_path / "Makefile").write_text("\n".join(["VENV := .", *head, "ova:", "\t@$(PRACTICUM) ova", ""]))
    (tmp_path / "bin").mkdir()
    stand_in(tmp_path, "practicum", "echo up; exec sleep 600")
    # When make itself runs the tests, its flags must not reach this one: it would tell what folder it enters.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    make = subprocess.Popen(["make", "ova"], cwd=tmp_path, env={**clean, MARK: mark}, stdout=subprocess.PIPE, text=True)
    assert make.stdout and make.stdout.readline() == "up\n"
    make.kill()
    make.wait()
    wait_until(lambda: not marked_processes(mark))


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        (["ova"], ["practicum ova"]),
        (["ova", "ARCH=arm64"], ["practicum ova --arch=arm64"]),
        (["docker", "ARCH=all", "SEMESTER=2027-spring"], ["practicum docker 2027-spring --arch=all"]),
        (["preflight", "ARCH=arm64"], ["practicum preflight --arch=arm64"]),
        (["preflight", "FOR=ova docker"], ["practicum preflight --for=ova --for=docker"]),
        (["release"], ["practicum ova --arch=all", "practicum archive --arch=all"]),
    ],
)
def test_make_hands_the_architecture_on(words: list[str], commands: list[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARCH"))}
    argv = ["make", "--dry-run", *words]
    done = subprocess.run(argv, cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    called = [
        " ".join(line.partition("/bin/")[2].split()) for line in done.stdout.splitlines() if "exec setpriv" in line
    ]
    assert called[: len(commands)] == commands


def test_make_finds_a_course_in_the_home_as_every_shell_hands_it_on() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    argv = ["make", "--dry-run", "smoke", "COURSE=~/cs-202", "HOME=/home/ann"]
    done = subprocess.run(argv, cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    assert '"/home/ann/cs-202/smoke_tests"' in done.stdout
