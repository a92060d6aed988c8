"""The doctor: every trouble is found, with its remedy."""

import json
import os
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace

import pytest
from course_tools import access, doctor
from course_tools.doctor import FAILURE, OK, WARNING, Check, Finding
from course_tools.machine import Finished, Machine
from fake_machine import Fixture

HEALTHY = {
    "/proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu avx avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu avx avx2 fma\n",
    "/proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\nSwapTotal: 2000000 kB\nHugePages_Total: 0\n",
    "/sys/class/dmi/id/product_name": "VirtualBox\n",
}
VERSIONS = {"torch": "2.13.0", "torchvision": "0.28.0", "jupyterlab": "4.6.6", "numpy": "2", "jupyter_server": "2.21.1"}


@pytest.fixture
def healthy(booted: Fixture, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    """A machine on which every check passes."""
    for absolute, text in HEALTHY.items():
        path = booted.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    booted.path("/dev/shm").mkdir(parents=True)
    booted.system.answers["chronyc"] = Finished(0, "Leap status     : Normal\n")
    booted.system.answers["getent"] = Finished(0, "192.0.2.1  STREAM example.org\n")
    monkeypatch.setattr(doctor, "find_version", lambda package: VERSIONS.get(package, ""))
    disk = namedtuple("disk", "f_blocks f_bfree f_bavail f_frsize")
    monkeypatch.setattr("os.statvfs", lambda path: disk(1 << 24, 1 << 23, 1 << 23, 4096))
    return booted


def statuses(check: Check, machine: Machine) -> dict[str, str]:
    findings = [*check(machine)]
    assert all(finding.remedy for finding in findings if finding.status != OK)
    assert all("\n" not in finding.detail + finding.remedy for finding in findings)
    return {finding.name: finding.status for finding in findings}


def test_a_healthy_machine_has_nothing_to_say(healthy: Fixture) -> None:
    findings = [*doctor.examine(healthy.machine)]
    assert [finding for finding in findings if finding.status != OK] == []
    assert len(findings) >= 14


@pytest.mark.parametrize(("missing", "status"), [("avx2", WARNING), ("fma", WARNING), ("fpu", OK)])
def test_cpu(healthy: Fixture, missing: str, status: str) -> None:
    path = healthy.path("/proc/cpuinfo")
    path.write_text(path.read_text().replace(f" {missing}", ""))
    assert statuses(doctor.check_cpu, healthy.machine) == {"cpu": status}


def test_cpu_without_flags_is_another_architecture(healthy: Fixture) -> None:
    healthy.path("/proc/cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert statuses(doctor.check_cpu, healthy.machine) == {"cpu": OK}


def test_the_remedy_names_the_hypervisor(healthy: Fixture) -> None:
    healthy.path("/proc/cpuinfo").write_text("processor : 0\nflags : fpu\n")
    (finding,) = doctor.check_cpu(healthy.machine)
    assert "VirtualBox" in finding.remedy
    assert "AVX2 and FMA" in finding.detail


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("4000000", "1000000", {"memory": FAILURE, "swap": OK}),
        ("3000000", "100000", {"memory": WARNING, "swap": OK}),
        ("2000000", "0", {"memory": OK, "swap": WARNING}),
    ],
)
def test_memory(healthy: Fixture, old: str, new: str, expected: dict[str, str]) -> None:
    path = healthy.path("/proc/meminfo")
    path.write_text(path.read_text().replace(old, new))
    assert statuses(doctor.check_memory, healthy.machine) == expected


@pytest.mark.parametrize(("free_blocks", "status"), [(1 << 23, OK), (1 << 20, WARNING), (1000, FAILURE)])
def test_disk(healthy: Fixture, monkeypatch: pytest.MonkeyPatch, free_blocks: int, status: str) -> None:
    disk = namedtuple("disk", "f_blocks f_bfree f_bavail f_frsize")
    monkeypatch.setattr("os.statvfs", lambda path: disk(1 << 24, free_blocks, free_blocks, 4096))
    assert statuses(doctor.check_disk, healthy.machine)["disk"] == status


@pytest.mark.parametrize("days", [-1000, 1000 * 20])
def test_an_impossible_clock(healthy: Fixture, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + days * 86400)
    assert statuses(doctor.check_clock, healthy.machine) == {"clock": FAILURE}


def test_clock_by_either_program(healthy: Fixture) -> None:
    healthy.system.answers["chronyc"] = Finished(127, "chronyc is not installed")
    healthy.system.answers["timedatectl"] = Finished(0, "yes\n")
    assert statuses(doctor.check_clock, healthy.machine) == {"clock": OK}
    healthy.system.answers["timedatectl"] = Finished(0, "no\n")
    assert statuses(doctor.check_clock, healthy.machine) == {"clock": WARNING}


def test_no_network_is_never_a_failure(healthy: Fixture) -> None:
    healthy.system.answers["getent"] = Finished(2, "")
    assert statuses(doctor.check_network, healthy.machine) == {"network": WARNING}
    healthy.system.answers["getent"] = Finished(124, "getent took more than 5 s")
    assert statuses(doctor.check_network, healthy.machine) == {"network": WARNING}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((0, "Connection refused"), FAILURE),
        ((200, '{"version": "2.21.1"}'), OK),
        ((200, '{"version": "1.0"}'), FAILURE),
        ((200, "<html>hello</html>"), FAILURE),
        ((200, "3"), FAILURE),
        ((404, ""), FAILURE),
    ],
)
def test_port(healthy: Fixture, answer: tuple[int, str], status: str) -> None:
    machine = replace(healthy.machine, probe=lambda port, path: answer)
    assert statuses(doctor.check_jupyter, machine) == {"access": OK, "port": status}


def test_a_bad_access_code_is_found(healthy: Fixture) -> None:
    healthy.path(access.CODE_FILE).write_bytes(b"")
    assert statuses(doctor.check_jupyter, healthy.machine)["access"] == FAILURE


def test_a_missing_package_is_found(healthy: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_version", lambda package: "" if package == "torch" else "1")
    assert statuses(doctor.check_versions, healthy.machine)["torch"] == FAILURE


@pytest.mark.parametrize(("status", "reason"), [(-4, "illegal instruction"), (124, "no answer"), (1, "ImportError: x")])
def test_a_torch_that_does_not_work_is_found(healthy: Fixture, status: int, reason: str) -> None:
    machine = replace(
        healthy.machine, run=lambda argv, stdin="", timeout=0: Finished(status, "Traceback\nImportError: x\n")
    )
    (finding,) = doctor.check_torch(machine)
    assert finding.status == FAILURE
    assert reason in finding.detail


@pytest.mark.parametrize(
    ("device", "printed", "status"), [(False, "", OK), (True, "", FAILURE), (True, "NVIDIA X", OK)]
)
def test_gpu(healthy: Fixture, device: bool, printed: str, status: str) -> None:
    if device:
        healthy.path("/dev/nvidia0").touch()
    machine = replace(healthy.machine, run=lambda argv, stdin="", timeout=0: Finished(0, f"{printed}\n"))
    assert statuses(doctor.check_torch, machine) == {"torch works": OK, "gpu": status}


def test_a_check_that_cannot_look_does_not_stop_the_others(healthy: Fixture) -> None:
    def check_broken(machine: Machine) -> Iterator[Finding]:
        raise OSError(13, "Permission denied")
        yield

    findings = [*doctor.examine(healthy.machine, [check_broken, doctor.check_cpu])]
    assert [(finding.name, finding.status) for finding in findings] == [("broken", WARNING), ("cpu", OK)]


@pytest.mark.parametrize("broken", [False, True])
def test_the_command_answers_people_and_programs(
    healthy: Fixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: bool
) -> None:
    if broken:
        healthy.path(access.CODE_FILE).write_bytes(b"")
    monkeypatch.setattr(doctor, "Machine", lambda: healthy.machine)
    monkeypatch.setattr("sys.argv", ["course-doctor", "--json"])
    with pytest.raises(SystemExit) as caught:
        doctor.main()
    assert caught.value.code == int(broken)
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is not broken
    assert {"name", "status", "detail", "remedy"} == set(report["checks"][0])
    monkeypatch.setattr("sys.argv", ["course-doctor"])
    with pytest.raises(SystemExit):
        doctor.main()
    assert ("-> " in capsys.readouterr().out) is broken


def test_no_command_imports_torch_or_jupyter_at_start() -> None:
    """Commands must start fast, and work when the Python environment does not."""
    import subprocess
    import sys
    from pathlib import Path

    source = Path(doctor.__file__).parents[1]
    modules = "access bye console doctor firstboot keyboard recover sync"
    code = (
        f"import sys, importlib; [importlib.import_module('course_tools.' + name) for name in {modules!r}.split()];"
        "print([name for name in sys.modules if name.split('.')[0] in {'torch', 'numpy', 'jupyter_server', 'tornado'}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        text=True,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert done.stdout == "[]\n"
