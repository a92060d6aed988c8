"""The recipe: which stages make an appliance, what each of them reads, and in which order they run.

    base -> environment -> course -> disk -> ova
                    -> python ---------^

Each stage's key counts the key of the stage before it, so a change runs exactly what follows from it.
"""

import json
import shutil
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uv

from practicum import base, content, disk, images, lock, ova, ovf, stages, torchvision, vmdk, wheelhouse
from practicum.cache import hash_tree
from practicum.cache import root as cache_root
from practicum.description import Semester
from practicum.errors import PracticumError
from practicum.progress import Console
from practicum.publish import write_text
from practicum.run import run
from practicum.stages import Stage

GB = 10**9
HERE = Path(__file__).parent
ENVIRONMENT_ROLES = ("system", "python", "jupyter", "appliance")
COURSE_ROLES = ("course", "sysprep")
QUESTIONS = {
    "debian.txt": ("dpkg-query", "--show", "--showformat=${Package}=${Version}\n"),
    "python.txt": ("/opt/venv/bin/python", "-m", "pip", "freeze", "--all"),
}


@dataclass(frozen=True)
class Recipe:
    """The stages of one semester's appliance, and where its result goes."""

    semester: Semester
    stages: tuple[Stage, ...]
    ova: Path


def appliance(semester: Semester) -> Recipe:
    """Returns the recipe; reads files to hash them and changes nothing."""
    root = semester.root
    target = root / "dist" / semester.course.semester / f"{semester.name}.ova"
    first = _base_stage(semester, root)
    environment = _environment_stage(semester, root, first)
    course = _course_stage(semester, root, environment)
    python = _python_stage(semester, environment)
    written = _disk_stage(semester, course, python)
    packed = _ova_stage(semester, written, target)
    return Recipe(semester, (first, environment, python, course, written, packed), target)


def build_ova(semester: Semester, console: Console) -> Path:
    """Builds what is missing and returns the appliance's path; raises PracticumError, Busy or Stopped."""
    images.ensure_docker()
    recipe = appliance(semester)
    stages.require_all(recipe.stages)
    console.expect([stage.name for stage in recipe.stages])
    for stage in recipe.stages:
        stages.ensure(stage, semester.course.semester, console)
    stages.prune()
    return recipe.ova


def explain(semester: Semester) -> list[tuple[str, str]]:
    """Returns, for each stage, why it would run again, or "cached"."""
    images.ensure_docker()
    return [(stage.name, stages.explain(stage, semester.course.semester)) for stage in appliance(semester).stages]


def role_variables(semester: Semester, product: str) -> dict[str, Any]:
    """Returns what the Ansible roles know of the semester."""
    machine = semester.appliance
    return {
        "product": product,
        "debian_suite": semester.debian.suite,
        "debian_packages": [*semester.debian.packages, *semester.debian.appliance_packages],
        "root_label": disk.LABEL,
        "python_label": disk.PYTHON_LABEL,
        "course": {
            "code": semester.course.code,
            "title": semester.course.title,
            "institution": semester.course.institution,
            "semester": semester.course.semester,
            "name": semester.name,
            "slug": semester.course.slug,
            "user": machine.user,
            "access": machine.access,
            "jupyter_port": machine.jupyter_port,
            "ssh_port": machine.ssh_port,
            "product": product,
            "version": semester.course.semester,
        },
    }


def choose_epoch(semester: Semester) -> int:
    """Returns the time stamp of everything built for the semester: the first second of the year before it, in UTC.

    It follows from the description alone, so that the same inputs give the same bytes on any day; and it is past
    whenever the appliance is used, because a file system from the future makes the first boot repair it.
    """
    return int(datetime(int(semester.course.semester[:4]) - 1, 1, 1, tzinfo=UTC).timestamp())


def trim_list(root: Path) -> Path:
    return root / "ansible/trim/debian.dpkg.cfg"


def _base_stage(semester: Semester, root: Path) -> Stage:
    trim = trim_list(root)
    debian_lock = semester.folder / "debian.lock"
    inputs = {
        "suite": semester.debian.suite,
        "ansible/trim/debian.dpkg.cfg": hash_tree(trim),
        "debian.lock": hash_tree(debian_lock) if debian_lock.exists() else "none",
        "practicum/base.py": hash_tree(HERE / "base.py"),
    }
    tag = stages.tag_of("base", inputs)

    def build(out: Path, console: Console) -> None:
        base.build_base(semester.debian.suite, trim, tag, out, console)

    return Stage(
        "base", inputs, build, ("base.log",), space=GB, tools=("mmdebstrap", "docker"), keeps_image=True,
        still_there=lambda _: images.image_exists(tag),
    )  # fmt: skip


def _environment_stage(semester: Semester, root: Path, before: Stage) -> Stage:
    python_lock = lock.find_lock(semester, "cpu")
    variables = role_variables(semester, "appliance")
    inputs = {
        "base": before.key,
        "semester.toml": json.dumps(variables, sort_keys=True),
        "python-cpu.lock": lock.hash_lock(python_lock),
        "torchvision": torchvision.RECIPE,
        "ansible/ansible.cfg": hash_tree(root / "ansible/ansible.cfg"),
        "ansible/environment.yml": hash_tree(root / "ansible/environment.yml"),
        "packer": hash_tree(root / "packer"),
        "ansible/trim/python.txt": hash_tree(root / "ansible/trim/python.txt"),
        **{f"ansible/roles/{role}": hash_tree(root / "ansible/roles" / role) for role in ENVIRONMENT_ROLES},
    }
    tag = stages.tag_of("environment", inputs)

    def build(out: Path, console: Console) -> None:
        console.say("collecting the wheels")
        with console.paused():
            house = wheelhouse.prepare(python_lock, cache_root(), progress=True)
        for note in house.notes:
            console.say(note)
        tools = out / "bin"
        tools.mkdir()
        shutil.copy(uv.find_uv_bin(), tools / "uv")
        mounts = {"bin": tools, "wheels": house.folder, "trim": root / "ansible/trim"}
        step = images.Step("environment", before.tag, tag, variables, mounts)
        images.build_image(step, root, out, console)
        shutil.rmtree(tools)
        for name, text in images.ask_image(tag, QUESTIONS, out).items():
            write_text(out / name, text)
        report_drift(semester, out / "debian.txt", console)

    return Stage(
        "environment", inputs, build, ("debian.txt", "python.txt"), space=6 * GB,
        tools=("packer", "docker", "ansible-playbook"), keeps_image=True,
        still_there=lambda _: images.image_exists(tag),
    )  # fmt: skip


def report_drift(semester: Semester, installed: Path, console: Console) -> None:
    """Says what Debian has changed since the packages were recorded: the mirror serves only what is current."""
    recorded = semester.folder / "debian.lock"
    if recorded.exists():
        for line in lock.drift(lock.read_debian(recorded), lock.read_debian(installed)):
            console.say(f"differs from debian.lock: {line}")


def _course_stage(semester: Semester, root: Path, before: Stage) -> Stage:
    tools = root / "course_content/tools"
    inputs = {
        "environment": before.key,
        "course_content": hash_tree(root / "course_content"),
        "content": json.dumps([semester.content.include, semester.content.solutions]),
        "practicum/content.py": hash_tree(HERE / "content.py"),
        "ansible/course.yml": hash_tree(root / "ansible/course.yml"),
        **{f"ansible/roles/{role}": hash_tree(root / "ansible/roles" / role) for role in COURSE_ROLES},
    }
    tag = stages.tag_of("course", inputs)

    def build(out: Path, console: Console) -> None:
        staging = out / "mounts"
        (staging / "bin").mkdir(parents=True)
        shutil.copy(uv.find_uv_bin(), staging / "bin/uv")
        console.say("assembling the content")
        content.assemble(
            root / "course_content",
            semester.content.include,
            staging / "content/content",
            solutions=semester.content.solutions,
        )
        wheel = build_tools_wheel(tools, staging / "content", out / "tools.log")
        variables = {
            **role_variables(semester, "appliance"),
            "course_tools_wheel": wheel.name,
            "course_commands": list_commands(tools),
        }
        mounts = {"bin": staging / "bin", "content": staging / "content"}
        images.build_image(images.Step("course", before.tag, tag, variables, mounts), root, out, console)
        shutil.rmtree(staging)

    return Stage(
        "course", inputs, build, ("course.log",), space=GB, tools=("packer", "docker", "ansible-playbook"),
        keeps_image=True, still_there=lambda _: images.image_exists(tag),
    )  # fmt: skip


def build_tools_wheel(source: Path, out: Path, log: Path) -> Path:
    """Builds the wheel of the student's commands with this environment's own build backend, without a network."""
    argv = [
        uv.find_uv_bin(),
        "build",
        "--wheel",
        "--no-build-isolation",
        f"--python={sys.executable}",
        f"--out-dir={out}",
    ]
    run([*argv, str(source)], step="course", log=log)
    wheels = sorted(out.glob("course_tools-*.whl"))
    if len(wheels) != 1:
        raise PracticumError(f"course: {source} made {len(wheels)} wheels, not one; see {log}")
    return wheels[0]


def list_commands(tools: Path) -> list[str]:
    """Returns the names of the student's commands, sorted."""
    return sorted(tomllib.loads((tools / "pyproject.toml").read_text())["project"]["scripts"])


def _python_stage(semester: Semester, before: Stage) -> Stage:
    epoch = choose_epoch(semester)
    inputs = {"environment": before.key, "epoch": str(epoch), "practicum/disk.py": hash_tree(HERE / "disk.py")}

    def build(out: Path, console: Console) -> None:
        console.say("unpacking the Python environment")
        images.export_tree(before.tag, out / "tree", out, [disk.PYTHON_PLACE])
        console.say("compressing the Python environment")
        disk.write_squashfs(
            out / "tree" / disk.PYTHON_PLACE, out / "python.squashfs", epoch=epoch, log=out / "python.log"
        )
        shutil.rmtree(out / "tree")

    return Stage("python", inputs, build, ("python.squashfs",), space=4 * GB, tools=("docker", "mksquashfs"))


def _disk_stage(semester: Semester, before: Stage, python: Stage) -> Stage:
    plan = disk.Plan(
        name=semester.name,
        title=f"{semester.course.code} {semester.course.title}",
        hostname=semester.course.slug,
        size=semester.appliance.disk_gb << 30,
        epoch=choose_epoch(semester),
    )
    inputs = {
        "course": before.key,
        "python": python.key,
        "plan": repr(plan),
        **{f"practicum/{name}": hash_tree(HERE / name) for name in ("disk.py", "vmdk.py", "vmdk_format.py")},
    }

    def build(out: Path, console: Console) -> None:
        console.say("unpacking the root file system")
        images.export_tree(before.tag, out / "tree", out, [f"--exclude={disk.PYTHON_PLACE}/*"])
        squashfs = stages.folder_of(python) / "python.squashfs"
        disk.write_disk(out / "tree", squashfs, out / "disk.raw", plan, work=out, console=console)
        shutil.rmtree(out / "tree")
        console.say("compressing")
        vmdk.write_stream_optimized(out / "disk.raw", out / "disk.vmdk")
        for leftover in ("disk.raw", "esp.img", "core.img", "BOOTX64.EFI"):
            (out / leftover).unlink()

    return Stage("disk", inputs, build, ("disk.vmdk",), space=8 * GB, tools=("docker", *disk.TOOLS))


def _ova_stage(semester: Semester, before: Stage, target: Path) -> Stage:
    machine = describe_machine(semester)
    inputs = {
        "disk": before.key,
        "machine": repr(machine),
        "epoch": str(choose_epoch(semester)),
        "target": str(target),
        **{f"practicum/{name}": hash_tree(HERE / name) for name in ("ovf.py", "ova.py", "verify")},
    }

    def build(out: Path, console: Console) -> None:
        vmdk_file = stages.folder_of(before) / "disk.vmdk"
        console.say("packing and verifying")
        descriptor = ovf.describe(machine, ovf.Disk.of(vmdk_file, ova.disk_name(semester.name)))
        ova.write(target, descriptor, vmdk_file, name=semester.name, mtime=choose_epoch(semester))
        write_text(out / "ova.json", json.dumps(_measure(target)))

    def still_there(folder: Path) -> bool:
        return target.exists() and json.loads((folder / "ova.json").read_text()) == _measure(target)

    return Stage("ova", inputs, build, ("ova.json",), space=2 * GB, still_there=still_there)


def _measure(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def describe_machine(semester: Semester) -> ovf.Appliance:
    """Returns the virtual machine as the importer shows it."""
    machine = semester.appliance
    url = f"http://localhost:{machine.jupyter_port}/"
    if machine.access == "open":
        how = f"Start it and open {url} - OPEN ACCESS: no password protects it; for supervised classrooms only."
    else:
        how = f"Start it and open {url} with the access code that the machine's window shows."
    return ovf.Appliance(
        name=semester.name,
        product=f"{semester.course.code} {semester.course.title}",
        version=semester.course.semester,
        vendor=semester.course.institution,
        description=f"{semester.course.code} {semester.course.title}, {semester.course.semester}. {how}",
        cpus=machine.cpus,
        memory_mb=machine.memory_mb,
        forwards=(
            ovf.Forward("jupyter", "127.0.0.1", machine.jupyter_port, 8888),
            ovf.Forward("ssh", "127.0.0.1", machine.ssh_port, 22),
        ),
    )
