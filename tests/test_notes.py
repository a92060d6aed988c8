"""practicum.release.notes: what students read, and commands that do what the notes say."""

import hashlib
import re
import subprocess
from pathlib import Path

from checkout import ROOT
from test_changes import make_record

from practicum.release.notes import READ, render_notes
from practicum.release.record import Product, Proof, Record

OVA = Product(file="ee559-2027-spring.ova", bytes=3, sha256=hashlib.sha256(b"ova").hexdigest())
CUDA = Product(file="ee559-2027-spring-cuda.oci.tar", bytes=4, sha256="c" * 64, cuda="13.0", driver="580")


def make_release(proof: Proof = Proof()) -> Record:  # noqa: B008
    record = make_record(2, proof)
    return record.model_copy(update={"products": {"appliance": OVA, "cuda": CUDA}})


def test_notes_name_files_sizes_sums_and_what_a_gpu_needs() -> None:
    text = render_notes(make_release(), None, signed=True)
    assert "| `ee559-2027-spring.ova` | 3 bytes | VirtualBox" in text
    assert f"    {OVA.sha256}  {OVA.file}\n" in text
    assert "brings CUDA 13.0 and needs NVIDIA's driver 580 or newer." in text
    assert "This is the first release." in text


def test_command_of_the_notes_finds_a_whole_and_a_broken_file(tmp_path: Path) -> None:
    """That of Linux; the one of macOS differs in the name of the program."""
    text = render_notes(make_release(), None, signed=True)
    (command,) = re.findall(r"`(grep .*\| sha256sum -c)`", text)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  CHANGES.md\n{OVA.sha256}  {OVA.file}\n")
    (tmp_path / OVA.file).write_bytes(b"ova")
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path).returncode == 0
    (tmp_path / OVA.file).write_bytes(b"ova\n")
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True).returncode == 1


def test_command_of_the_notes_verifies_the_signature(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (tmp_path / "allowed_signers").write_text(
        f'release namespaces="practicum-release" {(tmp_path / "key.pub").read_text()}'
    )
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("sums\n")
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "practicum-release", "-f", key, sums], check=True)
    (command,) = re.findall(r"^ssh-keygen .*$", render_notes(make_release(), None, signed=True), re.MULTILINE)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith('Good "practicum-release" signature for release ')
    sums.write_text("summs\n")
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True).returncode == 255


def test_what_is_not_so_is_said() -> None:
    text = render_notes(make_release(), None, signed=False)
    assert "This release is not signed" in text and "ssh-keygen" not in text
    assert "- Tests: not proved;" in text and "- GPU: not proved." in text


def test_what_was_proved_is_said() -> None:
    text = render_notes(make_release(Proof(passed=7, gpu="proved on NVIDIA H200, driver 580")), None, signed=True)
    assert "7 passed, 0 failed" in text and "- GPU: proved on NVIDIA H200, driver 580." in text


def test_image_that_no_gpu_ran_is_said() -> None:
    record = make_release(Proof(passed=7, gpu="proved on NVIDIA H200, driver 580"))
    both = record.model_copy(update={"products": {**record.products, "cuda-arm64": CUDA}})
    text = render_notes(both, None, signed=True)
    assert "- The `cuda` image for arm64: not run on a GPU yet." in text
    assert text.count("brings CUDA 13.0") == 1 and text.count(f"    {CUDA.sha256}  {CUDA.file}") == 1, "one file"
    assert "not run on a GPU yet" not in render_notes(record, None, signed=True)


def test_sections_that_the_notes_send_to_are_there() -> None:
    for places in READ.values():
        for file, title in re.findall(r'(docs/[\w.]+)(?:, "(\w+)")?', places):
            assert f"\n## {title}\n" in (ROOT / file).read_text() if title else (ROOT / file).exists()
