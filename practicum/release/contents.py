"""What finished products contain: asked of the products themselves, of their archives, and of the stages."""

import json
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from practicum.architecture import AMD64, Architecture
from practicum.commands.build import require_emulators
from practicum.engine import stages
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.images.docker import ask_image, image_exists
from practicum.release.record import NAMED, Product
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.locks import Variant, find_lock
from practicum.semester.values import PRODUCTS

COURSE = "/opt/course/content/"
PYTHON = "/opt/venv/bin/python"
TORCH = """\
import json
from course_runtime.doctor.gpu import load_torch
from course_runtime.machine.machine import Machine
try:
    torch = load_torch(Machine())
except FileNotFoundError:  # the appliance, whose torch is always the CPU's
    print(json.dumps({"cuda": "", "driver": ""}))
else:
    print(json.dumps({"cuda": torch.cuda, "driver": str(torch.driver) if torch.cuda else ""}))
"""
QUESTIONS = {
    "debian": (
        "dpkg-query", "--show", "--showformat=${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n",
    ),
    "python": (PYTHON, "-m", "pip", "list", "--disable-pip-version-check", "--format=json"),
    "content": ("find", COURSE, "-type", "f", "-exec", "sha256sum", "--zero", "{}", "+"),
    "torch": (PYTHON, "-c", TORCH),
}  # fmt: skip
"""What is asked in one container of a product; `parse_answers` reads the answers."""


@dataclass(frozen=True)
class Finished:
    """A product that was built, with a name of record.NAMED.

    path: its file in dist/. image: the docker image that holds its root file system. lock: of its Python packages.
    data: what the data stage wrote, None when the semester has no data sets.
    """

    name: str
    path: Path
    image: str
    lock: Path
    data: Path | None

    @property
    def architecture(self) -> Architecture:
        """The architecture that it is for."""
        return NAMED[self.name][1]


@dataclass(frozen=True)
class Answers:
    """What a product says of itself.

    debian: package -> (version, architecture). python: canonical name -> version. content: path -> sha256 in hex.
    cuda, driver: as in record.Product.
    """

    debian: Mapping[str, tuple[str, str]]
    python: Mapping[str, str]
    content: Mapping[str, str]
    cuda: str
    driver: str


def list_names(kinds: Sequence[str], architectures: Sequence[Architecture]) -> list[str]:
    """Return the names of the products of a semester that names the products `kinds` for `architectures`."""
    return [
        name
        for kind in PRODUCTS
        for name, named in NAMED.items()
        if kind in kinds and named[0] == kind and named[1] in architectures
    ]


def find_finished(semester: Semester, name: str) -> Finished:
    """Return the product as the checkout describes it; raises PracticumError when it is not built."""
    kind, architecture = NAMED[name]
    variant: Variant = "cuda" if kind == "cuda" else "cpu"
    if kind == "appliance":
        listed, path = products.list_ova(semester, architecture), products.ova_path(semester, architecture)
    else:
        listed = products.list_archive(semester, kind, semester.built_for)
        path = products.archive_path(semester, kind, semester.built_for)
    target = "ova" if kind == "appliance" else "archive"
    course = find_stage(listed, f"course-{name}")
    for stage in (listed[-1], course):
        if fault := stages.find_fault(stage):
            cure = f"run: make {target} SEMESTER={semester.id} ARCH=all"
            raise PracticumError(f"{name}: stage {stage.name}", f"not built of these files ({fault})", cure)
    made = f"data{architecture.suffix}"
    data = next((stage.folder / "data.json" for stage in listed if stage.name == made), None)
    return Finished(name, path, course.image, find_lock(semester, variant, architecture), data)


def find_stage(listed: tuple[Stage, ...], name: str) -> Stage:
    return next(stage for stage in listed if stage.name == name)


def ask(image: str, work: Path) -> Answers:
    """Return what the docker image `image` contains; one container runs for it, without a network.

    work: a folder for the container's lifeline (images/lifetime.py). Raises PracticumError when it does not answer.
    """
    if not image_exists(image):
        raise PracticumError(image, "no such image", "run: make docker")
    return parse_answers(ask_image(image, QUESTIONS, work))


def parse_answers(texts: Mapping[str, str]) -> Answers:
    """Return the answers to QUESTIONS, given as the text of each; packages that are half removed do not count."""
    lines = [line.split("\t") for line in texts["debian"].splitlines()]
    packages = json.loads(texts["python"])
    # With --zero, sha256sum writes every name as it is: "<64 hex digits>  <name>\0".
    hashes = [entry.split("  ", 1) for entry in texts["content"].split("\0") if entry]
    torch = json.loads(texts["torch"])
    return Answers(
        debian={name: (version, arch) for status, name, version, arch in lines if status == "installed"},
        python={canonicalize_name(package["name"]): package["version"] for package in packages},
        content={name.removeprefix(COURSE): digest for digest, name in hashes},
        cuda=torch["cuda"],
        driver=torch["driver"],
    )


def describe(finished: Finished, answers: Answers) -> Product:
    """Return what the record says of a product; raises PracticumError when its archive or its checksum is damaged."""
    appliance = NAMED[finished.name][0] == "appliance"
    image = ArchivedImage("", ()) if appliance else read_archive(finished.path, finished.architecture)
    return Product(
        file=finished.path.name,
        bytes=finished.path.stat().st_size,
        sha256=read_checksum(finished.path),
        digest=image.digest,
        index=image.index,
        layers=image.layers,
        debian={name: version for name, (version, _) in answers.debian.items()},
        python=dict(answers.python),
        content=dict(answers.content),
        data=read_data(finished.data) if finished.data else {},
        cuda=answers.cuda,
        driver=answers.driver,
    )


def describe_all(semester: Semester, work: Path, console: Console) -> dict[str, tuple[Product, Answers]]:
    """Return every product of the semester, with what it answered; raises PracticumError as the functions above do."""
    # All are looked for before the first is asked.
    finished = [find_finished(semester, name) for name in list_names(semester.products, semester.built_for)]
    require_emulators(semester.built_for)
    described: dict[str, tuple[Product, Answers]] = {}
    for product in finished:
        with console.stage(f"ask-{product.name}"):
            answers = ask(product.image, work)
            described[product.name] = describe(product, answers), answers
    return described


@dataclass(frozen=True)
class ArchivedImage:
    """An image of an OCI archive: the digests of its manifest and of its layers, the lowest first ("sha256:...").

    index: the digest of the index that lists the archive's images, "" where the archive holds one image.
    """

    digest: str
    layers: tuple[str, ...]
    index: str = ""


def read_archive(path: Path, architecture: Architecture = AMD64) -> ArchivedImage:
    """Return the image that an OCI archive holds: of several, that for `architecture`.

    The layout is that of the OCI image specification: index.json names the manifest, which names the layers, or an
    index, which names a manifest for each platform. Raises PracticumError when there is no such image.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            named = _read_json(archive, "index.json")["manifests"][0]["digest"]
            document, digest, index = _read_blob(archive, named), named, ""
            if "manifests" in document:
                digest, index = _choose(document["manifests"], architecture), named
                document = _read_blob(archive, digest)
            layers = tuple(layer["digest"] for layer in document["layers"])
    except (OSError, tarfile.TarError, LookupError, ValueError) as error:
        raise PracticumError(str(path), f"no OCI archive ({error})", "run: make archive ARCH=all") from None
    return ArchivedImage(digest, layers, index)


def _choose(listed: Sequence[Mapping[str, Any]], architecture: Architecture) -> str:
    for image in listed:
        if image["platform"]["architecture"] == architecture.name:
            return str(image["digest"])
    raise LookupError(f"no image for {architecture.name}")


def _read_blob(archive: tarfile.TarFile, digest: str) -> dict[str, Any]:
    return _read_json(archive, f"blobs/{digest.replace(':', '/')}")


def _read_json(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    content: dict[str, Any] = json.load(member)
    return content


def read_checksum(path: Path) -> str:
    """Return the sha256 in hex that was written with the file of dist/; raises PracticumError without one."""
    beside = path.with_name(f"{path.name}.sha256")
    try:
        return beside.read_text().split()[0]
    except (OSError, IndexError):
        raise PracticumError(
            str(beside), "no checksum", f"write the file anew: rm {path} && make ova archive ARCH=all"
        ) from None


def read_data(path: Path) -> dict[str, str]:
    """Return data set -> "real" or "stand-in", from what the data stage wrote."""
    return {name: kind for kind, names in json.loads(path.read_text()).items() for name in names}


def read_floors(text: str) -> dict[str, str]:
    """Return package -> oldest version that a lock may hold, from the text of semesters/security-floors.toml."""
    return {floor["package"]: floor["version"] for floor in tomllib.loads(text).get("floor", ())}
