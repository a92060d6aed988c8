"""Releases in a container registry, one tag for each product: 2027-spring-r1-cpu, and 2027-spring-cpu that moves.

SBOM and provenance are attached to each product. The appliance is an artifact, which `oras pull` fetches.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from practicum.engine.errors import PracticumError
from practicum.images.oci import INDEX_TYPE
from practicum.release import oci, provenance
from practicum.release.oci import Manifest
from practicum.release.record import Product
from practicum.release.registry_client import Registry, name_fallback
from practicum.release.target import Item, Release, Report, list_files, read_number, too_large

_NAME = re.compile(r"docker://(?P<host>[^/]+)/(?P<repository>[a-z0-9._/-]+)")


@contextmanager
def open_registry(target: str) -> Iterator["RegistryTarget"]:
    """Give the target docker://HOST[:PORT]/REPOSITORY."""
    match = _NAME.fullmatch(target)
    if not match:
        raise PracticumError(target, "is no repository of a registry", "write docker://HOST[:PORT]/REPOSITORY")
    yield RegistryTarget(Registry(match["host"], match["repository"]), target.removeprefix("docker://"))


class RegistryTarget:
    """A repository of a registry."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name
        self._manifests: dict[str, Manifest] = {}  # by the names of the items
        self._products: dict[str, Manifest] = {}  # by product

    def list_items(self, release: Release) -> list[Item]:
        """Return an item for each product and one for each file attached to it; none is larger than the limit."""
        files = {item.name: item for item in list_files(replace(release, limit=0), 0)}
        record, items = release.record, []
        for name, product in sorted(record.products.items()):
            if not product.file:
                continue
            manifest = self._describe_product(release, product, files[product.file])
            self._products[name] = manifest
            items.append(self._add(f"{record.name}-{name}", manifest))
            for file, kind in ((f"sbom/{name}.cdx.json", oci.SBOM), (provenance.FILE, oci.PROVENANCE)):
                if file in files:
                    attached = oci.make_artifact(as_blob(files[file]), file, kind, record.created, manifest)
                    items.append(self._add(f"{record.name}-{name} {file}", attached))
        for manifest in self._manifests.values():
            for blob in manifest.blobs:
                if release.limit and blob.size > release.limit:
                    raise too_large(blob.name, blob.size, release.limit)
        return items

    def _describe_product(self, release: Release, product: Product, file: Item) -> Manifest:
        if not product.digest:
            return oci.make_artifact(as_blob(file), product.file, oci.OVA, release.record.created)
        manifest = oci.read_archive(release.folder / product.file)
        if manifest.digest != product.digest:
            raise PracticumError(
                product.file,
                f"has the image {manifest.digest}, release.json {product.digest}",
                "build the release again",
            )
        return manifest

    def _add(self, name: str, manifest: Manifest) -> Item:
        self._manifests[name] = manifest
        size = sum(blob.size for blob in manifest.blobs)
        return Item(name, manifest.digest.removeprefix("sha256:"), size, manifest.text)

    def find(self, item: Item) -> str | None:
        """Return the digest that the tag has; for an attached file its own, once the registry lists it as attached."""
        manifest = self._manifests[item.name]
        if manifest.subject:
            index, _ = self._registry.list_referrers(manifest.subject)
            listed = {other["digest"] for other in index.get("manifests", [])}
            return item.digest if manifest.digest in listed else None
        return self._find_tag(item.name)

    def _find_tag(self, tag: str) -> str | None:
        text = self._registry.get_manifest(tag)
        return None if text is None else Manifest(text, ()).digest.removeprefix("sha256:")

    def put(self, item: Item, report: Report) -> None:
        """Send the blobs, the manifests that an index lists, then the manifest; list it where the registry does not."""
        manifest = self._manifests[item.name]
        for blob in manifest.blobs:
            self._registry.put_blob(blob, report)
        for listed in manifest.listed:
            self._registry.put_manifest(listed.digest, listed.text, listed.kind)
        reference = manifest.digest if manifest.subject else item.name
        self._registry.put_manifest(reference, manifest.text, manifest.kind)
        if manifest.subject:
            index, kept = self._registry.list_referrers(manifest.subject)
            if not kept:
                text = oci.add_referrer(index, manifest)
                self._registry.put_manifest(name_fallback(manifest.subject), text, INDEX_TYPE)

    def complete(self, release: Release) -> None:
        """Do nothing: students only look at the moving tag."""

    def list_shown(self, semester: str) -> set[int]:
        """Return, for the moving tag of each product, the newest release with the same manifest."""
        tags = self._registry.list_tags()
        return {self._find_number(semester, product, tags) for product in self._products}

    def _find_number(self, semester: str, product: str, tags: list[str]) -> int:
        shown = self._find_tag(f"{semester}-{product}")
        names = [tag.removesuffix(f"-{product}") for tag in tags if tag.endswith(f"-{product}")]
        numbers = sorted((read_number(name, semester) for name in names), reverse=True)
        same = (n for n in numbers if n and shown and self._find_tag(f"{semester}-r{n}-{product}") == shown)
        return next(same, 0)

    def show(self, release: Release) -> None:
        """Give each product's manifest the moving tag."""
        for product, manifest in self._products.items():
            self._registry.put_manifest(f"{release.record.semester}-{product}", manifest.text, manifest.kind)

    def describe(self, release: Release) -> list[str]:
        """Return the names by digest, which nobody can move."""
        return [f"{self._name}@{manifest.digest}  {product}" for product, manifest in self._products.items()]


def as_blob(file: Item) -> Item:
    """Return a file as a blob, which is named by its digest."""
    return replace(file, name=f"sha256:{file.digest}")
