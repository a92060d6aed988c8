"""The record of a release: what its products contain, as one JSON file that stays in the repository.

`semesters/<id>/releases/<number>.json` is enough to say what a later release changes, without the products themselves.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from practicum.architecture import ARCHITECTURES, Architecture
from practicum.engine.errors import PracticumError
from practicum.semester.values import PRODUCTS

Kind = Literal["appliance", "cpu", "cuda"]

NAMED: dict[str, tuple[Kind, Architecture]] = {
    f"{kind}{architecture.suffix}": (kind, architecture) for kind in PRODUCTS for architecture in ARCHITECTURES
}
"""What the name of a product means: "cpu-arm64" is the image for the CPU of the architecture arm64."""

ProductName = Annotated[str, Field(pattern=f"^({'|'.join(NAMED)})$")]
"""A key of NAMED."""

FILE = "release.json"
"""Name of the record in the folder of a release."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Product(_Model):
    """One product for one architecture: its file in the folder of the release, and what it contains.

    file: name in the folder; an archive is the file of its image for each architecture. bytes: its size. sha256: of the
    file, hex. digest: of the image's manifest ("sha256:..."), "" for the appliance. index: the digest of the index by
    which each computer finds its own of the archive's images, "" where the archive holds one image. layers: the digests
    of the image's layers, the lowest first. debian, python: name -> version, as `dpkg-query` and `pip list` say inside
    the product. content: path below /opt/course/content -> sha256. data: data set -> "real" or "stand-in". cuda: the
    version that torch was built for, "" without. driver: the oldest driver branch that runs it, "" without CUDA.
    """

    file: str = ""
    bytes: int = 0
    sha256: str = ""
    digest: str = ""
    index: str = ""
    layers: tuple[str, ...] = ()
    debian: dict[str, str] = {}
    python: dict[str, str] = {}
    content: dict[str, str] = {}
    data: dict[str, str] = {}
    cuda: str = ""
    driver: str = ""

    @model_serializer(mode="wrap")
    def _leave_out_no_index(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the product as JSON, in which a release for one architecture has the keys that it always had."""
        told: dict[str, Any] = write(self)
        return told if self.index else {key: value for key, value in told.items() if key != "index"}


class Proof(_Model):
    """What the proof of these very files said: tests by outcome, and the sentence of the GPU.

    gpu: "proved on <GPU>, driver <version>" or "not proved".
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    gpu: str = "not proved"


class Record(_Model):
    """A release of a semester, or what is known of a commit that was not released (number 0, products without files).

    revision: the commit, hex. created: its time, RFC 3339. floors: package -> oldest version without a published hole.
    """

    semester: str
    number: int
    revision: str
    created: str
    products: dict[ProductName, Product]
    proof: Proof = Proof()
    floors: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The name of the release, which is also its tag in git: 2027-spring-r1."""
        return f"{self.semester}-r{self.number}" if self.number else f"{self.semester}@{self.revision[:12]}"

    @property
    def files(self) -> dict[str, Product]:
        """The files of the release, each with the first product that it holds."""
        found: dict[str, Product] = {}
        for product in self.products.values():
            if product.file:
                found.setdefault(product.file, product)
        return found

    def list_images(self, name: str) -> dict[str, str]:
        """Return the digests by which a product is pulled, each with the end of its tags in a registry.

        The short name of several images, "cpu", is that of their index; each has a name of its own, "cpu-amd64".
        """
        product, (kind, architecture) = self.products[name], NAMED[name]
        if product.index:
            return {kind: product.index, f"{kind}-{architecture.name}": product.digest}
        return {name: product.digest} if product.digest else {}


def write_record(record: Record) -> str:
    """Return the record as JSON text, keys sorted: the same text for the same record."""
    return json.dumps(record.model_dump(), indent=1, sort_keys=True) + "\n"


def read_record(path: Path) -> Record:
    """Return the record in the file; raises PracticumError when it is no record."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PracticumError(f"{path}: {where}", first["msg"], f"restore it: git checkout -- {path}") from None
