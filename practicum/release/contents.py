"""What finished products contain: asked of the products themselves, of their archives, and of the stages."""

import json
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from practicum.engine import stages
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.images.docker import ask_image, image_exists
from practicum.release.record import Product, ProductName
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.locks import Variant, find_lock

PRODUCTS: tuple[ProductName, ...] = ("appliance", "cpu", "cuda")

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
    """A product that was built.

    path: its file in dist/. image: the docker image that holds its root file system. lock: of its Python packages.
    data: what the data stage wrote, None when the semester has no data sets.
    """

    name: ProductName
    path: Path
    image: str
    lock: Path
    data: Path | None


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


def find_finished(semester: Semester, name: ProductName) -> Finished:
    """Return the product as the checkout describes it; raises PracticumError when it is not built."""
    variant: Variant = "cuda" if name == "cuda" else "cpu"
    if name == "appliance":
        listed = products.list_ova(semester)
        path, cure = products.ova_path(semester), f"run: make ova SEMESTER={semester.id}"
    else:
        listed = products.list_archive(semester, name)
        path, cure = products.archive_path(semester, name), f"run: make archive SEMESTER={semester.id}"
    course = find_stage(listed, f"course-{name}")
    for stage in (listed[-1], course):
        if fault := stages.find_fault(stage):
            raise PracticumError(f"{name}: stage {stage.name}", f"not built of these files ({fault})", cure)
    data = next((stage.folder / "data.json" for stage in listed if stage.name == "data"), None)
    return Finished(name, path, course.image, find_lock(semester, variant), data)


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
    image = read_archive(finished.path) if finished.name != "appliance" else ArchivedImage("", ())
    return Product(
        file=finished.path.name,
        bytes=finished.path.stat().st_size,
        sha256=read_checksum(finished.path),
        digest=image.digest,
        layers=image.layers,
        debian={name: version for name, (version, _) in answers.debian.items()},
        python=dict(answers.python),
        content=dict(answers.content),
        data=read_data(finished.data) if finished.data else {},
        cuda=answers.cuda,
        driver=answers.driver,
    )


def describe_all(semester: Semester, work: Path, console: Console) -> dict[ProductName, tuple[Product, Answers]]:
    """Return every product of the semester, with what it answered; raises PracticumError as the functions above do."""
    finished = [
        find_finished(semester, name) for name in semester.products
    ]  # all are looked for before the first is asked
    described: dict[ProductName, tuple[Product, Answers]] = {}
    for product in finished:
        with console.stage(f"ask-{product.name}"):
            answers = ask(product.image, work)
            described[product.name] = describe(product, answers), answers
    return described


@dataclass(frozen=True)
class ArchivedImage:
    """The image of an OCI archive: the digest of its manifest, and of its layers, the lowest first ("sha256:...").

    Of images for several platforms: the digest of their index, and the layers of all, each once.
    """

    digest: str
    layers: tuple[str, ...]


def read_archive(path: Path) -> ArchivedImage:
    """Return which image an OCI archive holds; raises PracticumError when it is none.

    The layout is that of the OCI image specification: index.json names the manifest, which names the layers.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            named = _read_json(archive, "index.json")["manifests"][0]["digest"]
            document = _read_json(archive, f"blobs/{named.replace(':', '/')}")
            others = (image["digest"] for image in document.get("manifests", ()))
            manifests = [_read_json(archive, f"blobs/{digest.replace(':', '/')}") for digest in others] or [document]
            layers = [layer["digest"] for manifest in manifests for layer in manifest["layers"]]
    except (OSError, tarfile.TarError, KeyError, IndexError, ValueError) as error:
        raise PracticumError(str(path), f"no OCI archive ({error})", "run: make archive") from None
    return ArchivedImage(named, tuple(dict.fromkeys(layers)))


def _read_json(archive: tarfile.TarFile, name: str) -> dict[str, list[dict[str, str]]]:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    content: dict[str, list[dict[str, str]]] = json.load(member)
    return content


def read_checksum(path: Path) -> str:
    """Return the sha256 in hex that was written with the file of dist/; raises PracticumError without one."""
    beside = path.with_name(f"{path.name}.sha256")
    try:
        return beside.read_text().split()[0]
    except (OSError, IndexError):
        raise PracticumError(
            str(beside), "no checksum", f"write the file anew: rm {path} && make ova archive"
        ) from None


def read_data(path: Path) -> dict[str, str]:
    """Return data set -> "real" or "stand-in", from what the data stage wrote."""
    return {name: kind for kind, names in json.loads(path.read_text()).items() for name in names}


def read_floors(text: str) -> dict[str, str]:
    """Return package -> oldest version that a lock may hold, from the text of semesters/security-floors.toml."""
    return {floor["package"]: floor["version"] for floor in tomllib.loads(text).get("floor", ())}
