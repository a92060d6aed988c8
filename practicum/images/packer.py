"""Packer and Ansible turn one docker image into the next.

A killed build leaves no container behind: see lifetime.py.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import uv

from practicum.engine.errors import ProgramFailed
from practicum.engine.progress import Console
from practicum.engine.run import run
from practicum.engine.stage import Tree
from practicum.images.debs import APT_CONFIG
from practicum.images.docker import image_exists
from practicum.images.lifetime import hold_alive

DEBS = "debs"
"""Name below MOUNT of the Debian packages of a build without a network."""

ROLES = "ansible/roles"
"""Folder of the roles in a checkout."""

MOUNT = "/run/practicum"
"""Where the build container sees the host folders it reads: on its tmpfs, so that no mount point stays in the image."""


@dataclass(frozen=True)
class Play:
    """All that a run of Packer reads of the checkout: its templates, one play of ansible/ and the play's roles."""

    root: Path
    name: str
    roles: tuple[str, ...]
    epoch: int = 0
    """Seconds since 1970, which the programs of the roles take as the present wherever they write a time."""

    @property
    def trees(self) -> list[Tree]:
        roles = (f"{ROLES}/{role}" for role in self.roles)
        return [Tree(self.root, name) for name in ("packer", "ansible/ansible.cfg", f"ansible/{self.name}.yml", *roles)]

    @cached_property
    def inputs(self) -> dict[str, str]:
        read = {label: digest for tree in self.trees for label, digest in tree.inputs.items()}
        return {**read, "epoch": str(self.epoch)}


@dataclass(frozen=True)
class Step:
    """One run of Packer. `mounts` maps names below MOUNT to host folders; `variables` go to the Ansible roles.

    `changes` are the settings of the new image, in Dockerfile words. `archives` is a host folder, empty at first, for
    the Debian packages that apt installs: from the mirror, or, if `given`, from the packages of that folder. A step
    without `archives` has no network.
    """

    play: Play
    base: str
    tag: str
    variables: Mapping[str, Any]
    mounts: Mapping[str, Path] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    archives: Path | None = None
    given: Path | None = None


def packer_variables(step: Step, alive: Path, variables: Path, roles: Path) -> dict[str, Any]:
    """Return what packer/variables.pkr.hcl asks for."""
    repository, _, tag = step.tag.rpartition(":")
    return {
        "step": step.play.name,
        "base_image": step.base,
        "repository": repository,
        "tag": tag,
        "ansible_vars": os.fspath(variables),
        "alive": os.fspath(alive),
        "mounts": {f"{MOUNT}/{name}": os.fspath(folder) for name, folder in list_mounts(step, roles).items()},
        "archives": os.fspath(step.archives or ""),
        "network": "bridge" if step.archives and not step.given else "none",
        "changes": list(step.changes),
    }


def list_mounts(step: Step, roles: Path) -> dict[str, Path]:
    """Return what the build container sees below MOUNT, by name; roles: the folder of the play's Ansible roles."""
    mounts = {"roles": roles, **step.mounts}
    return {**mounts, DEBS: step.given} if step.given else mounts


def role_variables(step: Step) -> dict[str, Any]:
    """Return the variables of the Ansible roles."""
    told = {**step.variables, "build_mount": MOUNT, "epoch": step.play.epoch}
    return {**told, "apt_config": f"{MOUNT}/{DEBS}/{APT_CONFIG}"} if step.given else told


def packer_argv(templates: Path, variables: Path) -> list[str]:
    return ["packer", "build", "-color=false", f"-var-file={os.fspath(variables)}", os.fspath(templates)]


def packer_environment(scratch: Path) -> dict[str, str]:
    """Return what makes Packer and Ansible put their droppings where the build's end removes them, in plain text."""
    folders = ("PACKER_CACHE_DIR", "PACKER_CONFIG_DIR", "ANSIBLE_HOME")
    switches = ("CHECKPOINT_DISABLE", "PACKER_NO_COLOR", "ANSIBLE_NOCOLOR")
    return {**dict.fromkeys(folders, os.fspath(scratch)), **dict.fromkeys(switches, "1")}


def build_image(step: Step, work: Path, console: Console) -> None:
    """Make the image `step.tag`; raises PracticumError.

    Packer sees a copy of what the play declares, so nothing else of the checkout can get into the image.
    """
    name, scratch, checkout = step.play.name, work / "scratch", work / "checkout"
    scratch.mkdir()
    for tree in step.play.trees:
        tree.copy_to(checkout)
    variables = work / "ansible-vars.json"
    variables.write_text(json.dumps(role_variables(step), indent=2))
    packer_vars = work / "packer.pkrvars.json"
    with hold_alive(work) as alive:
        packer_vars.write_text(json.dumps(packer_variables(step, alive, variables, checkout / ROLES), indent=2))
        run(
            packer_argv(checkout / "packer", packer_vars),
            step=name,
            log=work / f"{name}.log",
            env=packer_environment(scratch),
            cwd=scratch,
            tmp=scratch,
            on_line=lambda line: report_task(line, console),
        )
    shutil.rmtree(checkout)
    if not image_exists(step.tag):
        raise ProgramFailed(name, f"packer ended well but left no image {step.tag}", work / f"{name}.log")


def report_task(line: str, console: Console) -> None:
    """Show the one kind of line of Packer's and Ansible's output that tells a person where the build is."""
    if "TASK [" in line:
        console.say(line.split("TASK [", 1)[1].split("]")[0])


@contextmanager
def lent_uv(out: Path) -> Iterator[Path]:
    """Give a folder with the program uv, for a build container to see."""
    tools = out / "bin"
    tools.mkdir()
    shutil.copy(uv.find_uv_bin(), tools / "uv")
    yield tools
    shutil.rmtree(tools)
