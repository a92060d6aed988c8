"""practicum.recipes.archive: how skopeo is asked, and an archive that appears whole with its checksum."""

import subprocess
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout

from practicum.engine import stages
from practicum.recipes.archive import copy_argv, publish
from practicum.semester import products


def test_archive_has_zstd_layers_and_the_name_of_the_image() -> None:
    argv = copy_argv("ee559:2027-spring-cpu", Path("/w/a.tar"))
    assert argv[:2] == ["skopeo", "copy"] and "--dest-compress-format=zstd" in argv
    assert argv[-2:] == ["docker-daemon:ee559:2027-spring-cpu", "oci-archive:/w/a.tar:ee559:2027-spring-cpu"]


def test_archive_lies_beside_the_appliance(checkout: Checkout) -> None:
    semester = checkout.load()
    assert products.archive_path(semester, "cuda") == checkout.root / f"dist/{SEMESTER}/ee559-{SEMESTER}-cuda.oci.tar"
    recipe = products.list_archive(semester, "cuda")
    assert [stage.name for stage in recipe[-2:]] == ["image-cuda", "archive-cuda"]


def test_checksum_is_of_the_bytes_and_in_the_form_that_sha256sum_reads(tmp_path: Path) -> None:
    written, path = tmp_path / "work.tar", tmp_path / "dist/a.oci.tar"
    written.write_bytes(b"layers" * 1000)
    publish(written, path)
    assert path.read_bytes() == written.read_bytes()
    done = subprocess.run(["sha256sum", "--check", "a.oci.tar.sha256"], cwd=path.parent, capture_output=True, text=True)
    assert done.stdout == "a.oci.tar: OK\n"
    assert {file.name for file in path.parent.iterdir()} == {"a.oci.tar", "a.oci.tar.sha256"}


def test_checksum_of_the_old_archive_never_stands_beside_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that is killed between the archive and its checksum leaves an archive without one."""
    written, path = tmp_path / "work.tar", tmp_path / "dist/a.oci.tar"
    written.write_bytes(b"old")
    publish(written, path)
    written.write_bytes(b"new")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("practicum.engine.publish.write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(written, path)
    assert path.read_bytes() == b"new" and not path.with_name("a.oci.tar.sha256").exists()


def test_replaced_or_removed_archive_is_packed_again(checkout: Checkout, tmp_path: Path) -> None:
    stage = products.list_archive(checkout.load(), "cpu")[-1]
    path = products.archive_path(checkout.load(), "cpu")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"good")
    (tmp_path / "archive.json").write_text(stages.describe_file(path))
    assert stage.still_there(tmp_path)
    path.write_bytes(b"longer")
    assert not stage.still_there(tmp_path)
    path.unlink()
    assert not stage.still_there(tmp_path)
