"""The doctor: every trouble is found, with its cure."""

import json
import os
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from course_runtime.doctor import cli, container_checks, machine_checks, prologue_check
from course_runtime.doctor.findings import FAILURE, OK, WARNING, Check, Finding
from course_runtime.doctor.prologue_check import COURSE_PROLOGUE
from course_runtime.files import home
from course_runtime.machine import access_code
from course_runtime.machine.machine import Finished, Machine
from fake_machine import Fixture, make_machine, run_python

HEALTHY = {
    "/proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu avx avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu avx avx2 fma\n",
    "/proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\nSwapTotal: 2000000 kB\nHugePages_Total: 0\n",
    "/sys/class/dmi/id/product_name": "VirtualBox\n",
}
VERSIONS = {"torch": "2.13.0", "torchvision": "0.28.0", "jupyterlab": "4.6.6", "numpy": "2", "jupyter_server": "2.21.1"}

DISK = namedtuple("DISK", "f_blocks f_bfree f_bavail f_frsize")


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
    monkeypatch.setattr(machine_checks, "find_version", lambda package: VERSIONS.get(package, ""))
    monkeypatch.setattr("os.statvfs", lambda path: DISK(1 << 24, 1 << 23, 1 << 23, 4096))
    return booted


def statuses(check: Check, machine: Machine) -> dict[str, str]:
    findings = [*check(machine)]
    assert all(finding.cure for finding in findings if finding.status != OK)
    assert all("\n" not in finding.detail + finding.cure for finding in findings)
    return {finding.name: finding.status for finding in findings}


def test_a_healthy_machine_has_nothing_to_say(healthy: Fixture) -> None:
    findings = [*cli.examine(healthy.machine, machine_checks.CHECKS)]
    assert [finding for finding in findings if finding.status != OK] == []
    assert len(findings) >= 14


@pytest.mark.parametrize(("missing", "status"), [("avx2", WARNING), ("fma", WARNING), ("fpu", OK)])
def test_cpu(healthy: Fixture, missing: str, status: str) -> None:
    path = healthy.path("/proc/cpuinfo")
    path.write_text(path.read_text().replace(f" {missing}", ""))
    assert statuses(machine_checks.check_cpu, healthy.machine) == {"cpu": status}


def test_cpu_without_flags_is_another_architecture(healthy: Fixture) -> None:
    healthy.path("/proc/cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert statuses(machine_checks.check_cpu, healthy.machine) == {"cpu": OK}


def test_the_cure_names_the_hypervisor(healthy: Fixture) -> None:
    healthy.path("/proc/cpuinfo").write_text("processor : 0\nflags : fpu\n")
    (finding,) = machine_checks.check_cpu(healthy.machine)
    assert "VirtualBox" in finding.cure
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
    assert statuses(machine_checks.check_memory, healthy.machine) == expected


@pytest.mark.parametrize(("free_blocks", "status"), [(1 << 23, OK), (1 << 20, WARNING), (1000, FAILURE)])
def test_disk(healthy: Fixture, monkeypatch: pytest.MonkeyPatch, free_blocks: int, status: str) -> None:
    monkeypatch.setattr("os.statvfs", lambda path: DISK(1 << 24, free_blocks, free_blocks, 4096))
    assert statuses(machine_checks.check_disk, healthy.machine)["disk"] == status


@pytest.mark.parametrize("days", [-1000, 1000 * 20])
def test_an_impossible_clock(healthy: Fixture, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + days * 86400)
    assert statuses(machine_checks.check_clock, healthy.machine) == {"clock": FAILURE}


def test_clock_by_either_program(healthy: Fixture) -> None:
    healthy.system.answers["chronyc"] = Finished(127, "chronyc is not installed")
    healthy.system.answers["timedatectl"] = Finished(0, "yes\n")
    assert statuses(machine_checks.check_clock, healthy.machine) == {"clock": OK}
    healthy.system.answers["timedatectl"] = Finished(0, "no\n")
    assert statuses(machine_checks.check_clock, healthy.machine) == {"clock": WARNING}


@pytest.mark.parametrize(
    ("getent", "python", "detail", "cure"),
    [
        (0, 0, "though the network is there", "UDP port 123"),
        (2, 0, "not synchronised", "fine offline"),
        (0, 1, "not synchronised", "fine offline"),
    ],
)
def test_a_clock_that_is_not_synchronised_is_fine_only_offline(
    healthy: Fixture, getent: int, python: int, detail: str, cure: str
) -> None:
    healthy.system.answers["chronyc"] = Finished(0, "Leap status     : Not synchronised\n")
    healthy.system.answers["getent"] = Finished(getent, "192.0.2.1  STREAM example.org\n")
    healthy.system.answers[sys.executable] = Finished(python, "")
    (finding,) = machine_checks.check_clock(healthy.machine)
    assert finding.status == WARNING
    assert finding.detail.endswith(detail)
    assert cure in finding.cure
    assert ("offline" in finding.cure) is (cure == "fine offline")


def test_no_network_is_never_a_failure(healthy: Fixture) -> None:
    healthy.system.answers["getent"] = Finished(2, "")
    assert statuses(machine_checks.check_network, healthy.machine) == {"network": WARNING}
    healthy.system.answers["getent"] = Finished(124, "getent took more than 5 s")
    assert statuses(machine_checks.check_network, healthy.machine) == {"network": WARNING}


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
    assert statuses(machine_checks.check_jupyter, machine) == {"access": OK, "port": status}


def test_a_bad_access_code_is_found(healthy: Fixture) -> None:
    healthy.path(access_code.CODE_FILE).write_bytes(b"")
    assert statuses(machine_checks.check_jupyter, healthy.machine)["access"] == FAILURE


def test_a_missing_package_is_found(healthy: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "find_version", lambda package: "" if package == "torch" else "1")
    assert statuses(machine_checks.check_versions, healthy.machine)["torch"] == FAILURE


@pytest.mark.parametrize(("status", "reason"), [(-4, "illegal instruction"), (124, "no answer"), (1, "ImportError: x")])
def test_a_torch_that_does_not_work_is_found(healthy: Fixture, status: int, reason: str) -> None:
    machine = replace(
        healthy.machine, run=lambda argv, stdin="", timeout=0: Finished(status, "Traceback\nImportError: x\n")
    )
    (finding,) = machine_checks.check_torch(machine)
    assert finding.status == FAILURE
    assert reason in finding.detail


@pytest.mark.parametrize(
    ("device", "printed", "status"), [(False, "", OK), (True, "", FAILURE), (True, "NVIDIA X", OK)]
)
def test_gpu(healthy: Fixture, device: bool, printed: str, status: str) -> None:
    if device:
        healthy.path("/dev/nvidia0").touch()
    machine = replace(
        healthy.machine, run=lambda argv, stdin="", timeout=0: Finished(0, f"UserWarning: x\ngpu: {printed}\n")
    )
    assert statuses(machine_checks.check_torch, machine) == {"torch works": OK, "gpu": status}


def test_a_check_that_cannot_look_does_not_stop_the_others(healthy: Fixture) -> None:
    def check_broken(machine: Machine) -> Iterator[Finding]:
        raise OSError(13, "Permission denied")
        yield

    findings = [*cli.examine(healthy.machine, [check_broken, machine_checks.check_cpu])]
    assert [(one.name, one.status) for one in findings] == [("broken", WARNING), ("cpu", OK)]


@pytest.mark.parametrize("broken", [False, True])
def test_the_command_answers_people_and_programs(
    healthy: Fixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: bool
) -> None:
    if broken:
        healthy.path(access_code.CODE_FILE).write_bytes(b"")
    monkeypatch.setattr(cli, "Machine", lambda: healthy.machine)
    monkeypatch.setattr("sys.argv", ["course-doctor", "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == int(broken)
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is not broken
    assert {"name", "status", "detail", "cure"} == set(report["checks"][0])
    monkeypatch.setattr("sys.argv", ["course-doctor"])
    with pytest.raises(SystemExit):
        cli.main()
    assert ("-> " in capsys.readouterr().out) is broken


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    """A container of the cpu image in which everything is well, as far as this process can play it."""
    fixture = make_machine(tmp_path / "root", product="cpu")
    for absolute, text in {**HEALTHY, "/sys/fs/cgroup/memory.max": "max\n"}.items():
        path = fixture.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    fixture.path("/dev/shm").mkdir(parents=True)
    fixture.system.answers["getent"] = Finished(0, "192.0.2.1  STREAM example.org\n")
    monkeypatch.setattr(machine_checks, "find_version", lambda package: VERSIONS.get(package, ""))
    monkeypatch.setattr("os.statvfs", lambda path: DISK(1 << 24, 1 << 23, 1 << 23, 4096))
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    home = fixture.home
    for name, value in {"HOME": home, "JUPYTER_RUNTIME_DIR": runtime, "PYTHONUSERBASE": home / ".local/x"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
    start_server(fixture)
    return fixture


def start_server(container: Fixture, pid: int = 41, **changes: object) -> None:
    """What a Jupyter server leaves for others to find it."""
    note = {"pid": pid, "port": 8888, "base_url": "/", "secure": False, **changes}
    Path(os.environ["JUPYTER_RUNTIME_DIR"], f"jpserver-{pid}.json").write_text(json.dumps(note))
    process = container.path(f"/proc/{pid}")
    process.mkdir(parents=True)
    (process / "cmdline").write_bytes(b"/opt/venv/bin/python\0/opt/venv/bin/jupyter-lab\0")


def test_a_healthy_container_has_nothing_to_say_and_no_noise(container: Fixture) -> None:
    findings = [*cli.examine(container.machine, cli.choose_checks(container.machine))]
    assert [finding for finding in findings if finding.status != OK] == []
    names = {finding.name for finding in findings}
    assert names >= {"cpu", "memory", "home", "disk", "shm", "network", "server", "torch", "pip", "compiler", "gpu"}
    assert not names & {"clock", "swap", "access", "port"}
    assert {argv[0] for argv in container.system.asked} & {"chronyc", "timedatectl", "systemctl"} == set()


def test_a_kernel_of_another_python_is_named(container: Fixture) -> None:
    kernel = container.home / ".local/share/jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text("{}")
    (finding,) = machine_checks.check_kernel(container.machine)
    assert finding.status == OK and f"{kernel.parent} is another Python's" in finding.detail


@pytest.mark.parametrize("kind", ["container", "healthy"])
def test_a_course_without_torch_is_not_asked_for_it(kind: str, request: pytest.FixtureRequest) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    versions = fixture.path("/opt/course/versions.json")
    versions.parent.mkdir(parents=True, exist_ok=True)
    versions.write_text('{"jupyterlab": "4.6.2", "pip": "26"}')
    assert "check_torch" not in [check.__name__ for check in cli.choose_checks(fixture.machine)]
    assert [finding.name for finding in machine_checks.check_versions(fixture.machine)] == ["jupyterlab"]
    versions.write_text('{"jupyterlab": "4.6.2", "torch": "2.13.0"}')
    assert "check_torch" in [check.__name__ for check in cli.choose_checks(fixture.machine)]


def test_the_appliance_is_looked_at_as_before(healthy: Fixture) -> None:
    assert cli.choose_checks(healthy.machine) is machine_checks.CHECKS


@pytest.mark.parametrize(
    ("file", "limit", "status", "shown"),
    [
        ("memory.max", "max", OK, ""),
        ("memory.max", str(2 << 30), OK, "2048 MB for this container"),
        ("memory.max", str(1 << 30), FAILURE, "1024 MB for this container"),
        ("memory/memory.limit_in_bytes", str(1 << 30), FAILURE, "1024 MB for this container"),
        ("memory/memory.limit_in_bytes", str((1 << 63) - 4096), OK, ""),
    ],
)
def test_the_limit_of_a_container_counts(container: Fixture, file: str, limit: str, status: str, shown: str) -> None:
    container.path("/sys/fs/cgroup/memory.max").unlink()
    path = container.path(f"/sys/fs/cgroup/{file}")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{limit}\n")
    (finding,) = container_checks.check_memory(container.machine)
    assert finding.status == status
    assert finding.detail.endswith(shown or "MB free")


def test_a_home_that_cannot_be_written(container: Fixture) -> None:
    (finding,) = container_checks.check_home(container.machine, {"HOME": "/nowhere"})
    assert (finding.status, finding.cure != "") == (FAILURE, True)
    assert "/nowhere" in finding.detail


def test_a_home_for_want_of_a_better_one(container: Fixture, tmp_path: Path) -> None:
    environ = {"HOME": "/nowhere", "TMPDIR": str(tmp_path)}
    home.set_environment(environ)
    finding, _ = container_checks.check_home(container.machine, environ)
    assert finding.status == WARNING
    assert "lost with the container" in finding.detail


def test_a_full_disk(container: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.statvfs", lambda path: DISK(1 << 24, 1000, 1000, 4096))
    assert statuses(container_checks.check_home, container.machine) == {"home": OK, "disk": FAILURE}


def test_where_pip_puts_packages(container: Fixture) -> None:
    def tell(**environ: str) -> str:
        return next(container_checks.check_packages(container.machine, environ)).detail

    assert "/home/x/.local" in tell(PYTHONUSERBASE="/home/x/.local")
    assert "ignores" in tell(PYTHONNOUSERSITE="1")
    container.path("/opt/venv/lib").mkdir(parents=True)
    assert "/opt/venv" in tell()


@pytest.mark.parametrize(("status", "detail"), [(0, "g++ 12"), (1, "none"), (127, "none"), (124, "none")])
def test_the_compiler_is_the_one_that_torch_would_call(container: Fixture, status: int, detail: str) -> None:
    container.system.answers["/lib/stub"] = Finished(status, "g++ 12\nCopyright\n")
    _, finding = container_checks.check_packages(container.machine, {"CXX": "/lib/stub"})
    assert finding.status == OK, "the course needs none"
    assert finding.detail.startswith(detail)
    assert ("apt-get install" in finding.cure) is bool(status)


def test_the_server_is_asked_where_it_says_it_is(container: Fixture) -> None:
    start_server(container, 43, port=9999, base_url="/user/x/", secure=True)
    asked = []

    def probe(port: int, path: str, *, secure: bool = False) -> tuple[int, str]:
        asked.append((port, path, secure))
        return 200, '{"version": "2.21.1"}'

    findings = [*container_checks.check_server(replace(container.machine, probe=probe))]
    assert asked == [(8888, "/api", False), (9999, "/user/x/api", True)]
    assert findings[1].detail == "Jupyter 2.21.1 answers at https://127.0.0.1:9999/user/x/"


@pytest.mark.parametrize("answer", [(0, "timed out"), (500, ""), (200, "<html>"), (200, "3")])
def test_a_server_that_hangs(container: Fixture, answer: tuple[int, str]) -> None:
    machine = replace(container.machine, probe=lambda port, path: answer)
    assert statuses(container_checks.check_server, machine) == {"server": FAILURE}


def test_a_server_that_is_gone(container: Fixture) -> None:
    container.path("/proc/41/cmdline").write_bytes(b"sleep\0")
    assert statuses(container_checks.check_server, container.machine) == {"server": WARNING}
    container.path("/proc/41/cmdline").unlink()
    Path(os.environ["JUPYTER_RUNTIME_DIR"], "jpserver-9.json").write_text("half")
    assert statuses(container_checks.check_server, container.machine) == {"server": WARNING}


@pytest.mark.parametrize(("device", "status"), [("", WARNING), ("NVIDIA X", OK)])
def test_torch_has_the_last_word_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, status: str
) -> None:
    fixture = make_machine(tmp_path / "root", product="cuda")
    monkeypatch.setattr(container_checks, "check_gpu", lambda machine: iter([Finding("gpu", OK, "an H100")]))
    machine = replace(fixture.machine, run=lambda argv, stdin="", timeout=0: Finished(0, f"gpu: {device}\n"))
    assert statuses(container_checks.check_torch, machine) == {"torch works": OK, "gpu": status}


def test_a_container_without_a_gpu_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fixture = make_machine(tmp_path / "root", product="cuda")
    fixture.path("/etc/course/torch.json").write_text('{"cuda": "13.0", "architectures": ["sm_90"]}')
    fixture.path("/dev/shm").mkdir(parents=True)
    monkeypatch.setattr(cli, "Machine", lambda: fixture.machine)
    monkeypatch.setattr("sys.argv", ["course-doctor", "--gpu", "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert [check["name"] for check in report["checks"]] == ["gpu", "shm"]


def test_a_description_of_torch_that_is_not_there_is_told(tmp_path: Path) -> None:
    fixture = make_machine(tmp_path / "root", product="cuda")
    fixture.path("/dev/shm").mkdir(parents=True)
    finding, _ = cli.examine(fixture.machine, cli.GPU_CHECKS)
    assert (finding.name, finding.status) == ("gpu", WARNING)
    assert "torch.json" in finding.detail


def test_no_command_imports_torch_or_jupyter_at_start() -> None:
    """Commands must start fast, and work when the Python environment does not."""
    modules = (
        "doctor.cli doctor.gpu files.home files.recover files.sync machine.access machine.bye machine.console"
        " machine.firstboot machine.keyboard machine.servers start.prepare_home update.cli"
    )
    code = (
        f"import sys, importlib; [importlib.import_module('course_runtime.' + name) for name in {modules!r}.split()];"
        "print([name for name in sys.modules if name.split('.')[0] in {'torch', 'numpy', 'jupyter_server', 'tornado'}])"
    )
    assert run_python(code) == "[]\n"


def test_a_prologue_of_another_year_is_found_and_this_years_is_not(container: Fixture) -> None:
    ours = container.path(COURSE_PROLOGUE)
    ours.parent.mkdir(parents=True, exist_ok=True)
    ours.write_text("this year")
    folder = container.home / "ee559/practicals"
    for name, text in (("practical-4", "2018"), ("practical-5", "this year"), (".trash", "2018")):
        (folder / name).mkdir(parents=True)
        (folder / name / ours.name).write_text(text)
    (finding,) = prologue_check.check_prologue(container.machine)
    old = folder / "practical-4" / ours.name
    assert finding.detail.startswith(f"{old} is not this year's")
    assert finding.cure == f"mv {old} {old.with_name('old_prologue.py')}"
    old.unlink()
    assert [*prologue_check.check_prologue(container.machine)] == []
