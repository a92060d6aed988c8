"""practicum release content: the folder, its number, who may sign; publishing it; and a product that takes it."""

import json
import os
import re
import subprocess
import sys
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, SEMESTER, Checkout
from loopback import answering
from publishing import publish_and_kill
from small_release import allow, flip, make_content_release, make_key, snapshot
from test_revision import git
from typer.testing import CliRunner

from practicum.cli import app
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release import content_release
from practicum.release.content_release import Written, write_content_release
from practicum.release.publish import publish
from practicum.release.record import Record, write_record
from practicum.release.sums import Untrue

ARCHIVE = f"ee559-{SEMESTER}-content-1.tar.gz"
PAGE = "course_content/index.md"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "keys")


@pytest.fixture
def repository(checkout: Checkout, key: Path) -> Checkout:
    """A clean commit whose allowed signers are the owner of `key`."""
    (checkout.root / ".gitignore").write_text("/dist/\n")
    allow(key, checkout.root / "semesters/allowed_signers", "practicum-release,practicum-content")
    git(checkout.root, "init", "--quiet")
    commit(checkout)
    return checkout


def commit(checkout: Checkout) -> None:
    git(checkout.root, "add", ".")
    git(checkout.root, "commit", "--quiet", "--message", "next")


def write(repository: Checkout, key: Path | None) -> Written:
    return write_content_release(repository.load(), key)


def change_page(repository: Checkout, number: int | None = None) -> None:
    """Commits another page, and with it another number."""
    page = repository.root / PAGE
    page.write_text(page.read_text() + "corrected\n")
    if number:
        set_number(repository, number)
    commit(repository)


def set_number(repository: Checkout, number: int) -> None:
    """Writes the number of the content release into semester.toml."""
    file = repository.folder / "semester.toml"
    file.write_text(re.sub(r"^release = \d+", f"release = {number}", file.read_text(), flags=re.MULTILINE))


# ---- the folder ----------------------------------------------------------------------------------------------------


def test_folder_has_the_files_of_the_students_and_a_signed_statement(repository: Checkout, key: Path) -> None:
    done = write(repository, key)
    assert done.folder == repository.root / f"dist/{SEMESTER}/content"
    assert sorted(path.name for path in done.folder.iterdir()) == ["content.json", ARCHIVE]
    with tarfile.open(done.folder / ARCHIVE) as tar:
        members = tar.getmembers()
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        page = tar.extractfile("index.md").read()  # type: ignore[union-attr]
    named = {key: manifest[key] for key in ("version", "course", "semester", "release")}
    assert named == {"version": 1, "course": "EE-559", "semester": SEMESTER, "release": 1}
    names = [member.name for member in members]
    assert names == ["manifest.json", *sorted(manifest["files"])] and "index.md" in names
    owners = {(one.uid, one.gid, one.uname, one.gname, one.mode, one.mtime, one.type) for one in members}
    assert owners == {(0, 0, "root", "root", 0o644, repository.load().epoch, tarfile.REGTYPE)}
    assert b"{{ torch }}" in page and b"{{ content-release }}" in page, "each product fills in its own versions"
    assert done.statement.bytes == (done.folder / ARCHIVE).stat().st_size < 4_000_000
    record = json.loads((repository.folder / "content/1.json").read_text())
    assert done.kept == repository.folder / "content/1.json"
    assert (record["release"], record["revision"]) == (1, git(repository.root, "rev-parse", "HEAD"))


def test_second_run_and_a_later_commit_write_the_same_bytes(repository: Checkout, key: Path) -> None:
    first = read_bytes(write(repository, key).folder)
    assert read_bytes(write(repository, key).folder) == first
    commit(repository)  # the record
    (repository.root / "README.md").write_text("no file of the students\n")
    commit(repository)
    assert read_bytes(write(repository, key).folder) == first


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_command_prints_the_folder_and_says_what_to_commit(
    repository: Checkout, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.root)
    monkeypatch.setenv("PRACTICUM_SIGNING_KEY", str(key))
    done = CliRunner().invoke(app, ["release", "content", SEMESTER])
    assert done.exit_code == 0 and done.stdout == f"{repository.root}/dist/{SEMESTER}/content\n"
    record = f"semesters/{SEMESTER}/content/1.json"
    assert f"git add {record} && git commit -m 'Record content release 1 of {SEMESTER}'" in done.stderr
    assert "products do not fetch it: semester.toml has no release.address" in done.stderr


def test_make_writes_and_publishes(tmp_path: Path) -> None:
    """The commands that `make content-release` would run."""
    argv = ["make", "--dry-run", "--no-print-directory", "content-release", "TO=/srv/releases", f"SEMESTER={SEMESTER}"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"practicum release content {SEMESTER}" in done.stdout
    assert 'practicum release publish "$folder" --to "/srv/releases"' in done.stdout


# ---- its number ----------------------------------------------------------------------------------------------------


def refuse(repository: Checkout, key: Path | None) -> str:
    """The one line of the refusal; the last good folder stays."""
    folder = repository.root / f"dist/{SEMESTER}/content"
    before = read_bytes(folder) if folder.exists() else {}
    with pytest.raises(PracticumError) as caught:
        write(repository, key)
    assert (read_bytes(folder) if folder.exists() else {}) == before
    assert not folder.exists() or [path.name for path in folder.parent.iterdir()] == ["content"]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_number_with_other_files_is_refused(repository: Checkout, key: Path) -> None:
    write(repository, key)
    change_page(repository)
    assert refuse(repository, key) == (
        "content.release = 1: an earlier content release of this number has other files; "
        f"raise content.release to 2 in semesters/{SEMESTER}/semester.toml, and commit it"
    )
    change_page(repository, 2)
    assert write(repository, key).statement.release == 2
    commit(repository)
    set_number(repository, 1)
    commit(repository)
    assert "has other files; raise content.release to 3" in refuse(repository, key)
    (repository.folder / "content/1.json").unlink()
    commit(repository)
    assert "content release 2 was made before; raise content.release to 3" in refuse(repository, key)


def test_number_of_the_products_that_were_handed_out_is_refused(repository: Checkout, key: Path) -> None:
    """They have content release 1, from the build on."""
    revision = git(repository.root, "rev-parse", "HEAD")
    record = Record(semester=SEMESTER, number=1, revision=revision, created="2027-02-01T10:00:00Z", products={})
    (repository.folder / "releases").mkdir()
    (repository.folder / "releases/1.json").write_text(write_record(record))
    change_page(repository)
    reason = f"the products of {SEMESTER}-r1 have content release 1"
    assert f"{reason}; raise content.release to 2" in refuse(repository, key)
    change_page(repository, 2)
    assert write(repository, key).statement.release == 2


def test_files_that_are_no_commit_are_refused(repository: Checkout, key: Path) -> None:
    (repository.root / PAGE).write_text("not committed")
    assert refuse(repository, key).endswith("commit them, then run: make content-release")


def test_record_that_is_none(repository: Checkout, key: Path) -> None:
    (repository.folder / "content").mkdir()
    (repository.folder / "content/1.json").write_text("{}")
    assert "is no record of a content release; git checkout -- " in refuse(repository, key)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("{{ torhc }}", "index.md: {{ torhc }} stands for the version of a package that no lock names"),
        ("{{ nvidia-cublas }}", "index.md: {{ nvidia-cublas }} stands for"),
    ],
)
def test_page_that_names_what_a_product_lacks(repository: Checkout, key: Path, page: str, words: str) -> None:
    """Only the image for GPUs has the second one."""
    (repository.root / PAGE).write_text(page)
    commit(repository)
    assert refuse(repository, key).startswith(words)


def test_archive_that_machines_do_not_take(repository: Checkout, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_release, "LIMIT", 1000)
    assert re.search(rf"^{ARCHIVE}: has \d+ bytes, machines take 1000; leave large files out", refuse(repository, key))


# ---- who signs -----------------------------------------------------------------------------------------------------


def test_key_is_needed(repository: Checkout, tmp_path: Path) -> None:
    assert refuse(repository, None).startswith("PRACTICUM_SIGNING_KEY: is not set, and machines take only what is sig")
    assert refuse(repository, tmp_path / "none").endswith(f"make one: ssh-keygen -t ed25519 -f {tmp_path}/none")


def test_key_that_no_product_knows_is_refused_with_what_to_type(repository: Checkout, key: Path) -> None:
    signers = repository.root / "semesters/allowed_signers"
    allow(key, signers)
    commit(repository)
    where, cure = refuse(repository, key).split("; ", 1)
    assert where == f"{key}: may not sign content: semesters/allowed_signers has no line for it"
    subprocess.run(["sh", "-c", cure], cwd=repository.root, check=True)
    commit(repository)
    write(repository, key)


def test_products_and_builder_agree() -> None:
    """Each side has the words and limits for itself: the runtime is in the products, practicum is not."""
    text = (ROOT / "runtime/src/course_runtime/update/statement.py").read_text()
    assert f'STATEMENT = "{content_release.FILE}"' in text
    assert f'PRINCIPAL, NAMESPACE = "release", "{content_release.NAMESPACE}"' in text
    assert "ARCHIVE_LIMIT = 64 * 10**6" in text and content_release.LIMIT == 64 * 10**6


# ---- publishing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    return tmp_path / "web"


@pytest.fixture
def folders(tmp_path: Path, key: Path) -> list[Path]:
    """Two content releases."""
    return [make_content_release(tmp_path / f"content{number}", number, key, semester=SEMESTER) for number in (1, 2)]


def test_archive_comes_first_and_content_json_last(folders: list[Path], web: Path, console: Console) -> None:
    there = web / f"{SEMESTER}-content"
    assert publish(folders[0], str(web), console) == [f"{web}: {SEMESTER}-content shows content release 1 now"]
    assert read_bytes(there) == read_bytes(folders[0])
    publish_and_kill(folders[1], str(web), "show")
    assert len([*there.glob("*.tar.gz")]) == 2
    assert (there / "content.json").read_bytes() == (folders[0] / "content.json").read_bytes()
    assert publish(folders[1], str(web), console) == [f"{web}: {SEMESTER}-content shows content release 2 now"]
    before = snapshot(web)
    assert publish(folders[1], str(web), console) == [f"{web}: {SEMESTER}-content shows content release 2 already"]
    told = publish(folders[0], str(web), console)
    assert told == [f"{web}: {SEMESTER}-content still shows content release 2, which is newer"]
    assert snapshot(web) == before


def test_kill_in_the_middle_of_the_archive(folders: list[Path], web: Path, console: Console) -> None:
    publish_and_kill(folders[0], str(web), "1")
    assert not [*(web / f"{SEMESTER}-content").iterdir()], "no file has a name before it is complete"
    publish(folders[0], str(web), console)


def test_another_content_under_the_number_is_refused(
    folders: list[Path], web: Path, tmp_path: Path, key: Path, console: Console
) -> None:
    again = make_content_release(tmp_path / "again", 1, key, seed="another", semester=SEMESTER)
    publish(folders[0], str(web), console)
    before = snapshot(web)
    with pytest.raises(PracticumError, match=rf"content release 1 of {SEMESTER}: is there with another content; raise"):
        publish(again, str(web), console)
    assert snapshot(web) == before
    (web / f"{SEMESTER}-content/content.json").unlink()
    with pytest.raises(PracticumError, match="is there with another content"):
        publish(again, str(web), console)


def test_what_cannot_be_published(folders: list[Path], web: Path, console: Console) -> None:
    with pytest.raises(PracticumError) as caught:
        publish(folders[0], "docker://registry.example/ee559", console)
    assert str(caught.value) == (
        "docker://registry.example/ee559: takes no content release: machines fetch it as a file; "
        "give a folder, HOST:PATH, rsync://HOST/MODULE or https://HOST/..."
    )
    flip(folders[0] / ARCHIVE, 99)
    with pytest.raises(Untrue, match=r"is not the archive that content\.json names; make it: practicum release"):
        publish(folders[0], str(web), console)
    (folders[1] / "content.json").write_text("{}")
    with pytest.raises(Untrue, match=r"content\.json: states nothing of a content release"):
        publish(folders[1], str(web), console)
    assert not [*web.iterdir()]


# ---- from the builder to the product -------------------------------------------------------------------------------

RUN = """
import sys
from pathlib import Path
from course_runtime.machine.machine import Machine
from course_runtime.update import cli
root = Path(sys.argv.pop(1))
cli.Machine = lambda: Machine(root=root)
cli.main()
"""


def test_product_takes_what_was_published(repository: Checkout, key: Path, web: Path, console: Console) -> None:
    root, home = web.parent / "root", web.parent / "home"
    for folder in (root / "etc/course", root / "opt/course", home):
        folder.mkdir(parents=True)
    publish(write(repository, key).folder, str(web), console)
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(web)))) as url:
        repository.replace("[data]\n", f'[release]\naddress = "{url}/"\n\n[data]\n')
        describe_product(repository, root)
        first = run_update(root, home)
        assert first.splitlines()[0] == "course-update: content release 1 came"
        page = home / "ee559/index.md"
        assert re.search(r"PyTorch 2\.\d+\.\d+ with .* content release 1\b", page.read_text(), re.DOTALL)
        practical = next((home / "ee559/practicals").rglob("*.ipynb"))
        practical.write_text("mine")
        change_page(repository, 2)
        publish(write(repository, key).folder, str(web), console)
        assert run_update(root, home).splitlines()[0] == "course-update: content release 2 came"
    assert page.read_text().endswith("corrected\n") and practical.read_text() == "mine"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def describe_product(repository: Checkout, root: Path) -> None:
    """Writes what the course's stage would write."""
    from practicum.recipes.course import Course
    from practicum.semester.products import list_all

    stage = next(one for one in list_all(repository.load()) if isinstance(one, Course) and one.product == "cpu")
    stage.write_updates(root / "updates")
    for name, target in (("course.json", "etc"), ("signers", "opt"), ("versions.json", "opt")):
        (root / "updates" / name).rename(root / target / "course" / name)


def run_update(root: Path, home: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT / "runtime/src")}
    argv = [sys.executable, "-c", RUN, str(root)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout
