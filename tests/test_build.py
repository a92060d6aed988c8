"""practicum.build: what a change makes run again, what the appliance says of itself, and errors before any work."""

import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_ova import write_raw

from practicum import build, disk, lock, ova, ovf, run, stages, verify
from practicum.cache import hash_tree
from practicum.description import Semester, load
from practicum.errors import PracticumError
from practicum.vmdk import write_stream_optimized

ROOT = Path(__file__).parent.parent
SEMESTER = "2027-spring"
TOOLS = ROOT / "course_content/tools"


@dataclass(frozen=True)
class Checkout:
    """A copy of everything a build reads, the modules of practicum/ among it."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "semesters" / SEMESTER

    def load(self) -> Semester:
        return load(self.folder)

    def keys(self) -> dict[str, str]:
        return {stage.name: stage.key for stage in build.appliance(self.load()).stages}

    def replace(self, before: str, after: str, file: str = f"semesters/{SEMESTER}/semester.toml") -> None:
        path = self.root / file
        text = path.read_text()
        assert text.count(before) == 1, f"{file} has {text.count(before)} times {before!r}"
        path.write_text(text.replace(before, after))

    def touch(self, file: str) -> None:
        """Adds a comment, or whatever the last line of the file makes of it."""
        path = self.root / file
        path.write_bytes(path.read_bytes() + b"# changed\n")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    checkout = Checkout(tmp_path / "checkout")
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("ansible", "packer", "practicum", "course_content", f"semesters/{SEMESTER}"):
        shutil.copytree(ROOT / name, checkout.root / name, ignore=ignored)
    (checkout.folder / "debian.lock").write_text("bash=5.2\n")
    monkeypatch.setattr(build, "HERE", checkout.root / "practicum")
    return checkout


# ---- what a change makes run again ---------------------------------------------------------------------------------

OVA = {"ova"}
DISK = {"disk", "ova"}
COURSE = {"course", *DISK}
ENVIRONMENT = {"environment", "python", *COURSE}
ALL = {"base", *ENVIRONMENT}

CHANGES: dict[str, tuple[Callable[[Checkout], object], set[str]]] = {
    # semester.toml
    "the title": (lambda c: c.replace('title = "Deep Learning"', 'title = "Deeper Learning"'), ENVIRONMENT),
    "the institution": (lambda c: c.replace('institution = "EPFL"', 'institution = "Uni"'), ENVIRONMENT),
    "a Debian package": (lambda c: c.replace('    "htop",\n', ""), ENVIRONMENT),
    "the user": (lambda c: c.replace('user = "student"', 'user = "learner"'), ENVIRONMENT),
    "the access": (lambda c: c.replace('access = "code"', 'access = "open"'), ENVIRONMENT),
    "a port": (lambda c: c.replace("jupyter_port = 8888", "jupyter_port = 8890"), ENVIRONMENT),
    "the included content": (lambda c: c.replace('"prologue", "practicals"]', '"prologue"]'), COURSE),
    "the solutions": (lambda c: c.replace("solutions = false", "solutions = true"), COURSE),
    "the disk's size": (lambda c: c.replace("disk_gb = 64", "disk_gb = 32"), DISK),
    "the memory": (lambda c: c.replace("memory_mb = 4096", "memory_mb = 8192"), OVA),
    "the processors": (lambda c: c.replace("cpus = 2", "cpus = 4"), OVA),
    "a comment of the description": (lambda c: c.touch(f"semesters/{SEMESTER}/semester.toml"), set()),
    # locks
    "a locked hash": (lambda c: change_hash(c.folder / "python-cpu.lock"), ENVIRONMENT),
    "a comment of the lock": (lambda c: c.touch(f"semesters/{SEMESTER}/python-cpu.lock"), set()),
    "the lock of the other product": (lambda c: change_hash(c.folder / "python-cuda.lock"), set()),
    "debian.lock": (lambda c: c.touch(f"semesters/{SEMESTER}/debian.lock"), ALL),
    # trim lists
    "Debian's trim list": (lambda c: c.touch("ansible/trim/debian.dpkg.cfg"), ALL),
    "Python's trim list": (lambda c: c.touch("ansible/trim/python.txt"), ENVIRONMENT),
    # packer and ansible
    "a template of Packer": (lambda c: c.touch("packer/build.pkr.hcl"), ENVIRONMENT),
    "the play of the environment": (lambda c: c.touch("ansible/environment.yml"), ENVIRONMENT),
    "the play of the course": (lambda c: c.touch("ansible/course.yml"), COURSE),
    "Ansible's settings": (lambda c: c.touch("ansible/ansible.cfg"), ENVIRONMENT),
    **{
        f"the role {role}": (lambda c, role=role: c.touch(f"ansible/roles/{role}/tasks/main.yml"), ENVIRONMENT)
        for role in ("system", "python", "jupyter", "appliance")
    },
    **{
        f"the role {role}": (lambda c, role=role: c.touch(f"ansible/roles/{role}/tasks/main.yml"), COURSE)
        for role in ("course", "sysprep")
    },
    "a file that a role copies": (lambda c: c.touch("ansible/roles/jupyter/files/kernel.json"), ENVIRONMENT),
    "a new file of a role": (lambda c: (c.root / "ansible/roles/course/tasks/new.yml").touch(), COURSE),
    # content
    "a content file": (lambda c: c.touch("course_content/index.md"), COURSE),
    "a student's command": (lambda c: c.touch("course_content/tools/src/course_tools/bye.py"), COURSE),
    "a content file's name": (
        lambda c: (c.root / "course_content/index.md").rename(c.root / "course_content/prologue/index.md"),
        COURSE,
    ),
    "a leftover of Python": (lambda c: (c.root / "course_content/__pycache__").mkdir(), set()),
    # the builder's own source
    "practicum/base.py": (lambda c: c.touch("practicum/base.py"), ALL),
    "practicum/disk.py": (lambda c: c.touch("practicum/disk.py"), {"python", *DISK}),
    "practicum/vmdk.py": (lambda c: c.touch("practicum/vmdk.py"), DISK),
    "practicum/vmdk_format.py": (lambda c: c.touch("practicum/vmdk_format.py"), DISK),
    "practicum/content.py": (lambda c: c.touch("practicum/content.py"), COURSE),
    "practicum/ovf.py": (lambda c: c.touch("practicum/ovf.py"), OVA),
    "practicum/ova.py": (lambda c: c.touch("practicum/ova.py"), OVA),
    "a rule of the checker": (lambda c: c.touch("practicum/verify/ovf_rules.py"), OVA),
    "practicum/cli.py": (lambda c: c.touch("practicum/cli.py"), set()),
}


def change_hash(path: Path) -> None:
    """Changes one digit of the last digest, as a rebuilt wheel would."""
    text = path.read_text().rstrip("\n")
    path.write_text(text[:-1] + ("0" if text[-1] != "0" else "1") + "\n")


@pytest.mark.parametrize("change", CHANGES)
def test_change_runs_what_reads_it_and_nothing_else(checkout: Checkout, change: str) -> None:
    before = checkout.keys()
    alter, expected = CHANGES[change]
    if change == "a content file's name":  # the file stays included, under its folder
        checkout.replace('include = ["index.md", "prologue"', 'include = ["prologue"')
        before = checkout.keys()
    alter(checkout)
    after = checkout.keys()
    assert {name for name in after if after[name] != before[name]} == expected


def test_recipe_reads_and_changes_nothing(checkout: Checkout) -> None:
    before = hash_tree(checkout.root)
    first, second = build.appliance(checkout.load()), build.appliance(checkout.load())
    assert hash_tree(checkout.root) == before
    assert [stage.key for stage in first.stages] == [stage.key for stage in second.stages]
    assert {stage.name for stage in first.stages} == ALL
    assert first.ova == checkout.root / f"dist/{SEMESTER}/ee559-{SEMESTER}.ova"


def test_stages_come_after_what_they_read(checkout: Checkout) -> None:
    known: set[str] = set()
    for stage in build.appliance(checkout.load()).stages:
        read = {label for label, value in stage.inputs.items() if value in known or label in ALL}
        assert read <= {label for label in stage.inputs if label in ALL}, (
            "a stage must name the stage whose key it reads"
        )
        assert all(stage.inputs[label] in known for label in read), f"{stage.name} runs before {read}"
        known.add(stage.key)


def test_checkouts_share_all_but_the_appliance_itself(checkout: Checkout, tmp_path: Path) -> None:
    """No path of the build host is in a key, so a second clone finds everything in the cache and only packs."""
    other = Checkout(tmp_path / "elsewhere/clone")
    shutil.copytree(checkout.root, other.root)
    mine, theirs = checkout.keys(), other.keys()
    assert {name for name in mine if mine[name] != theirs[name]} == OVA


def test_tools_of_all_stages_are_known_to_the_installer(checkout: Checkout) -> None:
    tools = {tool for stage in build.appliance(checkout.load()).stages for tool in stage.tools}
    assert {"mmdebstrap", "packer", "docker", "mke2fs"} < tools
    # ansible-playbook comes with practicum's own environment.
    assert {tool for tool in tools if tool not in {**run.PACKAGES, **run.FILES}} == {"ansible-playbook"}


# ---- what goes into the machine ------------------------------------------------------------------------------------


def test_roles_know_the_semester_and_json_can_carry_it(checkout: Checkout) -> None:
    semester = checkout.load()
    variables = build.role_variables(semester, "appliance")
    course = variables["course"]
    assert (course["code"], course["slug"], course["name"]) == ("EE-559", "ee559", f"ee559-{SEMESTER}")
    assert (course["user"], course["access"], course["product"]) == ("student", "code", "appliance")
    assert variables["debian_packages"] == [*semester.debian.packages, *semester.debian.appliance_packages]
    assert variables["root_label"] == disk.LABEL and variables["python_label"] == disk.PYTHON_LABEL


def test_epoch_is_past_and_follows_from_the_description_alone(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = build.choose_epoch(checkout.load())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert build.choose_epoch(checkout.load()) == epoch == 1_767_225_600  # 2026-01-01 00:00 UTC


def test_list_commands_is_sorted_and_every_command_exists() -> None:
    commands = build.list_commands(TOOLS)
    assert commands == sorted(commands) and {"bye", "set-kbd", "course-access", "course-doctor"} <= set(commands)


def test_list_commands_reads_the_scripts_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "t"\n[project.scripts]\nb = "t:b"\na = "t:a"\n')
    assert build.list_commands(tmp_path) == ["a", "b"]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")


@needs_root
def test_wheel_of_the_commands_is_built_without_a_network_and_outside_the_checkout(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    tools = checkout.root / "course_content/tools"
    before = hash_tree(tools, ignore=())
    wheel = build.build_tools_wheel(tools, tmp_path / "out", tmp_path / "tools.log")
    names = zipfile.ZipFile(wheel).namelist()
    assert "course_tools/bye.py" in names and any(name.endswith("entry_points.txt") for name in names)
    assert hash_tree(tools, ignore=()) == before, "what a build leaves in the sources would run the stage again"


@needs_root
def test_wheel_that_does_not_build_is_told_with_the_log(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(PracticumError, match=rf"^course: .*uv ended with exit code \d+: .*{tmp_path}/tools\.log"):
        build.build_tools_wheel(tmp_path, tmp_path / "out", tmp_path / "tools.log")


def test_drift_from_debian_lock_is_told(checkout: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed = tmp_path / "debian.txt"
    installed.write_text("bash=5.3\nzip=3.0\n")
    build.report_drift(checkout.load(), installed, build.Console(plain=True))
    told = capsys.readouterr().err
    assert "differs from debian.lock: bash: 5.2 became 5.3\n" in told and "zip: 3.0 is new" in told
    (checkout.folder / "debian.lock").unlink()
    build.report_drift(checkout.load(), installed, build.Console(plain=True))
    assert capsys.readouterr().err == ""


# ---- what the machine says of itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["code", "open"])
def test_machine_conforms_to_the_importer(checkout: Checkout, tmp_path: Path, access: str) -> None:
    checkout.replace('access = "code"', f'access = "{access}"')
    checkout.replace('institution = "EPFL"', 'institution = "École <&> Co"')
    semester = checkout.load()
    machine = build.describe_machine(semester)
    vmdk, target = tmp_path / "disk.vmdk", tmp_path / "small.ova"
    write_stream_optimized(write_raw(tmp_path / "disk.raw"), vmdk, level=1)
    descriptor = ovf.describe(machine, ovf.Disk.of(vmdk, ova.disk_name(semester.name)))
    ova.write(target, descriptor, vmdk, name=semester.name, mtime=build.choose_epoch(semester))
    report = verify.check(target)
    assert report.ok, report.render()
    assert ("OPEN ACCESS" in machine.description) == (access == "open")
    assert ("access code" in machine.description) == (access == "code")
    assert "http://localhost:8888/" in machine.description


def test_machine_forwards_from_loopback_alone_to_the_guests_own_ports(checkout: Checkout) -> None:
    checkout.replace("jupyter_port = 8888", "jupyter_port = 9999")
    checkout.replace("ssh_port = 2022", "ssh_port = 2222")
    machine = build.describe_machine(checkout.load())
    assert machine.forwards == (
        ovf.Forward("jupyter", "127.0.0.1", 9999, 8888),
        ovf.Forward("ssh", "127.0.0.1", 2222, 22),
    )
    assert "http://localhost:9999/" in machine.description
    assert (machine.cpus, machine.memory_mb, machine.vendor) == (2, 4096, "EPFL")


# ---- the appliance as an output ------------------------------------------------------------------------------------


def test_appliance_that_was_replaced_or_removed_is_packed_again(checkout: Checkout) -> None:
    stage = build.appliance(checkout.load()).stages[-1]
    target = build.appliance(checkout.load()).ova
    target.parent.mkdir(parents=True)
    target.write_bytes(b"good")
    folder = checkout.root / "output"
    folder.mkdir()
    status = target.stat()
    (folder / "ova.json").write_text(f'{{"bytes": {status.st_size}, "mtime_ns": {status.st_mtime_ns}}}')
    assert stage.still_there(folder)
    target.write_bytes(b"evil")
    os.utime(target, ns=(status.st_mtime_ns + 1, status.st_mtime_ns + 1))
    assert not stage.still_there(folder)
    target.unlink()
    assert not stage.still_there(folder)


# ---- errors before any work ----------------------------------------------------------------------------------------


def command(checkout: Checkout, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("practicum"), *arguments],
        cwd=checkout.root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_refused(done: "subprocess.CompletedProcess[str]", checkout: Checkout, *words: str) -> None:
    assert done.returncode == 2 and done.stdout == "", done
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("practicum: "), done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (checkout.root / "dist").exists()


@pytest.mark.skipif(run.find("docker") is None, reason="docker is missing: install docker.io")
@pytest.mark.parametrize("verb", ["ova", "explain"])
def test_docker_that_does_not_answer_is_one_line_with_the_cure(checkout: Checkout, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    done = command(checkout, verb, DOCKER_HOST=f"unix://{path}")
    assert_refused(done, checkout, "docker is not reachable", "make docker-daemon")


def test_missing_part_of_the_content_is_one_line_with_the_cure(checkout: Checkout) -> None:
    checkout.replace('"prologue", "practicals"]', '"prologue", "practical"]')
    done = command(checkout, "ova")
    assert_refused(done, checkout, 'content.include[2] = "practical"', "practicals")


def test_lock_that_does_not_fit_is_one_line_with_the_cure(checkout: Checkout) -> None:
    checkout.replace('"torchvision==0.28.0"', '"torchvision==0.27.0"')
    with pytest.raises(PracticumError, match=rf"torchvision==0\.27\.0.*run: practicum lock {SEMESTER}$"):
        build.appliance(checkout.load())
    (checkout.folder / "python-cpu.lock").unlink()
    with pytest.raises(PracticumError, match=rf"not there yet; run: practicum lock {SEMESTER}$"):
        build.appliance(checkout.load())


def test_missing_role_is_told_before_the_build(checkout: Checkout) -> None:
    shutil.rmtree(checkout.root / "ansible/roles/jupyter")
    with pytest.raises(PracticumError, match=r"ansible/roles/jupyter: no such file or folder"):
        build.appliance(checkout.load())


def test_first_build_is_explained_as_such(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.images, "ensure_docker", lambda: None)
    assert set(build.explain(checkout.load())) == {(name, "first build") for name in ALL}
    assert not any(stages.folder_of(stage).exists() for stage in build.appliance(checkout.load()).stages)


def test_lock_of_the_copied_checkout_is_the_one_the_stage_reads(checkout: Checkout) -> None:
    environment = next(stage for stage in build.appliance(checkout.load()).stages if stage.name == "environment")
    assert environment.inputs["python-cpu.lock"] == lock.hash_lock(checkout.folder / "python-cpu.lock")
