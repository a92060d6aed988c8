"""The scripts of a release: the bytes that were proved, the GPU's image, the key, the record, the pages."""

import io
import json
import shutil
import stat
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pipelines import git
from push_server import LOCK, SEMESTER, make_checkout, make_server

from practicum.engine.errors import PracticumError
from practicum.release.record import Record, write_record

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts/ci"))

import products  # noqa: E402
import propose  # noqa: E402
import release  # noqa: E402


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return make_server(tmp_path)


@pytest.fixture
def checkout(server: Path) -> Path:
    return make_checkout(server)


# ---- the bytes that were proved ------------------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dist" / SEMESTER
    folder.mkdir(parents=True)
    (folder / "ee559.ova").write_bytes(b"appliance")
    index = json.dumps({"manifests": [{"digest": "sha256:" + "a" * 64}]}).encode()
    with tarfile.open(folder / "ee559-cuda.oci.tar", "w") as tar:
        member = tarfile.TarInfo("index.json")
        member.size = len(index)
        tar.addfile(member, io.BytesIO(index))
    products.note(tmp_path, SEMESTER)
    return tmp_path


def test_what_was_proved_passes(built: Path) -> None:
    proved = products.check(built, SEMESTER)
    assert {name: each["digest"] for name, each in proved.items()} == {
        "ee559.ova": "",
        "ee559-cuda.oci.tar": "sha256:" + "a" * 64,
    }


def test_archive_that_the_proof_writes_for_one_architecture_is_no_product(built: Path) -> None:
    folder = built / "dist" / SEMESTER
    shutil.copy(folder / "ee559-cuda.oci.tar", folder / "ee559-cuda-amd64.oci.tar")
    assert "ee559-cuda-amd64.oci.tar" not in products.check(built, SEMESTER)


def test_archive_for_one_architecture_is_a_product_where_no_other_is(tmp_path: Path) -> None:
    (tmp_path / "ee559-cuda-amd64.oci.tar").touch()
    (tmp_path / "ee559-cuda-arm64.oci.tar").touch()
    assert len(products.list_products(tmp_path)) == 2


SPOILS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / "ee559.ova").write_bytes(b"applianc."), "ee559.ova: its bytes are not the ones"),
    (lambda folder: (folder / "ee559.ova").unlink(), "ee559.ova: it was proved and is not there"),
    (lambda folder: (folder / "other.ova").write_bytes(b""), "other.ova: it was not proved"),
]


@pytest.mark.parametrize("spoil, message", SPOILS, ids=["changed", "gone", "added"])
def test_another_product_is_named(spoil: Callable[[Path], object], message: str, built: Path) -> None:
    spoil(built / "dist" / SEMESTER)
    with pytest.raises(PracticumError, match=message):
        products.check(built, SEMESTER)


def test_gpu_counts_for_the_image_that_ran_on_it(built: Path) -> None:
    proved = products.check(built, SEMESTER)
    assert release.check_gpu(built, proved) == "GPU: not proved"
    report = built / release.GPU_IMAGE
    report.parent.mkdir(parents=True)
    report.write_text(f"registry.example/ee559@sha256:{'a' * 64}\n")
    assert release.check_gpu(built, proved) == f"GPU: proved for sha256:{'a' * 64}"
    report.write_text(f"registry.example/ee559@sha256:{'b' * 64}\n")
    with pytest.raises(PracticumError, match="no image of this release"):
        release.check_gpu(built, proved)


# ---- the release ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["v1", "2027-spring", "2027-spring-r0", "2027-Summer-r1", "2027-spring-r1; ls"])
def test_other_tags_are_no_release(tag: str) -> None:
    assert release.read_tag("2027-autumn-r12") == ("2027-autumn", 12)
    with pytest.raises(PracticumError, match="name it like this: 2027-spring-r1"):
        release.read_tag(tag)


def test_the_key_is_a_file_of_its_owner_for_as_long_as_it_is_needed() -> None:
    environ = {"SIGNING_KEY": "-----BEGIN-----\nabc\n-----END-----"}
    with release.signing_key(environ):
        path = Path(environ["PRACTICUM_SIGNING_KEY"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_text().endswith("END-----\n")
        assert "SIGNING_KEY" not in environ
    assert not path.exists()


def test_the_record_is_proposed_without_the_rest_of_the_checkout(checkout: Path, server: Path) -> None:
    record = Record(semester=SEMESTER, number=1, revision="0" * 40, created="2027-01-01T00:00:00Z", products={})
    path = checkout / f"semesters/{SEMESTER}/releases/1.json"
    path.parent.mkdir()
    path.write_text(write_record(record))
    (checkout / LOCK).write_text("changed by the build\n")
    release.propose_record(record, propose.Host("gitlab"), checkout)
    told = git(server, "show", "--format=%s", "--name-only", f"refs/heads/record/{SEMESTER}-r1").splitlines()
    assert told == [f"Record the release {SEMESTER}-r1", "", f"semesters/{SEMESTER}/releases/1.json"]
    with pytest.raises(PracticumError, match="it is 2027-spring-r1, not 2027-spring-r2"):
        release.check_record(record, f"{SEMESTER}-r2")
