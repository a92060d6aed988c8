"""What vouches for the files of a release: the reports of the proof, which count only when they are about these files.

build/report/proved.json     of `make test`: the commit, the sha256 of each product's file, and the tests by outcome
build/report/gpu.json        of `course-verify --json` on a GPU; build/report/gpu-image.txt names the image by digest
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from practicum.engine.errors import PracticumError
from practicum.release.record import Product, Proof

REPORT = "build/report"
KEPT = ("*.xml", "*.json", "*.txt", "*.html")
"""Files of build/report that a release keeps: results, but no logs, which name paths of the machine."""

KEPT_OF_GPU = ("gpu*", "course-verify-gpu.txt")
"""The same when only the GPU proved these files."""

FOLDERS = {"build/screenshots": "screenshots", "build/lectures": "lectures"}
"""Folders that a release shows when they are there: below the checkout -> below report/."""

NOT_PROVED = Proof().gpu


def read_proof(root: Path, revision: str, products: Iterable[Product]) -> Proof:
    """Return what the reports below `root`/build/report say of these very products.

    revision: the commit that is released. Raises PracticumError when tests of these files failed, or when a report
    cannot be read.
    """
    products = list(products)
    gpu = read_gpu(root / REPORT, products)
    proved = _read_json(root / REPORT / "proved.json")
    files = {product.file: product.sha256 for product in products}
    if proved.get("revision") != revision or not files.items() <= proved.get("subjects", {}).items():
        return Proof(gpu=gpu)
    if proved["failed"]:
        raise PracticumError(
            f"{REPORT}/proved.json", f"{proved['failed']} tests of these files failed", "mend them, then run: make test"
        )
    return Proof(passed=proved["passed"], skipped=proved["skipped"], gpu=gpu)


def read_gpu(report: Path, products: Iterable[Product]) -> str:
    """Return "proved on <GPU>, driver <version>", or "not proved".

    A report without gpu-image.txt names what ran in itself: {"gpu": ..., "driver": ..., "subjects": {file: sha256}}.
    """
    said = _read_json(report / "gpu.json")
    image = report / "gpu-image.txt"
    subjects = set(said.get("subjects", {}).values())
    if image.exists():
        subjects.add(image.read_text().strip().rpartition("@")[2])
    ours = {digest for product in products for digest in (product.sha256, product.digest, product.index)}
    failed = sum(said.get("tests", {}).get(outcome, 0) for outcome in ("failed", "error"))
    device = describe_gpu(said)
    return f"proved on {device}" if subjects and subjects <= ours and device and not failed else NOT_PROVED


def describe_gpu(said: Mapping[str, Any]) -> str:
    """Return "<GPU>, driver <version>" from a report, "" when no GPU computed."""
    machine = said.get("machine", {})
    names = [said["gpu"]] if "gpu" in said else [gpu["name"] for gpu in machine.get("gpus", [])]
    driver = said.get("driver") or machine.get("driver") or "unknown"
    return f"{names[0]}, driver {driver}" if names else ""


def collect_reports(root: Path, folder: Path, proof: Proof) -> None:
    """Copy the reports that count for `proof` into `folder`; those about other files stay where they are."""
    patterns = KEPT if proof.passed else KEPT_OF_GPU if proof.gpu != NOT_PROVED else ()
    report = root / REPORT
    for path in sorted({path for pattern in patterns for path in report.glob(pattern)}):
        if path.name != "begun.json":
            shutil.copyfile(path, folder / path.name)
    for source, name in FOLDERS.items() if proof.passed else ():
        for path in sorted((root / source).glob("*.*")):
            (folder / name).mkdir(exist_ok=True)
            shutil.copyfile(path, folder / name / path.name)


def _read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, {} when there is no file; raises PracticumError when it is another thing."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise PracticumError(str(path), "no report", f"remove it: rm {path}")
    return content
