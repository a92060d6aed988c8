"""Whether a release is whole: its sums, its signature, and what `release verify` says of one that was touched."""

import functools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from checkout import ROOT
from loopback import answering
from small_release import OVA_BYTES, allow, flip, make_key, make_release

from practicum.engine.errors import PracticumError
from practicum.release import signing, sums
from practicum.release.places import name_flat, name_piece
from practicum.release.verify import verify

OVA = "ee559-2027-spring.ova"


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """A release and the signers that are allowed to sign it."""
    key = make_key(tmp_path / "keys")
    make_release(tmp_path / "release", key=key)
    return tmp_path / "release", allow(key, tmp_path / "signers")


def test_sha256sum_accepts_the_sums(signed: tuple[Path, Path]) -> None:
    folder, _ = signed
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", sums.SUMS], cwd=folder, check=True)
    lines = (folder / sums.SUMS).read_text().splitlines()
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {line[66:] for line in lines} == there - {sums.SUMS, sums.SIGNATURE}
    assert [line[66:] for line in lines] == sorted(line[66:] for line in lines)


def test_the_same_files_have_the_same_sums(signed: tuple[Path, Path]) -> None:
    folder, _ = signed
    before = (folder / sums.SUMS).read_bytes(), (folder / sums.BLOCKS).read_bytes()
    sums.write_sums(folder)
    assert before == ((folder / sums.SUMS).read_bytes(), (folder / sums.BLOCKS).read_bytes())


def test_whole_release(signed: tuple[Path, Path]) -> None:
    folder, signers = signed
    lines = verify(str(folder), signers)
    assert lines[0].startswith("2027-spring-r1, commit 5555")
    assert "signature:  of SHA256:" in lines[1]
    assert lines[4] == "provenance: 3 files and images of this commit"


def test_the_block_of_the_first_wrong_byte_is_named_and_with_a_copy_the_byte(
    signed: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, signers = signed
    subprocess.run(["cp", "-r", folder, tmp_path / "good"], check=True)
    flip(folder / OVA, 3 * sums.BLOCK + 1234)
    flip(folder / OVA, OVA_BYTES - 1)
    where = f"a byte of {3 * sums.BLOCK} to {4 * sums.BLOCK - 1} is wrong"
    with pytest.raises(sums.Untrue, match=f"^{OVA}: {where}; "):
        verify(str(folder), signers)
    with pytest.raises(sums.Untrue, match=f"^{OVA}: byte {3 * sums.BLOCK + 1234} is 0x.., not 0x..; "):
        verify(str(folder), signers, copy=tmp_path / "good")
    flip(folder / OVA, 3 * sums.BLOCK + 1234)
    with pytest.raises(sums.Untrue, match=f"^{OVA}: byte {OVA_BYTES - 1} is "):
        verify(str(folder), signers, copy=tmp_path / "good")


def _truncate(folder: Path) -> None:
    (folder / OVA).write_bytes((folder / OVA).read_bytes()[: 2 * sums.BLOCK])


def _append(folder: Path) -> None:
    with (folder / OVA).open("ab") as stream:
        stream.write(b"x")


def _link(folder: Path) -> None:
    (folder / "NOTES.md").unlink()
    (folder / "NOTES.md").symlink_to("/etc/hostname")


def _list_outside(folder: Path) -> None:
    text = (folder / sums.SUMS).read_text()
    (folder / sums.SUMS).write_text(text + f"{'0' * 64}  ../outside\n")


@pytest.mark.parametrize(
    ("touch", "said"),
    [
        (_truncate, f"^{OVA}: ends after {2 * sums.BLOCK} of {OVA_BYTES} bytes; "),
        (_append, f"^{OVA}: has more than its {OVA_BYTES} bytes; "),
        (lambda folder: (folder / "NOTES.md").unlink(), "^NOTES.md: is in SHA256SUMS, but missing in "),
        (lambda folder: (folder / "sbom/extra").touch(), "^sbom/extra: is in .*, but not in SHA256SUMS; remove it"),
        (_link, "^NOTES.md: is a link or a device"),
        (_list_outside, r"^SHA256SUMS: line \d+: names no file of the release"),
        (lambda folder: flip(folder / sums.BLOCKS, 30), "^blocks.json: is not the file that SHA256SUMS lists"),
        (lambda folder: flip(folder / "NOTES.md", 3), r"^NOTES.md: a byte of 0 to \d+ is wrong"),
    ],
)
def test_what_was_touched_is_named(signed: tuple[Path, Path], touch: Callable[[Path], object], said: str) -> None:
    folder, signers = signed
    touch(folder)
    with pytest.raises(PracticumError, match=said):
        verify(str(folder), signers, unsigned=True)


# ---- the signature ---------------------------------------------------------------------------------------------------


def test_one_changed_byte_of_the_sums(signed: tuple[Path, Path]) -> None:
    folder, signers = signed
    flip(folder / sums.SUMS, 5)
    with pytest.raises(sums.Untrue, match=r"^SHA256SUMS: is not what SHA256SUMS.sig signs; "):
        verify(str(folder), signers)


def test_another_signer(signed: tuple[Path, Path], tmp_path: Path) -> None:
    folder, signers = signed
    allow(make_key(tmp_path / "others"), signers)
    with pytest.raises(
        sums.Untrue, match=r"^SHA256SUMS.sig: was made with SHA256:\S+, which .*signers does not allow; "
    ):
        verify(str(folder), signers)


def test_a_release_without_a_signature(tmp_path: Path) -> None:
    make_release(tmp_path / "release")
    signers = allow(make_key(tmp_path / "keys"), tmp_path / "signers")
    with pytest.raises(sums.Untrue, match="release: is not signed; "):
        verify(str(tmp_path / "release"), signers)
    assert "not asked for" in verify(str(tmp_path / "release"), signers, unsigned=True)[1]


def test_signers_of_the_repository_has_no_key_yet_and_says_how_to_add_one(signed: tuple[Path, Path]) -> None:
    signers = ROOT / "semesters/allowed_signers"
    assert "namespaces=" in signers.read_text()
    if not signing.list_signers(signers):
        with pytest.raises(PracticumError, match=r"allowed_signers: lists no key; .*comments"):
            verify(str(signed[0]), signers)


def test_the_line_that_the_comment_prints_is_accepted(tmp_path: Path) -> None:
    comment = next(line for line in (ROOT / "semesters/allowed_signers").read_text().splitlines() if "echo" in line)
    key = make_key(tmp_path / "keys")
    command = comment.lstrip("# ").replace("KEY", str(key))
    line = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True).stdout
    (tmp_path / "signers").write_text(line)
    assert len(signing.list_signers(tmp_path / "signers")) == 1
    make_release(tmp_path / "release", key=key)
    verify(str(tmp_path / "release"), tmp_path / "signers")


def test_a_signer_for_another_purpose_may_not_sign(tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys")
    signers = allow(key, tmp_path / "signers")
    signers.write_text(signers.read_text().replace("practicum-release", "git"))
    assert signing.list_signers(signers) == []


def test_locked_key_and_missing_key(signed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    locked = make_key(tmp_path / "locked", passphrase="secret")
    with pytest.raises(PracticumError, match=r"has a passphrase and no ssh-agent holds it; run: ssh-add "):
        signing.sign(signed[0], locked)
    with pytest.raises(PracticumError, match=r"no such key; make one: ssh-keygen -t ed25519 -f "):
        signing.sign(signed[0], tmp_path / "none")


def test_commands() -> None:
    assert signing.sign_argv(Path("d/SHA256SUMS"), Path("k")) == [
        "ssh-keygen", "-Y", "sign", "-n", "practicum-release", "-f", "k", "d/SHA256SUMS",
    ]  # fmt: skip
    assert signing.verify_argv(Path("s.sig"), Path("a"))[-2:] == ["-s", "s.sig"]


# ---- on the web ------------------------------------------------------------------------------------------------------


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
    with answering(server) as address:
        yield address


def test_a_release_on_the_web(signed: tuple[Path, Path]) -> None:
    folder, signers = signed
    with served(folder.parent) as url:
        assert verify(f"{url}/{folder.name}/", signers)[1:] == verify(str(folder), signers)[1:]
        flip(folder / OVA, sums.BLOCK)
        with pytest.raises(sums.Untrue, match=f"^{OVA}: a byte of {sums.BLOCK} to "):
            verify(f"{url}/{folder.name}", signers)
        (folder / OVA).unlink()
        with pytest.raises(sums.Untrue, match=f"^{OVA}: is in SHA256SUMS, but missing in http"):
            verify(f"{url}/{folder.name}", signers)
        with pytest.raises(sums.Untrue, match=r"^SHA256SUMS: missing in http"):
            verify(f"{url}/elsewhere", signers)


def test_pieces_and_flat_names_are_the_same_release(signed: tuple[Path, Path]) -> None:
    folder, signers = signed
    data = (folder / OVA).read_bytes()
    for number in range(3):
        (folder / name_piece(OVA, number)).write_bytes(data[number * 2_000_000 : (number + 1) * 2_000_000])
    with pytest.raises(sums.Untrue, match=r"piece-00: is in .*, but not in SHA256SUMS"):
        verify(str(folder), signers)
    (folder / OVA).unlink()
    verify(str(folder), signers)
    for name in ("appliance", "cpu"):
        (folder / f"sbom/{name}.cdx.json").rename(folder / name_flat(f"sbom/{name}.cdx.json"))
    with served(folder) as url:
        verify(url, signers)


def test_a_place_that_is_none(tmp_path: Path) -> None:
    for name in ("ftp://127.0.0.1/x", str(tmp_path / "none")):
        with pytest.raises(PracticumError, match="is no folder and no http"):
            verify(name, tmp_path)
    with pytest.raises(PracticumError, match=r"cannot be read from http://127.0.0.1:1 .*; check the network"):
        verify("http://127.0.0.1:1", tmp_path)
