"""Releases in a container registry, one tag for each product: 2027-spring-r1-cpu, and 2027-spring-cpu that moves.

Of images for several architectures this tag names their index, by which each computer finds its own, and each image has
a tag of its own, 2027-spring-r1-cpu-arm64. SBOM and provenance are attached to each image, the provenance to an index,
too. The appliance is an artifact, which `oras pull` fetches.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from practicum.engine.errors import PracticumError
from practicum.images.oci import INDEX_TYPE
from practicum.release import oci, provenance
from practicum.release.oci import Manifest
from practicum.release.record import Record
from practicum.release.registry_client import Registry, name_fallback
from practicum.release.target import Item, Release, Report, list_files, read_number, too_large

PROVENANCE = {provenance.FILE: oci.PROVENANCE}

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
        self._products: dict[str, Manifest] = {}  # by the ends of the tags

    def check(self) -> None:
        """Begin an upload and give it up, which takes the right to write."""
        self._registry.try_upload()

    def list_items(self, release: Release) -> list[Item]:
        """Return an item for each tag and one for each file attached to it; none is larger than the limit."""
        files = {item.name: item for item in list_files(replace(release, limit=0), 0)}
        products, items = release.record.products, list[Item]()
        for name in sorted(name for name, product in products.items() if product.file):
            for end, manifest in self._describe_product(release, name, files).items():
                if end not in self._products:  # each image of an index names it
                    self._products[end] = manifest
                    sbom = {} if manifest.listed else {f"sbom/{name}.cdx.json": oci.SBOM}
                    attached = {files[file]: kind for file, kind in (sbom | PROVENANCE).items() if file in files}
                    items += self._list_tagged(release.record, end, manifest, attached)
        for manifest in self._manifests.values():
            for blob in manifest.blobs:
                if release.limit and blob.size > release.limit:
                    raise too_large(blob.name, blob.size, release.limit)
        return items

    def _list_tagged(
        self, record: Record, end: str, manifest: Manifest, attached: Mapping[Item, str]
    ) -> Iterator[Item]:
        """Give the items of one tag; attached: a file -> its media type."""
        yield self._add(f"{record.name}-{end}", manifest)
        for file, kind in attached.items():
            artifact = oci.make_artifact(as_blob(file), file.name, kind, record.created, manifest)
            yield self._add(f"{record.name}-{end} {file.name}", artifact)

    def _describe_product(self, release: Release, name: str, files: Mapping[str, Item]) -> dict[str, Manifest]:
        """Return the manifests of a product by the ends of their tags."""
        record, file = release.record, release.record.products[name].file
        images = record.list_images(name)
        if not images:
            return {name: oci.make_artifact(as_blob(files[file]), file, oci.OVA, record.created)}
        archive = oci.read_archive(release.folder / file)
        held = {manifest.digest: manifest for manifest in (archive, *archive.listed)}
        for digest in images.values():
            if digest not in held:
                reason = f"has the image {archive.digest}, release.json {digest}"
                raise PracticumError(file, reason, "build the release again")
        return {end: held[digest] for end, digest in images.items()}

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
