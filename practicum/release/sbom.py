"""The list of what a product contains in the format of the security scanners: CycloneDX 1.6, JSON.

Scanners find a package by its package URL (purl): pkg:deb/debian/... and pkg:pypi/... .
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType, Pedigree
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from practicum.release.contents import Answers
from practicum.release.record import NAMED, Product
from practicum.wheels.lockfile import LockedPackage, read_lock

KIND = {
    "appliance": ComponentType.OPERATING_SYSTEM,
    "cpu": ComponentType.CONTAINER,
    "cuda": ComponentType.CONTAINER,
}


def render_sbom(
    release: str, created: str, name: str, product: Product, answers: Answers, lock: Path, suite: str
) -> str:
    """Return the SBOM of a product as JSON text: the same text for the same release.

    release: its name. created: time of its commit, RFC 3339. name: of the product, in record.NAMED. lock: of the
    product's Python packages. suite: of Debian.
    Raises PracticumError when the lock cannot be read.
    """
    root = Component(
        name=product.file,
        version=release,
        type=KIND[NAMED[name][0]],
        bom_ref=f"product/{name}",
        hashes=hash_types([product.sha256]),
    )
    components = [
        *list_debian(answers.debian, suite),
        *list_python(product.python, read_lock(lock)),
        *list_data(product.data),
        *list_content(product.content),
    ]
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"practicum:{release}/{name}"), components=components)
    bom.metadata.timestamp = datetime.fromisoformat(created)
    bom.metadata.component = root
    bom.register_dependency(root, components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    return json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


def list_debian(packages: Mapping[str, tuple[str, str]], suite: str) -> Iterator[Component]:
    """Give a component for each Debian package; packages: name -> (version, architecture)."""
    for name, (version, arch) in packages.items():
        # The qualifiers of the purl type deb: the release by which a scanner knows which holes are closed.
        purl = PackageURL("deb", "debian", name, version, {"arch": arch, "distro": suite})
        yield Component(name=name, version=version, type=ComponentType.LIBRARY, bom_ref=f"deb/{name}", purl=purl)


def list_python(installed: Mapping[str, str], locked: Sequence[LockedPackage]) -> Iterator[Component]:
    """Give a component for each Python package; installed: canonical name -> version.

    A locked package has the sha256 of its wheel. One that is repacked under a version of its own (torchvision of the
    CPU) has the locked one as its ancestor. What is in no lock has no hash: the students' commands, and
    Debian's python-apt, which pip sees as well.
    """
    by_name = {package.name: package for package in locked}
    for name, version in installed.items():
        package = by_name.get(name)
        same = package is not None and package.version == version
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"pypi/{name}",
            purl=PackageURL("pypi", None, name, version),
            hashes=hash_types(package.hashes) if package and same else [],
            pedigree=Pedigree(ancestors=[describe_locked(package)]) if package and not same else None,
        )


def describe_locked(package: LockedPackage) -> Component:
    """Return the component of a wheel that was repacked."""
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"pypi/{package.name}/locked",
        purl=PackageURL("pypi", None, package.name, package.version),
        hashes=hash_types(package.hashes),
    )


def list_data(sets: Mapping[str, str]) -> Iterator[Component]:
    """Give a component for each data set; sets: name -> "real" or "stand-in"."""
    for name, kind in sets.items():
        told = [Property(name="practicum:data", value=kind)]
        yield Component(name=name, type=ComponentType.DATA, bom_ref=f"data/{name}", properties=told)


def list_content(files: Mapping[str, str]) -> Iterator[Component]:
    """Give a component for each file of the content; files: path -> sha256 in hex."""
    for path, digest in files.items():
        yield Component(name=path, type=ComponentType.FILE, bom_ref=f"content/{path}", hashes=hash_types([digest]))


def hash_types(digests: Iterable[str]) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests if digest]
