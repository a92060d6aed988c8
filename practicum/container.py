"""The recipe of a container image: `ee559:2027-spring-cuda` and its twin for machines without a GPU.

    ... ─▶ torch-cpu  ─▶ container-cpu  ─▶ course-cpu  ─▶ image-cpu
    ... ─▶ torch-cuda ─▶ container-cuda ─▶ course-cuda ─▶ image-cuda

What changes most comes last: a change of the content adds one small layer, a new commit none, only labels and tags.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicum import images, layers, stages
from practicum.cache import hash_tree
from practicum.course import CONTAINER_USER, course_stage, course_variables
from practicum.description import Semester
from practicum.errors import PracticumError
from practicum.layers import GB
from practicum.lock import Kind
from practicum.progress import Console
from practicum.publish import write_text
from practicum.revision import Revision, read_revision
from practicum.run import run
from practicum.stages import Stage

KINDS: tuple[Kind, ...] = ("cpu", "cuda")
ROLES = ("jupyter", "container")
PORT = 8888

LICENSES = {
    "cpu": "MIT AND BSD-3-Clause AND GPL-2.0-or-later",
    "cuda": "MIT AND BSD-3-Clause AND GPL-2.0-or-later AND LicenseRef-NVIDIA",
}
"""SPDX expressions of what weighs most: ours, PyTorch and Jupyter, Debian, NVIDIA's libraries."""


@dataclass(frozen=True)
class Names:
    """The names of an image: `moving` follows the semester, `fixed` stays with a commit ("" where files differ)."""

    moving: str
    fixed: str


def recipe(semester: Semester, kind: Kind) -> tuple[Stage, ...]:
    """Returns the stages in the order they run; reads files to hash them and changes nothing."""
    below = layers.chain(semester, kind)
    container = _container_stage(semester, below[-1], kind)
    course = course_stage(semester, container, kind, settings(semester, kind))
    return (*below, container, course, _image_stage(semester, below, course, kind))


def name_image(semester: Semester, kind: Kind, revision: Revision) -> Names:
    """Returns the names that an image of `revision` gets."""
    name = f"{semester.course.slug}:{semester.course.semester}"
    return Names(f"{name}-{kind}", "" if revision.dirty else f"{name}-{revision.full[:12]}-{kind}")


def settings(semester: Semester, kind: Kind) -> tuple[str, ...]:
    """Returns how the image is started, in Dockerfile words. No value holds a `$`: Apptainer would evaluate it."""
    environment = {
        "PATH": "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "HOME": f"/home/{CONTAINER_USER}",
        "NB_USER": CONTAINER_USER,
        "NB_UID": "1000",
        "NB_GID": "100",
        "JUPYTER_PORT": str(PORT),
        "COURSE_NAME": semester.name,
        # torch's threads sleep while they wait for each other: see "Slow training" in docs/troubleshoot.md.
        "OMP_WAIT_POLICY": "PASSIVE",
        # No compiler comes along; these name what says so, and what to do.
        "CC": "/usr/local/lib/course/no-compiler",
        "CXX": "/usr/local/lib/course/no-compiler",
    }
    if kind == "cuda":
        # Read by NVIDIA's runtimes. No NVIDIA_REQUIRE_*: it would keep the container from starting on the CPU.
        environment |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    return (
        *(f"ENV {name}={value}" for name, value in environment.items()),
        "USER 1000",  # a number, so that Kubernetes can tell that it is not root
        f"WORKDIR /home/{CONTAINER_USER}",
        f"EXPOSE {PORT}",
        'ENTRYPOINT ["/usr/bin/tini","-g","--","/usr/local/bin/start.sh"]',
        'CMD ["start-notebook.py"]',
        'HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["/usr/local/bin/course-health"]',
    )


def _container_stage(semester: Semester, before: Stage, kind: Kind) -> Stage:
    name = f"container-{kind}"
    variables = {"product": kind, "course": course_variables(semester, kind)}
    inputs = {
        before.name: before.key,
        "semester.toml": json.dumps(variables, sort_keys=True),
        **{
            f"docker/{part}": hash_tree(semester.root / "docker" / part) for part in ("bin", "before-notebook.d", "lib")
        },
        **layers.play_inputs(semester.root, "container", *ROLES),
    }
    tag = stages.tag_of(name, inputs)

    def build(out: Path, console: Console) -> None:
        mounts = {"torch": stages.folder_of(before)}
        images.build_image(images.Step("container", before.tag, tag, variables, mounts), semester.root, out, console)

    return layers.image_stage(name, inputs, build, ("container.log",))


def _image_stage(semester: Semester, below: Sequence[Stage], before: Stage, kind: Kind) -> Stage:
    """Labels and names; adds no layer, so that a commit which changes nothing in the image costs no download."""
    revision = read_revision(semester.root)
    names = name_image(semester, kind, revision)
    inputs = {
        before.name: before.key,
        "names": f"{names.moving} {names.fixed}".rstrip(),
        "revision": revision.label,
        "created": revision.date,
        **layers.source_inputs("container.py"),
    }

    def build(out: Path, console: Console) -> None:
        facts = json.loads((stages.folder_of(below[-1]) / "torch.json").read_text())
        labels = list_labels(semester, kind, revision, below[0].tag, images.find_id(below[0].tag), facts)
        tags = [names.moving, names.fixed] if _is_new(names.fixed, console) else [names.moving]
        before_it = images.find_id(names.moving)
        (out / "Dockerfile").write_text(f"FROM {before.tag}\n")
        run(
            label_argv(out, tags, labels), step=f"image-{kind}", log=out / "image.log",
            env={"DOCKER_BUILDKIT": "0"},  # only the classic builder is in every docker, and this needs no more
        )  # fmt: skip
        images.remove_nameless(before_it)
        record = {"id": images.find_id(names.moving), "tags": tags, "labels": labels}
        write_text(out / "image.json", json.dumps(record, indent=1))
        console.say(" and ".join(tags))

    def still_there(folder: Path) -> bool:
        return bool(images.find_id(names.moving) == json.loads((folder / "image.json").read_text())["id"])

    return Stage(
        f"image-{kind}", inputs, build, ("image.json",), space=GB // 10, tools=("docker",), still_there=still_there
    )


def _is_new(fixed: str, console: Console) -> bool:
    """Whether the image gets the name of a commit: one that was given before stays where it is."""
    if not fixed:
        console.say("files differ from the last commit: the image gets no name that stays")
    elif images.find_id(fixed):
        console.say(f"{fixed} was built before and stays what it was")
        return False
    return bool(fixed)


def label_argv(folder: Path, tags: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Returns the command that gives the image of `folder`/Dockerfile its labels and names, all at its end."""
    given = [f"--label={name}={value}" for name, value in labels.items()]
    return ["docker", "build", "--quiet", "--force-rm", *given, *(f"--tag={tag}" for tag in tags), str(folder)]


def list_labels(
    semester: Semester, kind: Kind, revision: Revision, base: str, base_id: str, torch: Mapping[str, Any]
) -> dict[str, str]:
    """Returns the image's labels: those of the OCI image specification, then what a cluster may choose by."""
    course = semester.course
    if not torch.get("torch"):
        raise PracticumError(f"image-{kind}: python.requires names no torch: add it, or build the appliance alone")
    standard = {
        "title": f"{course.code} {course.title}, {'CUDA' if kind == 'cuda' else 'CPU'}",
        "description": f"JupyterLab, PyTorch and the practicals of {course.code} {course.title}, {course.semester}",
        "vendor": course.institution,
        "version": course.semester,
        "revision": revision.label,
        "created": revision.date,
        "licenses": LICENSES[kind],
        "base.name": base,
        "base.digest": base_id,
    }
    own = {
        "debian": semester.debian.suite,
        "python": semester.debian.python_version,
        "torch": torch["torch"],
        "cuda": torch["cuda"] or "none",
        "architectures": " ".join(torch["architectures"]) or "none",
    }
    return {
        **{f"org.opencontainers.image.{name}": value for name, value in standard.items()},
        **{f"practicum.{name}": value for name, value in own.items()},
    }


def require_docker_image(semester: Semester, kind: Kind) -> str:
    """Returns the moving name; raises PracticumError when no such image is there."""
    name = name_image(semester, kind, read_revision(semester.root)).moving
    if not images.image_exists(name):
        raise PracticumError(f"{name}: no such image; run: make docker")
    return name
