"""practicum.release.contents: what products say of themselves, asked of the images that are on this machine."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from checkout import ROOT, SEMESTER, Checkout

from practicum.architecture import ARCHITECTURES
from practicum.engine.errors import PracticumError
from practicum.release import contents
from practicum.release.record import NAMED
from practicum.semester import products

CPU = "ee559:2027-spring-cpu"


def has_image(name: str) -> bool:
    asked = (
        subprocess.run(["docker", "image", "inspect", name], capture_output=True) if shutil.which("docker") else None
    )
    return asked is not None and asked.returncode == 0


needs_image = pytest.mark.skipif(not has_image(CPU), reason=f"no docker image {CPU} here; run: make docker")


def write_archive(path: Path, layers: int = 2) -> str:
    """Writes a small OCI archive and returns the digest of its manifest."""
    manifest = json.dumps({"layers": [{"digest": f"sha256:{number:064}"} for number in range(layers)]}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    index = json.dumps({"manifests": [{"digest": f"sha256:{digest}"}]}).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in (("index.json", index), (f"blobs/sha256/{digest}", manifest)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return f"sha256:{digest}"


def test_archive_tells_its_manifest_and_layers(tmp_path: Path) -> None:
    digest = write_archive(tmp_path / "a.oci.tar", layers=3)
    image = contents.read_archive(tmp_path / "a.oci.tar")
    assert image.digest == digest
    assert image.layers == tuple(f"sha256:{number:064}" for number in range(3))


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100])
def test_file_that_is_no_archive_is_named_with_a_cure(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.oci.tar"
    path.write_bytes(data)
    with pytest.raises(PracticumError, match=r"a\.oci\.tar: no OCI archive .*; run: make archive"):
        contents.read_archive(path)


def test_answers_are_read_without_removed_packages() -> None:
    answers = contents.parse_answers({
        "debian": "installed\tbash\t5.2.15-2+b13\tamd64\nconfig-files\told\t1\tall\ninstalled\tadduser\t3.134\tall\n",
        "python": '[{"name": "Jinja2", "version": "3.1.6"}, {"name": "typing_extensions", "version": "4.15.0"}]',
        "content": f"{'a' * 64}  /opt/course/content/index.md\0{'b' * 64}  /opt/course/content/a  b\n.md\0",
        "torch": '{"cuda": "13.0", "driver": "580"}',
    })  # fmt: skip
    assert answers.debian == {"bash": ("5.2.15-2+b13", "amd64"), "adduser": ("3.134", "all")}
    assert answers.python == {"jinja2": "3.1.6", "typing-extensions": "4.15.0"}
    assert answers.content == {"index.md": "a" * 64, "a  b\n.md": "b" * 64}
    assert (answers.cuda, answers.driver) == ("13.0", "580")


def test_product_that_is_not_built_is_named_with_its_cure(checkout: Checkout) -> None:
    with pytest.raises(PracticumError, match=f"appliance: stage ova: not built .*; run: make ova SEMESTER={SEMESTER}"):
        contents.find_finished(checkout.load(), "appliance")
    with pytest.raises(PracticumError, match=f"cuda: stage archive-cuda: .*; run: make archive SEMESTER={SEMESTER}"):
        contents.find_finished(checkout.load(), "cuda")


def test_product_of_each_architecture_is_looked_for(checkout: Checkout) -> None:
    checkout.describe_both()
    semester = checkout.load()
    assert contents.list_names(semester.products, semester.built_for) == [
        *("appliance", "appliance-arm64", "cpu", "cpu-arm64", "cuda", "cuda-arm64")
    ]
    for name, stage, target in [
        ("appliance", "ova", "ova"),
        ("appliance-arm64", "ova-arm64", "ova"),
        ("cpu-arm64", "archive-cpu", "archive"),
    ]:
        cure = f"run: make {target} SEMESTER={SEMESTER} ARCH=all"
        with pytest.raises(PracticumError, match=f"^{name}: stage {stage}: not built .*; {cure}$"):
            contents.find_finished(semester, name)


def test_product_of_an_architecture_has_its_own_stages_and_lock(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their outputs count as complete here: a build takes an hour."""
    monkeypatch.setattr(contents.stages, "find_fault", lambda _: "")
    checkout.describe_both()
    semester = checkout.load()
    for name in ("appliance-arm64", "cuda", "cuda-arm64"):
        kind, architecture = NAMED[name]
        if kind == "appliance":
            listed, path = products.list_ova(semester, architecture), products.ova_path(semester, architecture)
        else:
            listed = products.list_archive(semester, "cuda", ARCHITECTURES)
            path = products.archive_path(semester, "cuda", ARCHITECTURES)
        found = contents.find_finished(semester, name)
        course = next(stage for stage in listed if stage.name == f"course-{name}")
        assert (found.path, found.image, found.architecture) == (path, course.image, architecture)
        assert found.data and found.data.parent.parent.name == f"data{architecture.suffix}"
        assert found.lock.name == f"python-{'cuda' if kind == 'cuda' else 'cpu'}{architecture.suffix}.lock"


def test_file_without_its_checksum_is_named_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match=r"a\.ova\.sha256: no checksum; write the file anew: "):
        contents.read_checksum(tmp_path / "a.ova")


def test_floors_are_those_of_the_repository() -> None:
    floors = contents.read_floors((ROOT / "semesters/security-floors.toml").read_text())
    assert floors["jupyter-server"] == "2.21.0"


def test_data_sets_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text('{"real": ["mnist"], "stand-in": ["cifar10"]}')
    assert contents.read_data(path) == {"mnist": "real", "cifar10": "stand-in"}


@pytest.mark.skipif(not shutil.which("docker") or os.geteuid() != 0, reason="needs docker, and root for its lifeline")
@pytest.mark.parametrize("product", ["appliance", "cpu", "cuda"])
def test_product_says_what_it_contains(tmp_path: Path, product: str) -> None:
    answers = contents.ask(find_image(product), tmp_path)
    assert answers.debian["bash"][1] == "amd64" and answers.debian["adduser"][1] == "all"
    assert ("linux-image-amd64" in answers.debian) == (product == "appliance")
    assert answers.python["torch"].endswith("+cpu") == (product != "cuda") and "course-tools" in answers.python
    assert answers.content["index.md"] and "manifest.json" in answers.content
    assert not [path for path in answers.content if path.startswith("/")]
    assert (answers.cuda != "", answers.driver.isdigit()) == ((True, True) if product == "cuda" else (False, False))


def find_image(product: str) -> str:
    """The image with the product's root: of the appliance, the newest one, whatever files it was built of."""
    if product != "appliance":
        name = CPU.replace("cpu", product)
        return name if has_image(name) else pytest.skip(f"no docker image {name} here; run: make docker")
    asked = [
        "docker",
        "image",
        "ls",
        "practicum-course-appliance",
        "--format={{.Repository}}:{{.Tag}} {{.Size}}",
    ]
    lines = subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
    # A test of small builds may leave one without torch, of some hundred megabytes.
    whole = [line.split()[0] for line in lines if line.endswith("GB")]
    return whole[0] if whole else pytest.skip("no image of the appliance here; run: make ova")


def test_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    if not shutil.which("docker"):
        pytest.skip("no docker here")
    with pytest.raises(PracticumError, match="practicum-none:0: no such image; run: make docker"):
        contents.ask("practicum-none:0", tmp_path)
