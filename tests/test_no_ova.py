"""What `verify-ova` says of files that are no whole OVA, of what is no file, and in JSON."""

import hashlib
import json
import os
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from small_ova import DISK, NAME, Good, build_good, tar
from typer.testing import CliRunner, Result

from practicum.cli import app
from practicum.engine.errors import PracticumError
from practicum.ova import conformance

LOGIN = b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html lang=de><head><title>\n Anmelden \xc2\xb7 GitLab </title></head></html>"
NOT_FOUND = b"<html><head><TITLE>404 Not Found</TITLE></head><body>nginx</body></html>"
AGAIN = "download the .ova again"
WITH_DISK = "give the .ova, which holds descriptor and disk together"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    return build_good(tmp_path_factory.mktemp("good"))


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["verify-ova", *map(str, arguments)])


def sentence(path: Path) -> str:
    """The detail of the one finding about a file."""
    report = conformance.check(path)
    assert [(finding.severity, finding.ok) for finding in report.findings] == [("import", False)], report.render()
    assert report.render().splitlines()[-1] == f"{path.name}: VirtualBox refuses or misreads it: 1 rule broken"
    return report.findings[0].detail


KINDS: dict[str, tuple[Callable[[Good], bytes], str]] = {
    "empty": (lambda _: b"", "it is empty: download it again"),
    "login": (
        lambda _: LOGIN,
        'it is a web page ("Anmelden · GitLab"): open the address in a browser, log in where it asks for it, and '
        + AGAIN,
    ),
    "404": (lambda _: NOT_FOUND, 'it is a web page ("404 Not Found"): '),
    "long title": (lambda _: b"<html><title>" + b" " * 65536, "it is a web page: "),
    "no title": (lambda _: b"<html><body>Sorry</body></html>", "it is a web page: "),
    "refusal in JSON": (lambda _: b'{"message": "401"}\n', f'it is a text ("{{"message": "401"}}"): {AGAIN}'),
    "text in UTF-8": (lambda _: "Zugriff verweigert: École".encode(), "it is a text ("),
    "gzip": (lambda _: b"\x1f\x8b\x08" + bytes(99), "it is compressed by gzip: unpack it, and give the .ova in it"),
    "disk": (lambda good: good.disk, f"it is a disk alone (.vmdk): {WITH_DISK}"),
    "descriptor": (lambda good: good.descriptor, f"it is an OVF descriptor alone (.ovf): {WITH_DISK}"),
    "qcow2": (lambda _: b"QFI\xfb" + bytes(99), f"it is a disk of QEMU (.qcow2): {WITH_DISK}"),
    "CD": (lambda _: bytes(0x8001) + b"CD001" + bytes(99), f"it is a CD's image (.iso): {WITH_DISK}"),
    "blanks": (lambda _: b" \n" * 3000, "it is something else than a tar archive"),
    "zeros": (lambda _: bytes(5000), f"it is nothing but zeros where an .ova starts: {AGAIN}"),
    "noise": (lambda _: b"\xff\x00" * 600, "it is something else than a tar archive, or its first bytes are damaged: "),
    "other tar": (
        lambda _: tar((f"{number}.txt", b"") for number in range(5)),
        "it is a tar archive of 0.txt, 1.txt, 2.txt and 2 more, without an .ovf: give the .ova",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_ova_gets_one_sentence(tmp_path: Path, good: Good, kind: str) -> None:
    build, said = KINDS[kind]
    (tmp_path / "course.ova").write_bytes(build(good))
    found = sentence(tmp_path / "course.ova")
    assert found.startswith(said), found
    assert found == said or not said.endswith(("again", "together", "in it", "the .ova"))


def test_a_zip_gets_one_sentence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "course.ova", "w") as archive:
        archive.writestr("course.ova", b"in it")
    assert sentence(tmp_path / "course.ova") == "it is a zip archive: unpack it, and give the .ova in it"


def test_what_is_quoted_does_not_steer_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.ova").write_bytes(b"<html><title>\x1b[2Jclear</title>")
    assert '(" [2Jclear")' in sentence(tmp_path / "a.ova")
    (tmp_path / "b.ova").write_bytes(tar([("\x1b[2Jclear", b"")]))
    assert "archive of  [2Jclear," in sentence(tmp_path / "b.ova")


def test_a_cut_download_says_where_it_ends(tmp_path: Path, good: Good) -> None:
    whole = good.pack()
    start = whole.index(DISK.encode().ljust(100, b"\0")) + 512
    for size, said in (
        (
            start + 1000,
            f"{DISK} should have {len(good.disk)} bytes, and the file ends after 1000 of them, at byte {start + 1000}",
        ),
        (start, f"{DISK} should have {len(good.disk)} bytes, and the file ends after 0 of them, at byte {start}"),
        (start - 300, f"the file ends at byte {start - 300}, inside a header"),
    ):
        (tmp_path / "cut.ova").write_bytes(whole[:size])
        assert sentence(tmp_path / "cut.ova") == f"{said}: download it again"


@pytest.mark.parametrize("start", ["nothing", "header"])
def test_a_huge_file_of_holes_is_not_read(tmp_path: Path, good: Good, start: str) -> None:
    """A download program made the file as long as it shall be; to read its 4 TB would take hours."""
    file = tmp_path / "holes.ova"
    size = 4 << 40
    with file.open("wb") as stream:
        if start == "header":
            member = tar([(f"{NAME}.ovf", good.descriptor), (DISK, good.disk)])
            large = bytearray(member[member.index(DISK.encode().ljust(100, b"\0")) :][:512])
            large[124:136] = b"\x80" + (size - (1 << 20)).to_bytes(11)
            large[148:156] = b"        "
            large[148:156] = b"%06o\0 " % sum(large)
            stream.write(member[: member.index(DISK.encode().ljust(100, b"\0"))] + large)
        try:
            stream.truncate(size)
        except OSError as error:
            pytest.skip(f"this file system holds no file of {size} bytes ({error.strerror})")
    said = "it is nothing but zeros" if start == "nothing" else f"more than half of its {size} bytes were never written"
    assert sentence(file).startswith(said)
    answer = json.loads(verify(file, "--json").stdout)
    assert (answer["size"], answer["sha256"]) == (size, None)


# ---- what is no file ----


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A folder, a named pipe that nobody writes to, a socket, a device, and a link to the pipe."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield {
            "a folder": tmp_path,
            "a named pipe": tmp_path / "pipe",
            "a socket": tmp_path / "socket",
            "a device": Path("/dev/zero"),
            "a named pipe ": tmp_path / "link",
        }


def test_what_is_no_file_is_refused_at_once(strangers: dict[str, Path]) -> None:
    for kind, path in strangers.items():
        assert not stat.S_ISREG(path.stat().st_mode)
        with pytest.raises(PracticumError) as refused:
            conformance.check(path)
        assert str(refused.value) == f"{path}: is {kind.strip()}, no file; give the path of an .ova file"
        assert refused.value.exit_code == 2


# ---- what is answered ----


def test_json_names_the_file_and_its_judge(tmp_path: Path, good: Good) -> None:
    data = good.pack(members=lambda files: [files[0], files[2]])
    (tmp_path / "a.ova").write_bytes(data)
    answer = json.loads(verify(tmp_path / "a.ova", "--json").stdout)
    findings = {finding.pop("rule"): finding for finding in answer.pop("findings")}
    assert answer == {
        "practicum": version("practicum"),
        "file": "a.ova",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "ok": False,
        "imports": True,
        "verdict": "VirtualBox imports it; 1 promise of the course broken",
    }
    assert len(findings) == len(conformance.RULES)
    missing = f"found none, expected {NAME}.mf"
    assert findings["manifest.present"] == {"severity": "promise", "ok": False, "detail": missing}
    assert findings["manifest.digest"] == {"severity": "import", "ok": True, "detail": "each digest fits its file"}


VERDICTS: dict[str, tuple[Callable[[Good], bytes], str, int, str, int]] = {
    "good": (
        lambda good: good.pack(),
        f"conforms, {len(conformance.RULES)} rules kept",
        0,
        f"VirtualBox imports it, {len(conformance.IMPORT_RULES)} rules kept",
        0,
    ),
    "promises": (
        lambda good: good.pack(
            descriptor=good.descriptor.replace(b"127.0.0.1", b"0.0.0.0").replace(b"VMSVGA", b"None")
        ),
        "VirtualBox imports it; 2 promises of the course broken",
        1,
        f"VirtualBox imports it, {len(conformance.IMPORT_RULES)} rules kept",
        0,
    ),
    "both": (
        lambda good: good.pack(descriptor=good.descriptor.replace(b"MegaBytes", b"B").replace(b"VMSVGA", b"None")),
        "VirtualBox refuses or misreads it: 1 rule broken; 1 promise of the course broken",
        1,
        "VirtualBox refuses or misreads it: 1 rule broken",
        1,
    ),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_the_verdict_tells_refusal_from_promises(tmp_path: Path, good: Good, case: str) -> None:
    build, verdict, code, verdict_of_import, code_of_import = VERDICTS[case]
    file = tmp_path / "a.ova"
    file.write_bytes(build(good))
    answer = verify(file)
    assert (answer.stdout.splitlines()[-1], answer.exit_code) == (f"a.ova: {verdict}", code), answer.stdout
    answer = verify(file, "--import-only")
    assert (answer.stdout.splitlines()[-1], answer.exit_code) == (f"a.ova: {verdict_of_import}", code_of_import)
    assert " promise " not in answer.stdout


def test_what_could_not_be_judged_is_not_called_imported(tmp_path: Path, good: Good) -> None:
    """Entities can blow up: practicum does not read them, VirtualBox does."""
    entities = good.descriptor.replace(b"<Envelope", b'<!DOCTYPE a [<!ENTITY b "c">]><Envelope')
    (tmp_path / "a.ova").write_bytes(good.pack(descriptor=entities))
    report = conformance.check(tmp_path / "a.ova")
    assert report.verdict.startswith("VirtualBox may refuse or misread it; 1 promise of the course broken; ")
    assert report.verdict.endswith(" rules not judged") and not report.imports
