"""The pages of docs/ on the site: for students, and for those who give the course."""

import posixpath
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from practicum.course.site.content import OUTSIDE, SCHEME
from practicum.course.site.markdown import render
from practicum.course.site.page import Page, link
from practicum.engine.stage import Tree

STUDENTS = {
    "docs/student.md": "VirtualBox: start the machine, its commands, your files",
    "docs/troubleshoot.md": "something does not work: messages and cures",
    "docs/docker.md": "Docker in place of VirtualBox",
    "docs/cluster.md": "a cluster: which page you need, and what all have in common",
    "docs/cluster-docker.md": "Docker on a server",
    "docs/cluster-podman.md": "Podman or Docker without root",
    "docs/cluster-apptainer.md": "Apptainer",
    "docs/cluster-slurm.md": "Slurm, with Apptainer or with enroot and pyxis",
    "docs/cluster-kubernetes.md": "Kubernetes, OpenShift, Run:AI",
    "docs/cluster-jupyterhub.md": "JupyterHub for a class",
    "docs/hypervisors.md": "VMware, UTM, Proxmox, Hyper-V or QEMU in place of VirtualBox",
    "docs/data.md": "the data sets: real ones and stand-ins",
    "docs/projects.md": "the mini-projects, and course-submit",
    "docs/verify-gpu.md": "proof that torch and your GPU compute right",
}
"""The pages for students, in order: path in the repository -> what is in it."""

EXPLAINED = {
    "docs/data.md": "course-data",
    "docs/projects.md": "course-submit",
    "docs/verify-gpu.md": "course-verify",
}
"""The pages about a command that not every course has: path in the repository -> the command."""

ASSISTANTS = {
    "README.md": "what practicum is, and how to build the course's machine",
    "docs/next-semester.md": "from this semester to the next, in an afternoon",
    "docs/your-own-course.md": "another course in ten minutes",
    "docs/semester.md": "every key of semester.toml",
    "docs/release.md": "from a fork to a released semester",
    "docs/timings.md": "how long the practicals take",
    "docs/build.md": "stages, caches, exit codes, builds without a network",
    "docs/docker-stacks.md": "the start interface of the images, for administrators",
    "docs/verify-ova.md": "the rules that an .ova keeps",
    "docs/proof.md": "the parts of make test",
    "docs/figures.md": "measured sizes and times",
    "docs/architecture.md": "what was decided, and why",
    "docs/words.md": "what each word means",
    "CONTRIBUTING.md": "the first change in ten minutes",
}
"""The pages for assistants and developers, likewise."""

IMAGES = "docs/images"
SMALL = 64 << 10
"""Bytes of a file of the repository that comes along when a page links to it."""


@dataclass(frozen=True)
class Documents:
    """Pages of the repository and their pictures, which a stage reads."""

    trees: tuple[Tree, ...]

    @property
    def root(self) -> Path:
        return self.trees[0].root

    @property
    def students(self) -> dict[str, str]:
        """The pages among the documents, as STUDENTS has them."""
        names = {tree.name for tree in self.trees}
        return {name: about for name, about in STUDENTS.items() if name in names}

    @property
    def inputs(self) -> dict[str, str]:
        return {label: digest for tree in self.trees for label, digest in tree.inputs.items()}


def list_documents(root: Path, commands: Container[str]) -> Documents:
    """Return what the pages for students are made of; commands: those of the course, which its pages explain."""
    names = (name for name in STUDENTS if EXPLAINED.get(name, "") in commands or name not in EXPLAINED)
    return Documents(tuple(Tree(root, name) for name in (*names, IMAGES)))


def name_page(document: str) -> str:
    """Return the path of the page of a document: "docs/student.md" is shown as docs/student."""
    return f"docs/{posixpath.basename(document).removesuffix('.md').lower()}"


def read_documents(
    root: Path, documents: Mapping[str, str], shown: Mapping[str, str], files: dict[str, bytes], *, whole: bool
) -> tuple[Page, ...]:
    """Return the pages of `documents`, and add the pictures in them to `files`.

    root: the repository. shown: all documents of the site, to which links may lead. whole: whether small files of the
    repository come along, too; a link to anything else becomes plain text.
    """
    pages = []
    for document, about in documents.items():
        resolve = partial(_resolve, root, document, shown, files, whole)
        body = render((root / document).read_text(encoding="utf-8"), resolve)
        title = next((heading.text for heading in body.headings if heading.level == 1), document)
        pages.append(Page(name_page(document), title, body.html, body.headings, about))
    return tuple(pages)


def _resolve(
    root: Path, document: str, shown: Mapping[str, str], files: dict[str, bytes], whole: bool, address: str
) -> str | None:
    if SCHEME.match(address):
        return address if address.startswith(OUTSIDE) else None
    if address.startswith("#"):
        return address
    name, _, fragment = address.partition("#")
    target, page = posixpath.normpath(posixpath.join(posixpath.dirname(document), name)), name_page(document)
    if target in shown:
        return link(page, f"{name_page(target)}.html", fragment)
    path = root / target
    picture = target.startswith(f"{IMAGES}/")
    if not (picture or whole) or not path.is_file() or path.stat().st_size > (SMALL if not picture else 1 << 20):
        return None
    copied = target if picture else f"files/{target}"
    files[copied] = path.read_bytes()
    return link(page, copied)
