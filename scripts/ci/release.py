"""release.py TAG: release the products that were proved, publish them, and propose the record of the release.

TAG is 2027-spring-r1: the semester and the number of the release. PRACTICUM_PUBLISH lists the targets, in the order in
which they are published, separated by blanks. SIGNING_KEY holds the private key itself where the pipeline's host keeps
no secret files; otherwise PRACTICUM_SIGNING_KEY names its file.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from products import Proved, check
from propose import ROOT, Host, Proposal, git, propose, take_host

from practicum.cli import exit_code_of
from practicum.engine.errors import PracticumError
from practicum.engine.run import run, stop_on_signals
from practicum.release.record import FILE, Record, read_record
from practicum.semester.find import find_semester

TAG = re.compile(r"(20\d\d(?:-[a-z0-9]+)*)-r([1-9]\d*)")
GPU_IMAGE = "build/report/gpu-image.txt"
ASSET_LIMIT = 2 << 30
"""A file of a GitHub release must have fewer bytes."""


def read_tag(tag: str) -> tuple[str, int]:
    """Return the semester and the number that a tag names; raises PracticumError for any other word."""
    match = TAG.fullmatch(tag)
    if not match:
        raise PracticumError("TAG", f"{tag!r} names no release", "name it like this: 2027-spring-r1")
    return match[1], int(match[2])


def check_gpu(root: Path, proved: Proved) -> str:
    """Return what is to be said of the GPU; raises PracticumError when another image than ours ran on it."""
    report = root / GPU_IMAGE
    if not report.exists():
        return "GPU: not proved"
    digest = report.read_text().strip().rpartition("@")[2]
    if digest not in {each["digest"] for each in proved.values()}:
        raise PracticumError(GPU_IMAGE, f"{digest} is no image of this release", "run ci-candidate and ci-gpu again")
    return f"GPU: proved for {digest}"


def check_record(record: Record, tag: str) -> None:
    """Raise PracticumError when the folder holds another release than the tag's."""
    if record.name != tag:
        raise PracticumError(f"dist/{record.semester}/release", f"it is {record.name}, not {tag}", "run: make clean")


@contextmanager
def signing_key(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Put the key in SIGNING_KEY into a file that only its owner can read; the block's end removes it."""
    text = environ.pop("SIGNING_KEY", "")
    if not text:
        yield
        return
    with TemporaryDirectory(prefix="practicum-key-") as folder:
        path = Path(folder) / "key"
        path.touch(0o600)
        path.write_text(text.rstrip("\n") + "\n")
        environ["PRACTICUM_SIGNING_KEY"] = str(path)
        yield


def practicum(*words: str) -> None:
    program = str(Path(sys.executable).with_name("practicum"))
    run([program, *words], step=" ".join(["practicum", *words[:2]]), cwd=ROOT, contain=False, on_line=print)


def list_assets(folder: Path) -> list[Path]:
    """Return the files of the release's folder that GitHub takes: all at the top that are small enough."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.stat().st_size < ASSET_LIMIT)


def publish_on_github(tag: str, folder: Path, host: Host) -> None:
    """Make the release's page: a draft until every file is there, so nobody sees half of it."""
    environment = host.environment()
    notes = str(folder / "NOTES.md")
    create = ["gh", "release", "create", tag, "--verify-tag", "--draft", "--title", tag, "--notes-file", notes]
    upload = ["gh", "release", "upload", tag, "--clobber", *map(str, list_assets(folder))]
    publish = ["gh", "release", "edit", tag, "--draft=false"]
    try:
        run(["gh", "release", "view", tag], step="gh", env=environment, contain=False, cwd=ROOT)
    except PracticumError:
        run(create, step="gh", env=environment, contain=False, cwd=ROOT, on_line=print)
    for argv in (upload, publish):
        run(argv, step="gh", env=environment, contain=False, cwd=ROOT, on_line=print)


def propose_record(record: Record, host: Host, root: Path = ROOT) -> None:
    """Propose the committed record, with which the next release says what it changes."""
    path = f"semesters/{record.semester}/releases/{record.number}.json"
    base = git("rev-parse", "HEAD", root=root)
    git("add", "--force", "--", path, root=root)
    tree = git("write-tree", root=root)
    title = f"Record the release {record.name}"
    body = "`practicum changes` compares the next release with this file."
    commit = git("commit-tree", tree, "-p", base, "-m", title, "-m", body, root=root)
    propose(Proposal(f"record/{record.name}", title, body), commit, host, root)


def release(tag: str, targets: list[str], host: Host) -> None:
    """Assemble, sign, verify and publish the release; nothing is published before it is proved and signed."""
    semester, number = read_tag(tag)
    described = find_semester(semester)
    print(check_gpu(ROOT, check(ROOT, described.id)))
    signed = "PRACTICUM_SIGNING_KEY" in os.environ
    if targets and not signed:
        cure = "docs/release.md says how to make a key; an unsigned release is published by hand"
        raise PracticumError("PRACTICUM_SIGNING_KEY", "it is not set, and only a signed release is published", cure)
    practicum("release", described.id, "--number", str(number))
    folder = ROOT / "dist" / described.id / "release"
    record = read_record(folder / FILE)
    check_record(record, tag)
    if signed:
        practicum("release", "verify", str(folder))
    for target in targets:
        practicum("release", "publish", str(folder), "--to", target)
    practicum("site", described.id, "--release", str(folder), "--to", str(ROOT / "public"))
    if host.kind == "github":
        publish_on_github(tag, folder, host)
    if host.kind:
        propose_record(record, host)


def main() -> None:
    if len(sys.argv) < 2:
        raise PracticumError("TAG", "it is not set", "name the release: make ci-release TAG=2027-spring-r1")
    host = take_host(os.environ)
    with signing_key(os.environ):
        release(sys.argv[1], os.environ.get("PRACTICUM_PUBLISH", "").split(), host)


if __name__ == "__main__":
    stop_on_signals()
    sys.exit(exit_code_of(main))
