"""products.py note | check [SEMESTER]: which bytes were proved.

`note` writes the sha256 of every product in dist/<semester>/ into build/products.json, before the proof. `check`
compares the products that are there now with that file, so that a release holds the very bytes that were proved.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from pathlib import Path

from propose import ROOT

from practicum.cli import exit_code_of
from practicum.engine.errors import PracticumError
from practicum.engine.publish import write_text
from practicum.semester.find import find_semester

FILE = "build/products.json"
ARCHIVE = ".oci.tar"
Proved = dict[str, dict[str, str]]


def list_products(folder: Path) -> list[Path]:
    """Return the appliances and the image archives of a semester.

    The archive of the image for one architecture is no product where that of all is there: the proof writes it.
    """
    archives = {path.name.removesuffix(ARCHIVE): path for path in folder.glob(f"*{ARCHIVE}")}
    whole = [path for name, path in archives.items() if name.rpartition("-")[0] not in archives]
    return sorted([*folder.glob("*.ova"), *whole])


def describe(path: Path) -> dict[str, str]:
    """Return the file's sha256 and, of an image archive, the digest of what it holds ("" of an appliance)."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": sha256, "digest": read_digest(path) if path.name.endswith(ARCHIVE) else ""}


def read_digest(archive: Path) -> str:
    """Return the digest ("sha256:...") of the image in an OCI archive, or of the index of its images."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        return str(json.load(index)["manifests"][0]["digest"])


def note(root: Path, semester: str) -> None:
    """Write the sha256 of each product that is about to be proved into build/products.json."""
    products = list_products(root / "dist" / semester)
    if not products:
        raise PracticumError(f"dist/{semester}", "no product is there", "build one: make ova docker archive")
    write_text(root / FILE, json.dumps({path.name: describe(path) for path in products}, indent=1) + "\n")


def check(root: Path, semester: str) -> Proved:
    """Return what was proved; raises PracticumError naming the first product that is missing, added or changed."""
    try:
        proved: Proved = json.loads((root / FILE).read_text())
    except FileNotFoundError:
        raise PracticumError(FILE, "nothing was proved here", "run: make ci-build") from None
    found = {path.name: path for path in list_products(root / "dist" / semester)}
    for name in sorted({*proved, *found}):
        where = f"dist/{semester}/{name}"
        if name not in found:
            raise PracticumError(where, "it was proved and is not there", "run: make ci-build")
        if name not in proved:
            raise PracticumError(where, "it was not proved", f"remove it, or run: make ci-build SEMESTER={semester}")
        if describe(found[name])["sha256"] != proved[name]["sha256"]:
            raise PracticumError(where, "its bytes are not the ones that were proved", "run: make ci-build")
    return proved


def main() -> None:
    action, semester = sys.argv[1], find_semester(sys.argv[2] if len(sys.argv) > 2 else "").id
    if action == "note":
        note(ROOT, semester)
    else:
        print(*(f"proved: {name} {each['sha256']}" for name, each in check(ROOT, semester).items()), sep="\n")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
