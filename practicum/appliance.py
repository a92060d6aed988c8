"""The recipe of the virtual machine: from the Python environment to the `.ova`.

... ─▶ torch-cpu ─▶ appliance ─▶ course-appliance ─▶ disk ─▶ ova
                              └▶ squashfs ──────────▶┘
"""

import json
import shutil
from pathlib import Path
from typing import Any

from practicum import disk, images, layers, lock, ova, ovf, stages, vmdk
from practicum.course import course_stage, course_variables
from practicum.description import Semester
from practicum.layers import GB
from practicum.progress import Console
from practicum.publish import write_text
from practicum.stages import Stage

ROLES = ("jupyter", "appliance")
DPKG = ("dpkg-query", "--show", "--showformat=${Package}=${Version}\n")


def recipe(semester: Semester) -> tuple[Stage, ...]:
    """Returns the stages in the order they run; reads files to hash them and changes nothing."""
    below = layers.chain(semester, "cpu")
    machine = _machine_stage(semester, below[-1])
    squashfs = _squashfs_stage(semester, machine)
    course = course_stage(semester, machine, "appliance")
    written = _disk_stage(semester, course, squashfs)
    packed = _ova_stage(semester, written, target(semester))
    return (*below, machine, squashfs, course, written, packed)


def target(semester: Semester) -> Path:
    """Returns where the appliance appears."""
    return semester.root / "dist" / semester.course.semester / f"{semester.name}.ova"


def role_variables(semester: Semester) -> dict[str, Any]:
    """Returns what the Ansible roles of the machine know of the semester."""
    return {
        "product": "appliance",
        "debian_packages": list(semester.debian.appliance_packages),
        "root_label": disk.LABEL,
        "python_label": disk.PYTHON_LABEL,
        "course": course_variables(semester, "appliance"),
    }


def _machine_stage(semester: Semester, before: Stage) -> Stage:
    variables = role_variables(semester)
    inputs = {
        before.name: before.key,
        "semester.toml": json.dumps(variables, sort_keys=True),
        **layers.play_inputs(semester.root, "appliance", *ROLES),
    }
    tag = stages.tag_of("appliance", inputs)

    def build(out: Path, console: Console) -> None:
        images.build_image(images.Step("appliance", before.tag, tag, variables), semester.root, out, console)
        write_text(out / "debian.txt", images.ask_image(tag, {"debian": DPKG}, out)["debian"])
        report_drift(semester, out / "debian.txt", console)

    return layers.image_stage("appliance", inputs, build, ("debian.txt",), space=2 * GB)


def report_drift(semester: Semester, installed: Path, console: Console) -> None:
    """Says what Debian has changed since the packages were recorded: the mirror serves only what is current."""
    recorded = semester.folder / "debian.lock"
    if recorded.exists():
        for line in lock.drift(lock.read_debian(recorded), lock.read_debian(installed)):
            console.say(f"differs from debian.lock: {line}")


def _squashfs_stage(semester: Semester, before: Stage) -> Stage:
    epoch = semester.epoch
    inputs = {before.name: before.key, "epoch": str(epoch), **layers.source_inputs("disk.py")}

    def build(out: Path, console: Console) -> None:
        console.say("unpacking the Python environment")
        images.export_tree(before.tag, out / "tree", out, [disk.PYTHON_PLACE])
        console.say("compressing the Python environment")
        disk.write_squashfs(
            out / "tree" / disk.PYTHON_PLACE, out / "python.squashfs", epoch=epoch, log=out / "python.log"
        )
        shutil.rmtree(out / "tree")

    return Stage("squashfs", inputs, build, ("python.squashfs",), space=4 * GB, tools=("docker", "mksquashfs"))


def _disk_stage(semester: Semester, before: Stage, squashfs: Stage) -> Stage:
    plan = disk.Plan(
        name=semester.name,
        title=f"{semester.course.code} {semester.course.title}",
        hostname=semester.course.slug,
        size=semester.appliance.disk_gb << 30,
        epoch=semester.epoch,
    )
    inputs = {
        before.name: before.key,
        squashfs.name: squashfs.key,
        "plan": repr(plan),
        **layers.source_inputs("disk.py", "vmdk.py", "vmdk_format.py"),
    }

    def build(out: Path, console: Console) -> None:
        console.say("unpacking the root file system")
        images.export_tree(before.tag, out / "tree", out, [f"--exclude={disk.PYTHON_PLACE}/*"])
        python = stages.folder_of(squashfs) / "python.squashfs"
        disk.write_disk(out / "tree", python, out / "disk.raw", plan, work=out, console=console)
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
        "epoch": str(semester.epoch),
        "target": str(target),
        **layers.source_inputs("ovf.py", "ova.py", "verify"),
    }

    def build(out: Path, console: Console) -> None:
        vmdk_file = stages.folder_of(before) / "disk.vmdk"
        console.say("packing and verifying")
        descriptor = ovf.describe(machine, ovf.Disk.of(vmdk_file, ova.disk_name(semester.name)))
        ova.write(target, descriptor, vmdk_file, name=semester.name, mtime=semester.epoch)
        write_text(out / "ova.json", stages.describe_file(target))

    def still_there(folder: Path) -> bool:
        return target.exists() and (folder / "ova.json").read_text() == stages.describe_file(target)

    return Stage("ova", inputs, build, ("ova.json",), space=2 * GB, still_there=still_there)


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
