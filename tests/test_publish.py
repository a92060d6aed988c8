"""Publishing to a folder, and the rules that hold for every target."""

import subprocess
from pathlib import Path

import pytest
from publishing import publish_and_kill
from small_release import OVA_BYTES, allow, flip, make_key, make_release, snapshot
from typer.testing import CliRunner

from practicum.architecture import ARCHITECTURES
from practicum.cli import app
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release.publish import check_target, publish
from practicum.release.sums import SIGNATURE, Untrue, write_sums
from practicum.release.target import read_number
from practicum.release.verify import verify

OVA = "ee559-2027-spring.ova"


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    return tmp_path / "web"


def test_a_release_appears_whole_and_is_what_verify_accepts(tmp_path: Path, web: Path, console: Console) -> None:
    key = make_key(tmp_path / "keys")
    make_release(tmp_path / "release", key=key)
    lines = publish(tmp_path / "release", str(web), console)
    assert lines[1] == "2027-spring shows 2027-spring-r1 now"
    assert sorted(path.name for path in web.iterdir()) == ["2027-spring", "2027-spring-r1"]
    signers = allow(key, tmp_path / "signers")
    assert verify(str(web / "2027-spring"), signers)[0] == verify(str(tmp_path / "release"), signers)[0]


@pytest.mark.parametrize("point", [1 << 20, OVA_BYTES + 5000, "show"])
def test_a_kill_leaves_the_old_release_and_the_next_run_goes_on(
    releases: list[Path], web: Path, console: Console, point: int | str
) -> None:
    publish(releases[0], str(web), console, unsigned=True)
    publish_and_kill(releases[1], str(web), point)
    assert (web / "2027-spring").resolve().name == "2027-spring-r1"
    assert not (web / "2027-spring-r2").exists()

    lines = publish(releases[1], str(web), console, unsigned=True)
    assert lines[1] == "2027-spring shows 2027-spring-r2 now"
    verify(str(web / "2027-spring"), web, unsigned=True)
    verify(str(web / "2027-spring-r1"), web, unsigned=True)

    before = snapshot(web)
    assert publish(releases[1], str(web), console, unsigned=True)[1] == "2027-spring shows 2027-spring-r2 already"
    assert snapshot(web) == before


def test_an_upload_goes_on_where_it_stopped(releases: list[Path], web: Path, console: Console) -> None:
    publish_and_kill(releases[0], str(web), 3 << 20)
    (part,) = (web / ".2027-spring-r1.new").iterdir()
    inode, sent = part.stat().st_ino, part.stat().st_size
    assert 0 < sent < OVA_BYTES
    publish(releases[0], str(web), console, unsigned=True)
    assert (web / "2027-spring-r1" / OVA).stat().st_ino == inode


def test_a_damaged_part_is_written_again(releases: list[Path], web: Path, console: Console) -> None:
    publish_and_kill(releases[0], str(web), 3 << 20)
    flip(web / ".2027-spring-r1.new" / OVA, 1 << 20)
    (web / ".2027-spring-r1.new/left-by-an-earlier-build").touch()
    publish(releases[0], str(web), console, unsigned=True)
    verify(str(web / "2027-spring"), web, unsigned=True)


def test_another_content_under_the_same_name_is_refused(
    releases: list[Path], web: Path, tmp_path: Path, console: Console
) -> None:
    publish(releases[0], str(web), console, unsigned=True)
    before = snapshot(web)
    make_release(tmp_path / "again", 1, seed="another")
    with pytest.raises(PracticumError, match=r"2027-spring-r1: .* is there with another content; .*next release"):
        publish(tmp_path / "again", str(web), console, unsigned=True)
    assert snapshot(web) == before


def test_the_moving_name_never_goes_back(releases: list[Path], web: Path, console: Console) -> None:
    publish(releases[1], str(web), console, unsigned=True)
    assert "which is newer" in publish(releases[0], str(web), console, unsigned=True)[1]
    assert (web / "2027-spring").resolve().name == "2027-spring-r2"
    assert (web / "2027-spring-r1").is_dir()


def test_where_links_are_impossible_a_file_says_the_latest(
    releases: list[Path], web: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: str) -> None:  # what FAT and some network file systems answer
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for number, release in enumerate(releases, 1):
        assert f"shows 2027-spring-r{number} now" in publish(release, str(web), console, unsigned=True)[1]
        assert (web / "2027-spring/latest").read_text() == f"2027-spring-r{number}\n"
    assert "already" in publish(releases[1], str(web), console, unsigned=True)[1]


# ---- what is refused before the first byte ---------------------------------------------------------------------------


def test_a_release_without_a_signature(releases: list[Path], web: Path, console: Console) -> None:
    with pytest.raises(PracticumError, match=r"is not signed; build it with --key KEY"):
        publish(releases[0], str(web), console)
    assert not list(web.iterdir())


def test_a_damaged_release(releases: list[Path], web: Path, console: Console) -> None:
    flip(releases[0] / OVA, 99)
    with pytest.raises(Untrue, match=f"^{OVA}: a byte of 0 to "):
        publish(releases[0], str(web), console, unsigned=True)
    assert not list(web.iterdir())


def test_a_folder_that_is_not_there(releases: list[Path], web: Path, console: Console) -> None:
    with pytest.raises(PracticumError, match="no such folder; mkdir -p "):
        publish(releases[0], str(web / "none"), console, unsigned=True)


def test_files_over_the_limit_are_refused_or_split(releases: list[Path], web: Path, console: Console) -> None:
    limit = 2_000_000
    with pytest.raises(PracticumError, match=rf"^{OVA}: has {OVA_BYTES} bytes, the target takes {limit}; add --split"):
        publish(releases[0], str(web), console, unsigned=True, limit=limit)
    assert not list(web.iterdir())
    publish(releases[0], str(web), console, unsigned=True, limit=limit, split=True)
    whole = web / "2027-spring-r1"
    assert (whole / "JOIN.txt").read_text() == f"cat {OVA}.piece-* > {OVA}\nsha256sum --check SHA256SUMS\n"
    assert {path.stat().st_size for path in whole.glob("*.piece-*")} == {limit, OVA_BYTES - 2 * limit}
    verify(str(whole), web, unsigned=True)
    assert "0 of " in publish(releases[0], str(web), console, unsigned=True, limit=limit, split=True)[0]

    subprocess.run(["sh", "-e", "JOIN.txt"], cwd=whole, check=True, stdout=subprocess.DEVNULL)


def test_a_signature_that_was_added_later_is_another_release(tmp_path: Path, web: Path, console: Console) -> None:
    """A whole release never changes, not even by a file."""
    make_release(tmp_path / "release")
    publish(tmp_path / "release", str(web), console, unsigned=True)
    (tmp_path / "release" / SIGNATURE).write_text("signature")
    with pytest.raises(PracticumError, match=r"SHA256SUMS.sig is there with another content"):
        publish(tmp_path / "release", str(web), console)


def test_a_record_without_a_number(tmp_path: Path, web: Path, console: Console) -> None:
    make_release(tmp_path / "release", 0)
    write_sums(tmp_path / "release")
    with pytest.raises(PracticumError, match="has no release number"):
        publish(tmp_path / "release", str(web), console, unsigned=True)


# ---- before a build -----------------------------------------------------------------------------------------------


def test_folder_and_key_are_looked_at_before_a_build(
    tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path / "keys")
    monkeypatch.setenv("PRACTICUM_SIGNING_KEY", str(key))
    done = CliRunner().invoke(app, ["release", "check", "--to", str(web)])
    assert done.exit_code == 0 and done.stdout == f"{web}: a release can be published here\n"
    assert not list(web.iterdir())
    with pytest.raises(PracticumError, match=f"{web}/none: no such folder; mkdir -p {web}/none"):
        check_target(f"{web}/none", key)
    with pytest.raises(PracticumError, match="PRACTICUM_SIGNING_KEY: is not set, and only a signed release is"):
        check_target(str(web), None)
    with pytest.raises(PracticumError, match=r"none: no such key; make one: ssh-keygen -t ed25519 -f"):
        check_target(str(web), tmp_path / "none")


@pytest.mark.parametrize("target", ["s3://bucket/releases", "ftp://host/releases"])
def test_no_kind_of_target(tmp_path: Path, target: str) -> None:
    with pytest.raises(PracticumError, match=f"^{target}: is no kind of target; give a folder, HOST:PATH, "):
        check_target(target, make_key(tmp_path / "keys"))


# ---- two architectures --------------------------------------------------------------------------------------------


def test_release_for_two_architectures_is_published_and_verified(tmp_path: Path, web: Path, console: Console) -> None:
    key = make_key(tmp_path / "keys")
    make_release(tmp_path / "release", key=key, architectures=ARCHITECTURES)
    publish(tmp_path / "release", str(web), console)
    names = {path.name for path in (web / "2027-spring").iterdir()}
    assert names >= {f"ee559-2027-spring-{name}" for name in ("amd64.ova", "arm64.ova", "cpu.oci.tar")}
    lines = verify(str(web / "2027-spring"), allow(key, tmp_path / "signers"))
    # Two appliances, an archive, its index and its images.
    assert lines[-1] == "provenance: 6 files and images of this commit"


def test_numbers() -> None:
    names = ("2027-spring-r12\n", "2027-spring", "2027-spring-rx", "2026-autumn-r3", "7", "")
    assert [read_number(name, "2027-spring") for name in names] == [12, 0, 0, 0, 0, 0]
