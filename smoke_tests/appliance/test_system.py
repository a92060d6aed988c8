"""The running appliance from inside, over ssh: users, services, ports, files, versions."""

from __future__ import annotations

import re
import socket
from typing import Any
from urllib.parse import urlsplit

import paramiko
import pytest
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from practicum.semester.description import Semester
from smoke_tests.guest import PATIENCE
from smoke_tests.qemu import Machine

SERVICES = ("chrony", "course-console", "course-firstboot", "jupyter", "ssh", "systemd-networkd", "systemd-resolved")


class RootBackend(BaseBackend):
    """The machine as testinfra asks it: all commands go to one shell of root."""

    NAME = "root"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.name)
        self.machine = machine

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        command = self.get_command(command, *args)
        done = self.machine.run_as_root(command)
        return self.result(done.returncode, command.encode(), done.stdout.encode(), done.stderr.encode())


@pytest.fixture(scope="module")
def guest(machine: Machine) -> Host:
    """Return the machine as root."""
    return Host(RootBackend(machine))


# users


def test_who_can_log_in(guest: Host, machine: Machine) -> None:
    accounts = [line.split(":") for line in guest.check_output("getent passwd").splitlines()]
    shells = {account[0]: account[6] for account in accounts if not account[6].endswith(("/nologin", "/false"))}
    assert shells == {"root": "/bin/bash", "sync": "/bin/sync", machine.user: "/bin/bash"}
    assert [account[0] for account in accounts if account[2] == "0"] == ["root"]


def test_only_the_student_has_a_password(guest: Host, machine: Machine) -> None:
    fields = [line.split(":") for line in guest.check_output("getent shadow").splitlines()]
    assert [name for name, password, *_ in fields if not password.startswith(("!", "*"))] == [machine.user]
    assert [name for name, password, *_ in fields if password == ""] == []


def test_student_is_an_administrator(guest: Host, machine: Machine) -> None:
    student = guest.user(machine.user)
    assert student.uid == 1000 and student.home == f"/home/{machine.user}"
    assert "sudo" in student.groups and "adm" in student.groups


# services


def test_everything_started(guest: Host) -> None:
    assert guest.run("systemctl is-system-running --wait").stdout.strip() == "running"
    assert guest.check_output("systemctl list-units --failed --plain --no-legend") == ""


@pytest.fixture(scope="module")
def services(guest: Host) -> dict[str, tuple[str, str]]:
    """Return what systemd says of each service: "enabled" or not, "active" or not."""
    asked = (guest.run(f"systemctl {verb} {' '.join(SERVICES)}").stdout.split() for verb in ("is-enabled", "is-active"))
    return dict(zip(SERVICES, zip(*asked, strict=True), strict=True))


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_on(services: dict[str, tuple[str, str]], name: str) -> None:
    assert services[name] == ("enabled", "active")


def test_console_service_is_confined(guest: Host) -> None:
    """By systemd's measure, of which 100 is the worst, and by what its file systems allow."""
    guest.check_output("systemd-analyze security --no-pager --threshold=30 course-console.service")
    inside = f"nsenter --mount --target={guest.service('course-console').systemd_properties['MainPID']}"
    for path in ("/etc/smoke-test", "/var/lib/course/smoke-test", "/proc/sys/kernel/core_pattern"):
        assert "Read-only file system" in guest.run(f"{inside} sh -c ': >>{path}'").stderr
    guest.check_output(f"{inside} test -w /run/issue.d -a -w /run/agetty.reload")


def test_jupyter_survives_a_kernel_out_of_memory(guest: Host, machine: Machine) -> None:
    unit = guest.service("jupyter").systemd_properties
    assert (unit["OOMPolicy"], unit["Restart"], unit["User"]) == ("continue", "always", machine.user)


def test_threads_of_torch_sleep_while_they_wait(guest: Host, machine: Machine) -> None:
    assert machine.run("printenv OMP_WAIT_POLICY").output == "PASSIVE\n"
    assert "OMP_WAIT_POLICY=PASSIVE" in guest.service("jupyter").systemd_properties["Environment"].split()


def test_listens_on_ssh_and_jupyter_only(guest: Host) -> None:
    """Loopback aside. Port 68 on the card's own address is the answer of DHCP coming in."""
    lines = [
        line.split() for line in guest.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()
    ]
    addresses = [(protocol, *local.rsplit(":", 1)) for protocol, _, _, _, local, *_ in lines]
    open_ports = {
        (protocol, int(port))
        for protocol, address, port in addresses
        if not address.startswith(("127.", "[::1]", "[::ffff:127."))
    }
    assert open_ports - {("udp", 68), ("udp", 546)} == {("tcp", 22), ("tcp", 8888)}


def test_ssh_settings_in_force(guest: Host) -> None:
    settings = dict(line.split(" ", 1) for line in guest.check_output("sshd -T").splitlines() if " " in line)
    assert settings["permitrootlogin"] == "no"
    assert settings["permitemptypasswords"] == "no"
    assert settings["x11forwarding"] == "no"


def test_an_agent_with_many_keys_keeps_nobody_out(machine: Machine) -> None:
    """The agent's keys come first, and none fits; the password comes after them, in the same connection."""
    with paramiko.Transport(("127.0.0.1", machine.ssh_port)) as connection:
        connection.banner_timeout = connection.auth_timeout = PATIENCE
        connection.start_client(timeout=PATIENCE)
        for _ in range(6):
            with pytest.raises(paramiko.AuthenticationException):
                connection.auth_publickey(machine.user, paramiko.ECDSAKey.generate())
        connection.auth_password(machine.user, machine.code)
        assert connection.is_authenticated()


def test_a_clients_own_locale_brings_no_warnings(machine: Machine) -> None:
    """As `ssh -o SendEnv=LC_ALL` sends it."""
    client = machine.ssh()
    sent = {"LANG": "fr_CH.UTF-8", "LC_ALL": "fr_CH.UTF-8"}
    _, out, err = client.exec_command("perl -e 'print qq(perl\n)'; locale charmap", timeout=PATIENCE, environment=sent)
    shown, warned = out.read().decode(), err.read().decode()
    client.close()
    assert warned == ""
    assert shown == "perl\nUTF-8\n"


# files


OWNERS = {
    "/var/lib/course/access-code": (0o640, "root"),
    "/etc/shadow": (0o640, "root"),
    "/etc/sudoers.d/course": (0o440, "root"),
    "/etc/ssh/ssh_host_ed25519_key": (0o600, "root"),
    "/etc/jupyter/jupyter_server_config.py": (0o644, "root"),
    "/opt/course/content/manifest.json": (0o644, "root"),
    "/opt/course/signers": (0o644, "root"),
    "/opt/course/static/docs/index.html": (0o644, "root"),
    "/run/jupyter": (0o700, "student"),
    "/run/course": (0o755, "student"),
}


@pytest.fixture(scope="module")
def owners(guest: Host) -> dict[str, tuple[int, str]]:
    told = guest.check_output(f"stat --format='%n %a %U' {' '.join(OWNERS)}").splitlines()
    return {path: (int(mode, 8), user) for path, mode, user in map(str.split, told)}


@pytest.mark.parametrize("path", OWNERS)
def test_owner_and_mode(owners: dict[str, tuple[int, str]], machine: Machine, path: str) -> None:
    (mode, user), (found, owner) = OWNERS[path], owners[path]
    # Jupyter sets the sticky bit on its runtime folder with the first kernel, so that no cleaner takes what lies there.
    assert (found & ~0o1000, owner) == (mode, machine.user if user == "student" else user)


def test_files_can_be_copied_over_ssh(machine: Machine) -> None:
    """What scp and rsync of the student's own computer need at this end."""
    with machine.ssh() as client, client.open_sftp() as files:
        assert ".bashrc" in files.listdir(".")
    assert machine.run("rsync --version").stdout.startswith("rsync ")


def test_home_belongs_to_the_student(guest: Host, machine: Machine) -> None:
    assert guest.check_output(f"find /home/{machine.user} -xdev ! -user {machine.user}") == ""


def test_code_is_written_nowhere_else(guest: Host, machine: Machine) -> None:
    """Neither in the journal (Jupyter logs its address) nor in another file."""
    # sudo writes the commands of this very test into the journal: the brackets keep them from finding themselves.
    pattern = f"[{machine.code[0]}]{machine.code[1:]}"
    assert guest.run(f"journalctl --no-pager | grep -e '{pattern}'").stdout == ""
    assert guest.run("journalctl --no-pager | grep -c jupyter").stdout.strip() != "0"
    found = guest.run(f"grep -rl --devices=skip -e '{pattern}' /etc /var/lib /var/log /home /root").stdout.split()
    assert found == ["/var/lib/course/access-code"]


# life


def test_root_file_system_grew_to_the_disk(guest: Host, semester: Semester) -> None:
    size = int(guest.check_output("df --output=size --block-size=1 / | tail -n 1"))
    assert size > 0.95 * semester.appliance.disk_gb * 2**30 - 2**30


def test_swap_is_compressed_memory(guest: Host) -> None:
    assert guest.check_output("swapon --show=NAME --noheadings") == "/dev/zram0"


def test_what_was_used_in_the_last_second_stays_in_memory(guest: Host) -> None:
    """Else a notebook far too large stalls the machine for minutes before it meets its end."""
    assert guest.check_output("cat /sys/kernel/mm/lru_gen/min_ttl_ms") == "1000"
    assert guest.check_output("cat /sys/kernel/mm/lru_gen/enabled") != "0x0000"


def test_console_has_a_large_font(guest: Host) -> None:
    rows, columns = map(int, guest.check_output("stty --file=/dev/tty1 size").split())
    width, height = map(int, guest.check_output("cat /sys/class/graphics/fb0/virtual_size").split(","))
    assert (width // 16, height // 32) == (columns, rows)


def test_logs_are_limited(guest: Host) -> None:
    settings = guest.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert re.findall(r"^SystemMaxUse=(.*)$", settings, re.MULTILINE)[-1] == "64M"


def test_clock_steps_after_a_sleep(guest: Host) -> None:
    assert guest.check_output("chronyc -n tracking").startswith("Reference ID")
    assert "makestep 1 -1" in guest.check_output("cat /etc/chrony/conf.d/*.conf")


def test_time_zone_can_be_changed(guest: Host) -> None:
    """As docs/troubleshoot.md says."""
    assert guest.check_output("date +%Z") == "UTC"
    guest.check_output("timedatectl set-timezone Europe/Zurich")
    try:
        assert guest.check_output("date +%Z") in ("CET", "CEST")
    finally:
        guest.check_output("timedatectl set-timezone Etc/UTC")


def test_machine_finds_the_archive_of_debian(guest: Host) -> None:
    """Names are looked up through the machine's own network; test_tree.py installs a package from there."""
    sources = "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true"
    names = {urlsplit(each).hostname for each in re.findall(r"https?://[^\s]+", guest.check_output(sources))}
    assert names, "apt in the appliance has no source"
    for name in sorted(filter(None, names)):
        try:
            socket.getaddrinfo(name, 80)
        except OSError as error:
            pytest.skip(f"this machine itself cannot look up {name}: {error}")
        assert guest.check_output("getent ahosts %s", name)
