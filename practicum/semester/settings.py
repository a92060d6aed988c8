"""What the products are told of a semester: the values that the stages get."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from practicum.architecture import AMD64, Architecture
from practicum.engine.errors import PracticumError
from practicum.ova import disk, ovf
from practicum.semester.description import Semester
from practicum.semester.folders import TOOLS
from practicum.semester.locks import Variant
from practicum.semester.revision import Revision
from practicum.semester.toml_file import read_text, read_toml

Product = Literal["appliance", "cpu", "cuda"]

CONTAINER_USER = "jovyan"
"""The name that clusters, hubs and students' habits expect, from jupyter/docker-stacks."""

SIGNERS = "allowed_signers"
"""The file of semesters/ with the public keys that may sign; products get them, to verify content releases."""

JUPYTER_PORT = 8888
"""Of JupyterLab inside every product; semester.toml has the port of the student's computer."""


@dataclass(frozen=True)
class Names:
    """The names of an image: `moving` follows the semester, `fixed` stays with a commit ("" where files differ)."""

    moving: str
    fixed: str


def name_image(semester: Semester, variant: Variant, revision: Revision, architecture: Architecture = AMD64) -> Names:
    """Return the names that an image of `revision` gets."""
    name, kind = f"{semester.course.slug}:{semester.id}", f"{variant}{architecture.suffix}"
    return Names(f"{name}-{kind}", "" if revision.dirty else f"{name}-{revision.full[:12]}-{kind}")


def name_appliance(semester: Semester, architecture: Architecture = AMD64) -> str:
    """Return the name that the machine has in VirtualBox's window, and the base name of its files in the `.ova`."""
    return f"{semester.product_name}{architecture.suffix}"


def describe_course(semester: Semester, product: Product) -> dict[str, Any]:
    """Return what becomes /etc/course/course.json in the product."""
    machine = semester.appliance
    container = product != "appliance"
    return {
        "code": semester.course.code,
        "title": semester.course.title,
        "institution": semester.course.institution,
        "semester": semester.id,
        "name": semester.product_name,
        "slug": semester.course.slug,
        "user": CONTAINER_USER if container else machine.user,
        # A container has no first boot that could make a code, and open is for a classroom of machines.
        "access": "code" if container else machine.access,
        "jupyter_port": machine.jupyter_port,
        "ssh_port": machine.ssh_port,
        "product": product,
        "version": semester.id,
    }


def describe_content(semester: Semester) -> dict[str, str | int]:
    """Return which content this is, as its manifest.json and the statement about a content release say it."""
    return {"course": semester.course.code, "semester": semester.id, "release": semester.content.release}


def describe_solutions(solutions: bool | Mapping[str, date]) -> bool | dict[str, str]:
    """Return `content.solutions` as stages and manifest.json have it, with ISO dates."""
    return solutions if isinstance(solutions, bool) else {name: str(day) for name, day in solutions.items()}


def describe_updates(semester: Semester) -> dict[str, Any]:
    """Return what the course's layer adds to /etc/course/course.json, so that a change of it costs no other layer.

    "address": where content releases are, "" for nowhere. "updates": whether the product may ask there.
    """
    return {"address": semester.release.address, "updates": semester.release.updates}


def list_signers(semester: Semester) -> tuple[str, ...]:
    """Return the lines of semesters/allowed_signers that name a key; none where there is no such file."""
    file = semester.folder.parent / SIGNERS
    label = "/".join(file.parts[-2:])
    lines = read_text(file, label).splitlines() if os.path.lexists(file) else []
    return tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def describe_roles(semester: Semester, architecture: Architecture = AMD64) -> dict[str, Any]:
    """Return what the Ansible roles of the appliance know of the semester."""
    return {
        "product": "appliance",
        "debian_suite": semester.debian.suite,
        "debian_packages": list(semester.debian.list_appliance_packages(architecture)),
        "root_label": disk.LABEL,
        "python_label": disk.PYTHON_LABEL,
        "keyboard_modules": list(architecture.boot.keyboard),
        "shared_folders": architecture.hardware.shared_folders,
        "course": describe_course(semester, "appliance"),
    }


def describe_disk(semester: Semester, architecture: Architecture = AMD64) -> disk.Plan:
    """Return what the appliance's disk is written for."""
    return disk.Plan(
        name=name_appliance(semester, architecture),
        title=f"{semester.course.code} {semester.course.title}",
        hostname=semester.course.slug,
        size=semester.appliance.disk_gb << 30,
        epoch=semester.epoch,
        boot=architecture.boot,
    )


def describe_machine(semester: Semester, architecture: Architecture = AMD64) -> ovf.Appliance:
    """Return the virtual machine as the importer shows it.

    Where there is an appliance for another kind of computer, it says for which this one is.
    """
    machine = semester.appliance
    url = f"http://localhost:{machine.jupyter_port}/"
    if machine.access == "open":
        how = f"Start it and open {url} - OPEN ACCESS: no password protects it; for supervised classrooms only."
    else:
        how = f"Start it and open {url} with the access code that the machine's window shows."
    title = f"{semester.course.code} {semester.course.title}, {semester.id}"
    computers = f" For {architecture.computers}." if len(semester.built_for) > 1 else ""
    return ovf.Appliance(
        name=name_appliance(semester, architecture),
        product=f"{semester.course.code} {semester.course.title}",
        version=semester.id,
        vendor=semester.course.institution,
        description=f"{title}.{computers} {how}",
        cpus=machine.cpus,
        memory_mb=machine.memory_mb,
        forwards=(
            ovf.Forward("jupyter", "127.0.0.1", machine.jupyter_port, JUPYTER_PORT),
            ovf.Forward("ssh", "127.0.0.1", machine.ssh_port, 22),
        ),
        hardware=architecture.hardware,
    )


def describe_site(semester: Semester) -> dict[str, Any]:
    """Return what the course's page says of the semester."""
    course = semester.course
    return {
        **course.model_dump(mode="json", exclude_none=True),
        "slug": course.slug,
    }


def list_special_commands(semester: Semester) -> tuple[str, ...]:
    """Return the student's commands that not every course has: those of its own package, and what looks at torch."""
    project, label = semester.course_root / TOOLS / "pyproject.toml", f"{TOOLS}/pyproject.toml"
    described = read_toml(project, label).get("project", {}) if os.path.lexists(project) else {}
    own = described.get("scripts", {}) if isinstance(described, dict) else {}
    if not isinstance(own, dict):
        raise PracticumError(
            label, "project.scripts is no table", 'write [project.scripts], then name = "module:function"'
        )
    return (*own, *(["course-verify"] if semester.has_torch else []))


def describe_start(semester: Semester, variant: Variant) -> tuple[str, ...]:
    """Return how a container image is started, in Dockerfile words.

    No value holds a `$`: Apptainer would evaluate it.
    """
    environment = {
        "PATH": "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "HOME": f"/home/{CONTAINER_USER}",
        "NB_USER": CONTAINER_USER,
        "NB_UID": "1000",
        "NB_GID": "100",
        "JUPYTER_PORT": str(JUPYTER_PORT),
        "COURSE_NAME": semester.product_name,
        # The course's kernel goes before one that another Python has left in the home.
        "JUPYTER_PREFER_ENV_PATH": "1",
        # torch's threads sleep while they wait for each other: see "Slow training" in docs/troubleshoot.md.
        "OMP_WAIT_POLICY": "PASSIVE",
        # Where a runtime has a first process of its own, which reaps orphans, tini would complain. With -s it would not
        # start in QEMU's emulation of another processor, which lacks that system call.
        "TINI_VERBOSITY": "0",
        # No compiler comes along; these name what says so, and what to do.
        "CC": "/usr/local/lib/course/no-compiler",
        "CXX": "/usr/local/lib/course/no-compiler",
    }
    if variant == "cuda":
        # Read by NVIDIA's runtimes. No NVIDIA_REQUIRE_*: it would keep the container from starting on the CPU.
        environment |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    return (
        *(f"ENV {name}={value}" for name, value in environment.items()),
        "USER 1000",  # a number, so that Kubernetes can tell that it is not root
        f"WORKDIR /home/{CONTAINER_USER}",
        f"EXPOSE {JUPYTER_PORT}",
        'ENTRYPOINT ["/usr/bin/tini","-g","--","/usr/local/bin/start.sh"]',
        'CMD ["start-notebook.py"]',
        'HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["/usr/local/bin/course-health"]',
    )
