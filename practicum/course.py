"""The course in a product: what its tools know of it, and the layer with the student's commands and the content."""

import json
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import uv

from practicum import content, images, layers, notebooks, stages
from practicum.cache import IGNORED, hash_tree
from practicum.description import Semester
from practicum.errors import PracticumError
from practicum.progress import Console
from practicum.run import run
from practicum.stages import Stage

Product = Literal["appliance", "cpu", "cuda"]

CONTAINER_USER = "jovyan"
"""The name that clusters, hubs and students' habits expect, from jupyter/docker-stacks."""

PACKAGES = ("runtime", "course_content/tools")
"""The folders of the packages with the student's commands, in the order in which they are installed."""

MACHINE_COMMANDS = {"course-access", "course-console", "course-firstboot", "set-kbd"}
"""Commands that only a machine of one's own has a use for."""


def course_variables(semester: Semester, product: Product) -> dict[str, Any]:
    """Returns what becomes /etc/course/course.json in the product."""
    machine = semester.appliance
    container = product != "appliance"
    return {
        "code": semester.course.code,
        "title": semester.course.title,
        "institution": semester.course.institution,
        "semester": semester.course.semester,
        "name": semester.name,
        "slug": semester.course.slug,
        "user": CONTAINER_USER if container else machine.user,
        # A container has no first boot that could make a code, and open is for a classroom of machines.
        "access": "code" if container else machine.access,
        "jupyter_port": machine.jupyter_port,
        "ssh_port": machine.ssh_port,
        "product": product,
        "version": semester.course.semester,
    }


def course_stage(semester: Semester, before: Stage, product: Product, changes: Sequence[str] = ()) -> Stage:
    """The last layer; `changes` are the image's settings, in Dockerfile words."""
    name, root = f"course-{product}", semester.root
    packages = [root / folder for folder in PACKAGES]
    variables = {
        "product": product,
        "course_commands": list_commands(packages, product),
        "course": course_variables(semester, product),
    }
    inputs = {
        before.name: before.key,
        "course_content": hash_tree(root / "course_content"),
        "runtime": hash_tree(root / "runtime"),
        "smoke_tests/compute": hash_tree(root / "smoke_tests/compute"),
        "content": json.dumps([semester.content.include, semester.content.solutions]),
        "settings": json.dumps([variables, *changes], sort_keys=True),
        "notebooks": notebooks.RECIPE,
        **layers.source_inputs("content.py", "notebooks.py"),
        **layers.play_inputs(root, "course", "course", "sysprep"),
    }
    tag = stages.tag_of(name, inputs)

    def build(out: Path, console: Console) -> None:
        staging = out / "mounts"
        staging.mkdir()
        console.say("assembling the content")
        content.assemble(
            root / "course_content",
            semester.content.include,
            staging / "content",
            solutions=semester.content.solutions,
        )
        shutil.copytree(root / "smoke_tests/compute", staging / "verify", ignore=shutil.ignore_patterns(*IGNORED))
        runtime, tools = build_wheels(packages, staging / "tools", out / "tools.log")
        mounts = {
            "bin": layers.lend_uv(out),
            "content": staging / "content",
            "tools": staging / "tools",
            "verify": staging / "verify",
        }
        given = {**variables, "course_runtime_wheel": runtime.name, "course_tools_wheel": tools.name}
        images.build_image(images.Step("course", before.tag, tag, given, mounts, tuple(changes)), root, out, console)
        shutil.rmtree(staging)
        shutil.rmtree(out / "bin")

    return layers.image_stage(name, inputs, build, ("course.log",))


def build_wheels(sources: Sequence[Path], out: Path, log: Path) -> list[Path]:
    """Builds a wheel of each package in `sources` with this environment's own build backend, without a network."""
    argv = [
        uv.find_uv_bin(),
        "build",
        "--wheel",
        "--no-build-isolation",
        f"--python={sys.executable}",
        f"--out-dir={out}",
    ]
    wheels: list[Path] = []
    for source in sources:
        run([*argv, str(source)], step="course", log=log)
        made = [path for path in out.glob("*.whl") if path not in wheels]
        if len(made) != 1:
            raise PracticumError(f"course: {source} made {len(made)} wheels, not one; see {log}")
        wheels += made
    return wheels


def list_commands(packages: Sequence[Path], product: Product) -> list[str]:
    """Returns the names of the student's commands in `packages` that `product` has, sorted."""
    projects = [tomllib.loads((package / "pyproject.toml").read_text())["project"] for package in packages]
    commands = [name for project in projects for name in project["scripts"]]
    return sorted(name for name in commands if product == "appliance" or name not in MACHINE_COMMANDS)
