"""practicum release: the number, the folder, what vouches for it, the default command."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import SEMESTER, Checkout
from small_ova import build_good
from small_release import allow, make_archive, make_key
from test_release_contents import write_archive
from test_revision import git
from test_sbom import SMALL
from typer.testing import CliRunner

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture
from practicum.cli import app
from practicum.engine.cache import hash_file
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release import assemble, contents, proof
from practicum.release.commits import record_path
from practicum.release.contents import Finished
from practicum.release.record import Proof, Record, read_record, write_record
from practicum.semester.values import PRODUCTS

OVA, CPU = f"ee559-{SEMESTER}.ova", f"ee559-{SEMESTER}-cpu.oci.tar"


@pytest.fixture
def repository(checkout: Checkout) -> Checkout:
    """A clean commit whose products are small ones."""
    (checkout.root / ".gitignore").write_text("/build/\n/dist/\n")
    git(checkout.root, "init", "--quiet")
    git(checkout.root, "add", ".")
    git(checkout.root, "commit", "--quiet", "--message", "first")
    dist = checkout.root / "dist" / SEMESTER
    dist.mkdir(parents=True)
    (dist / OVA).write_bytes(build_good(dist).pack())
    for name in ("disk.raw", "disk.vmdk"):
        (dist / name).unlink()
    write_archive(dist / CPU)
    for name in (OVA, CPU):
        (dist / f"{name}.sha256").write_text(f"{hash_file(dist / name)}  {name}\n")
    return checkout


def describe(repository: Checkout, number: int = 1, **update: Any) -> Record:
    """The record of the small products, whose images nobody asks here."""
    dist, folder = repository.root / "dist" / SEMESTER, repository.folder
    lock = folder / "python-cpu.lock"
    products = {
        name: contents.describe(Finished(name, dist / file, "", lock, None), SMALL)
        for name, file in (("appliance", OVA), ("cpu", CPU))
    }  # type: ignore[arg-type]
    revision = git(repository.root, "rev-parse", "HEAD")
    record = Record(
        semester=SEMESTER, number=number, revision=revision, created="2026-11-25T10:00:00Z", products=products
    )  # type: ignore[arg-type]
    return record.model_copy(update=update)


def write(repository: Checkout, record: Record, key: Path | None = None) -> Path:
    answers = dict.fromkeys(record.products, SMALL)
    return assemble.assemble(repository.load(), record, answers, Console(plain=True), key=key)


def keep(repository: Checkout, record: Record) -> None:
    path = record_path(repository.root, SEMESTER, record.number)
    path.parent.mkdir(exist_ok=True)
    path.write_text(write_record(record))


# ---- the folder ----


def test_folder_has_all_that_a_release_has_and_verifies(repository: Checkout, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f'release namespaces="practicum-release" {key.with_suffix(".pub").read_text()}')
    record = describe(repository)
    folder = write(repository, record, key)
    assert folder == repository.root / f"dist/{SEMESTER}/release"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        *(OVA, CPU, "release.json", "CHANGES.md", "NOTES.md", "SHA256SUMS", "SHA256SUMS.sig"),
        *("provenance.intoto.jsonl", "sbom/appliance.cdx.json", "sbom/cpu.cdx.json", "report/verify-ova.json"),
    }
    assert read_record(folder / "release.json") == record
    assert (folder / OVA).samefile(folder.parent / OVA), "gigabytes are not copied"
    told = CliRunner().invoke(app, ["release", "verify", str(folder), "--signers", str(signers)])
    assert told.exit_code == 0 and f"{SEMESTER}-r1, commit {record.revision}" in told.stdout, told.output


def test_second_run_writes_the_same_bytes(repository: Checkout, tmp_path: Path) -> None:
    """Signed or not; ed25519 signatures have no random part."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    record = describe(repository)
    for signer in (None, key):
        first = read_bytes(write(repository, record, signer))
        assert read_bytes(write(repository, record, signer)) == first
        assert ("SHA256SUMS.sig" in first) == (signer is not None)


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_changes_are_those_since_the_last_release(repository: Checkout) -> None:
    old = describe(repository)
    cpu = old.products["cpu"].model_copy(update={"python": {**SMALL.python, "torch": "1.0"}})
    keep(repository, old.model_copy(update={"products": {**old.products, "cpu": cpu}, "revision": "5" * 40}))
    folder = write(repository, describe(repository, 2))
    assert "| torch | 1.0 | 2.13.0+cpu | **major** | cpu |" in (folder / "CHANGES.md").read_text()
    assert (
        f"1 Python package and no files of the content changed since {SEMESTER}-r1."
        in (folder / "NOTES.md").read_text()
    )


def test_appliance_that_breaks_a_rule_leaves_the_last_release(repository: Checkout) -> None:
    write(repository, describe(repository))
    dist = repository.root / "dist" / SEMESTER
    before = read_bytes(dist / "release")
    (dist / OVA).unlink()
    (dist / OVA).write_bytes(b"no ova")
    with pytest.raises(
        PracticumError,
        match=f"{OVA}: breaks rules: VirtualBox refuses or misreads it: 1 rule broken; see which: practicum verify-ova",
    ):
        write(repository, describe(repository))
    assert read_bytes(dist / "release") == before
    assert not (dist / ".release.new").exists()


# ---- two architectures ----


@pytest.fixture
def both(repository: Checkout) -> Checkout:
    """A clean commit for two architectures, with an appliance for each and one archive."""
    repository.describe_both()
    git(repository.root, "add", ".")
    git(repository.root, "commit", "--quiet", "--message", "both")
    dist = repository.root / "dist" / SEMESTER
    (dist / CPU).unlink()
    make_archive(dist / CPU, "seed", ARCHITECTURES)
    for one in ARCHITECTURES:
        shutil.copy(dist / OVA, dist / name_ova(one))
    for name in (CPU, *map(name_ova, ARCHITECTURES)):
        (dist / f"{name}.sha256").write_text(f"{hash_file(dist / name)}  {name}\n")
    return repository


def name_ova(architecture: Architecture) -> str:
    return f"ee559-{SEMESTER}-{architecture.name}.ova"


def describe_all(both: Checkout, number: int = 1) -> Record:
    """The record of the products for two architectures, each of which answers alike."""
    dist = both.root / "dist" / SEMESTER
    lock, files = both.folder / "python-cpu.lock", {"appliance": name_ova(AMD64), "appliance-arm64": name_ova(ARM64)}
    names = [name for name in contents.list_names(PRODUCTS, ARCHITECTURES) if not name.startswith("cuda")]
    products = {
        name: contents.describe(Finished(name, dist / files.get(name, CPU), "", lock, None), SMALL) for name in names
    }
    return describe(both, number, products=products)


def test_release_for_two_architectures_has_the_products_of_each(both: Checkout, tmp_path: Path) -> None:
    key = make_key(tmp_path)
    record = describe_all(both)
    folder = write(both, record, key)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        *(name_ova(AMD64), name_ova(ARM64), CPU, "report/verify-ova.json", "report/verify-ova-arm64.json"),
        *(f"sbom/{name}.cdx.json" for name in ("appliance", "appliance-arm64", "cpu", "cpu-arm64")),
    }
    assert len([name for name in names if name.endswith((".ova", ".oci.tar"))]) == 3, "the archive is there once"
    cpu, other = record.products["cpu"], record.products["cpu-arm64"]
    assert cpu.index == other.index and len({cpu.index, cpu.digest, other.digest}) == 3
    assert read_record(folder / "release.json") == record
    signers = allow(key, tmp_path / "signers")
    told = CliRunner().invoke(app, ["release", "verify", str(folder), "--signers", str(signers)])
    assert told.exit_code == 0 and "provenance: 6 files and images" in told.stdout, told.output


def test_notes_tell_each_student_the_file_for_the_own_computer(both: Checkout) -> None:
    notes = (write(both, describe_all(both)) / "NOTES.md").read_text()
    for one in ARCHITECTURES:
        (row,) = re.findall(rf"^\| `{name_ova(one)}` .*$", notes, re.MULTILINE)
        assert f"| VirtualBox, on {one.computers} |" in row
    assert len(re.findall(rf"^\| `{CPU}` ", notes, re.MULTILINE)) == 1


def test_changes_tell_the_products_of_a_second_architecture(both: Checkout) -> None:
    keep(both, describe(both))
    changes = (write(both, describe_all(both, 2)) / "CHANGES.md").read_text()
    assert "- `appliance-arm64` is new.\n" in changes
    assert f"- `appliance` is in `{name_ova(AMD64)}`, before in `{OVA}`.\n" in changes
    assert f"- cpu: who has {SEMESTER}-r1 pulls 0 of 2 layers." in changes, "the image for the first is the same"


def test_record_for_one_architecture_has_the_keys_that_it_always_had(repository: Checkout) -> None:
    products = json.loads(write_record(describe(repository)))["products"]
    assert list(products) == ["appliance", "cpu"]
    assert sorted(products["cpu"]) == [
        *("bytes", "content", "cuda", "data", "debian", "digest", "driver", "file", "layers", "python", "sha256")
    ]


def test_gpu_that_ran_the_image_of_an_index_counts(both: Checkout) -> None:
    record = describe_all(both)
    machine = {"gpus": [{"name": "NVIDIA H200"}], "driver": "580.95"}
    write_report(both, "gpu.json", {"machine": machine, "tests": {"passed": 40}})
    for digest in (record.products["cpu"].index, record.products["cpu-arm64"].digest):
        (both.root / "build/report/gpu-image.txt").write_text(f"registry.example/ee559@{digest}\n")
        assert ask(both, record).gpu == "proved on NVIDIA H200, driver 580.95"


# ---- number and commit ----


def test_number_is_that_of_the_tag_then_of_an_earlier_run_then_the_next(repository: Checkout) -> None:
    semester, head = repository.load(), git(repository.root, "rev-parse", "HEAD")
    assert assemble.choose_number(semester, head) == 1
    keep(repository, describe(repository, 3, revision="5" * 40))
    assert assemble.choose_number(semester, head) == 4
    keep(repository, describe(repository, 4))
    assert assemble.choose_number(semester, head) == 4, "the same commit, once more"
    git(repository.root, "tag", f"{SEMESTER}-r6")
    git(repository.root, "tag", f"{SEMESTER}-r7-candidate")
    assert assemble.choose_number(semester, head) == 6
    git(repository.root, "commit", "--quiet", "--allow-empty", "--message", "second")
    assert assemble.choose_number(semester, git(repository.root, "rev-parse", "HEAD")) == 7, "r6 has another commit"


def test_number_of_another_commit_is_refused(repository: Checkout) -> None:
    keep(repository, describe(repository, 1, revision="5" * 40))
    with pytest.raises(PracticumError, match=r"r1: was released before, from commit 555555555555; run: .* --number 2"):
        assemble.choose_number(repository.load(), git(repository.root, "rev-parse", "HEAD"), 1)


def test_files_that_differ_from_the_commit_are_refused(
    repository: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository.root / "course_content/index.md").write_text("changed\n")
    with pytest.raises(PracticumError, match=r"release: files differ from commit [0-9a-f]{12}; see which: git status"):
        assemble.release(repository.load(), Console(plain=True))


def test_products_that_are_not_built_are_named(repository: Checkout) -> None:
    with pytest.raises(PracticumError, match=f"appliance: stage ova: not built .*; run: make ova SEMESTER={SEMESTER}"):
        assemble.release(repository.load(), Console(plain=True))
    assert not (repository.root / f"dist/{SEMESTER}/release").exists()


# ---- what vouches for it ----


def write_report(repository: Checkout, name: str, content: dict[str, Any]) -> None:
    path = repository.root / "build/report" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def prove(repository: Checkout, record: Record, **update: Any) -> None:
    subjects = {product.file: product.sha256 for product in record.products.values()}
    told = {"revision": record.revision, "subjects": subjects, "passed": 700, "failed": 0, "skipped": 3}
    write_report(repository, "proved.json", {**told, **update})


def ask(repository: Checkout, record: Record) -> Proof:
    return proof.read_proof(repository.root, record.revision, record.products.values())


def test_proof_of_these_files_counts(repository: Checkout) -> None:
    record = describe(repository)
    assert ask(repository, record) == Proof()
    prove(repository, record)
    assert ask(repository, record) == Proof(passed=700, skipped=3)


@pytest.mark.parametrize("update", [{"revision": "5" * 40}, {"subjects": {OVA: "a" * 64}}, {"subjects": {}}])
def test_proof_of_other_files_does_not_count(repository: Checkout, update: dict[str, Any]) -> None:
    record = describe(repository)
    prove(repository, record, **update)
    assert ask(repository, record) == Proof()


def test_failed_tests_of_these_files_keep_them_from_release(repository: Checkout) -> None:
    record = describe(repository)
    prove(repository, record, failed=2)
    with pytest.raises(PracticumError, match=r"proved\.json: 2 tests of these files failed; mend them"):
        ask(repository, record)


def test_gpu_that_ran_this_image_counts(repository: Checkout) -> None:
    record = describe(repository)
    machine = {"gpus": [{"name": "NVIDIA H200"}], "driver": "580.95"}
    write_report(repository, "gpu.json", {"machine": machine, "tests": {"passed": 40, "failed": 0, "error": 0}})
    assert ask(repository, record).gpu == "not proved", "nothing says which image it was"
    image = repository.root / "build/report/gpu-image.txt"
    image.write_text(f"registry.example/ee559@{record.products['cpu'].digest}\n")
    assert ask(repository, record).gpu == "proved on NVIDIA H200, driver 580.95"
    image.write_text(f"registry.example/ee559@sha256:{'5' * 64}\n")
    assert ask(repository, record).gpu == "not proved"


@pytest.mark.parametrize(
    "said",
    [
        {"machine": {"gpus": [], "driver": None}, "tests": {"passed": 30}},
        {"machine": {"gpus": [{"name": "NVIDIA H200"}], "driver": "580"}, "tests": {"failed": 1}},
        {},
    ],
)
def test_report_without_a_gpu_or_with_failures_does_not_count(repository: Checkout, said: dict[str, Any]) -> None:
    record = describe(repository)
    write_report(repository, "gpu.json", {**said, "subjects": {CPU: record.products["cpu"].sha256}})
    assert ask(repository, record).gpu == "not proved"


def test_report_that_names_its_files_counts(repository: Checkout) -> None:
    record = describe(repository)
    subjects = {CPU: record.products["cpu"].sha256}
    write_report(repository, "gpu.json", {"gpu": "NVIDIA H200", "driver": "580.95", "subjects": subjects})
    assert ask(repository, record).gpu == "proved on NVIDIA H200, driver 580.95"


def test_reports_that_count_come_along_and_no_others(repository: Checkout) -> None:
    write_report(repository, "begun.json", {})
    write_report(repository, "unit.xml", {})
    write_report(repository, "unit.log", {})
    for name in ("screenshots/login.png", "lectures/lecture-01.html"):
        (repository.root / "build" / name).parent.mkdir(parents=True)
        (repository.root / "build" / name).touch()
    record = describe(repository)
    folder = write(repository, record)
    assert {path.name for path in (folder / "report").iterdir()} == {"verify-ova.json"}
    folder = write(repository, record.model_copy(update={"proof": Proof(passed=1)}))
    reports = {str(path.relative_to(folder / "report")) for path in (folder / "report").rglob("*.*")}
    assert reports == {"verify-ova.json", "unit.xml", "screenshots/login.png", "lectures/lecture-01.html"}


# ---- the commands ----


@pytest.mark.parametrize("words", [["2031-spring"], ["make", "2031-spring"], ["--number", "2", "2031-spring"]])
def test_release_makes_one_when_no_other_command_is_named(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["release", *words])
    assert isinstance(done.exception, PracticumError) and "2031-spring: no such semester" in str(done.exception)


def test_help_of_the_group_names_its_commands() -> None:
    told = CliRunner().invoke(app, ["release", "--help"]).stdout
    assert all(re.search(rf"\b{name}\b", told) for name in ("make", "verify", "publish"))


def test_command_line_loads_nothing_that_only_a_release_needs() -> None:
    heavy = ("cyclonedx", "practicum.release.assemble", "practicum.release.contents", "cryptography")
    probe = f"import sys, practicum.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("target", ["", "TO=/mnt/releases"])
def test_make_builds_assembles_and_publishes(target: str) -> None:
    root = Path(__file__).parent.parent
    make = shutil.which("make") or pytest.skip("no make here")
    done = subprocess.run([make, "--dry-run", "release", f"SEMESTER={SEMESTER}", *target.split()], cwd=root,
                          capture_output=True, text=True, env={**os.environ, "MAKEFLAGS": ""})  # fmt: skip
    looked = ['release check --to "/mnt/releases"'] if target else []
    commands = [f"practicum {words}" for words in (*looked, "ova", "archive", f"release {SEMESTER}")]
    places = [done.stdout.find(command) for command in commands]
    assert places == sorted(places) and -1 not in places, done.stdout + done.stderr
    assert ('[[ -n "/mnt/releases" ]]' in done.stdout) == bool(target)
    assert all("--arch=all" in line for line in done.stdout.splitlines() if re.search("practicum (ova|archive)", line))
