"""Publishes a release so that students never see half of one, and never another one under the same name.

Every target keeps the same rules. A published name keeps its content. Nothing is sent before every item was looked for
in the target. The moving name of the semester changes last, and never to an older release. So when a run is killed, the
moving name still shows the release before; the next run goes on; and a run after that changes nothing.
"""

import re
from contextlib import AbstractContextManager
from pathlib import Path

from practicum.engine.cache import format_bytes
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release.places import FolderPlace
from practicum.release.sums import SIGNATURE, SUMS, check_sums, read_small, read_sums
from practicum.release.target import Item, Release, Target
from practicum.release.verify import check_record

CONTENT_FILE = "content.json"
"""What the folder of a content release has, and that of a release has not."""


def publish(
    folder: Path, target: str, console: Console, *, unsigned: bool = False, limit: int = 0, split: bool = False
) -> list[str]:
    """Publish the release or content release in `folder` to `target`, and return the lines that say what was done.

    target: a folder; `host:path` or `rsync://host/module`; `docker://host[:port]/repository`; the http(s) address of a
    generic package. unsigned: publish a release without a signature. limit: the most bytes of one file, 0 for the
    target's own limit. split: cut larger files into pieces that `cat` joins.

    Raises Untrue when the release is not what its sums say, PracticumError when the target has something else under
    one of its names, cannot be reached or refuses a file.
    """
    if (folder / CONTENT_FILE).is_file():
        from practicum.release.content_publish import publish_content

        return publish_content(folder, target, console)
    release = open_release(folder, console, unsigned=unsigned, limit=limit, split=split)
    name, semester, number = release.record.name, release.record.semester, release.record.number
    with connect(target) as there:
        items = list(there.list_items(release))
        absent = find_absent(there, items, f"{target}: {name}")
        send(there, absent, console, f"publishing {name}")
        there.complete(release)
        shown = there.list_shown(semester)
        lines = [f"{target}: {name}, {len(absent)} of {len(items)} items sent"]
        if max(shown) > number:
            lines.append(f"{semester} still shows {semester}-r{max(shown)}, which is newer")
        elif shown == {number}:
            lines.append(f"{semester} shows {name} already")
        else:
            there.show(release)
            lines.append(f"{semester} shows {name} now")
        return lines + there.describe(release)


def check_target(target: str, key: Path | None) -> None:
    """Raise PracticumError where a release could not be published to `target` now.

    key: the private ssh key that is to sign it; None for none.
    """
    if key is None:
        cure = "make a key as docs/release.md says, then: export PRACTICUM_SIGNING_KEY=practicum-release"
        raise PracticumError("PRACTICUM_SIGNING_KEY", "is not set, and only a signed release is published", cure)
    if not key.is_file():
        raise PracticumError(str(key), "no such key", f"make one: ssh-keygen -t ed25519 -f {key}")
    with connect(target) as there:
        there.check()


def open_release(folder: Path, console: Console, *, unsigned: bool, limit: int = 0, split: bool = False) -> Release:
    """Return the release in `folder`, after a look at every byte of it."""
    if not folder.is_dir():
        raise PracticumError(str(folder), "no such folder", "make it: practicum release")
    place = FolderPlace(folder)
    if not unsigned and not (folder / SIGNATURE).is_file():
        cure = "build it with --key KEY, or publish it with --unsigned"
        raise PracticumError(str(folder), "is not signed", cure)
    sums = read_sums(place, read_small(place, SUMS).decode(errors="replace"))
    with console.transfer(f"comparing {folder} with its sums", sums.total) as report:
        check_sums(place, sums, report=report)
    record = check_record(place, sums)
    if not record.number:
        raise PracticumError(str(folder), "has no release number", f"build it: practicum release {record.semester}")
    return Release(folder, record, sums, limit, split)


def find_absent(target: Target, items: list[Item], where: str) -> list[Item]:
    """Return the items that the target lacks; raises PracticumError when it has another content under a name."""
    absent = []
    for item in items:
        found = target.find(item)
        if found is None:
            absent.append(item)
        elif found != item.digest:
            raise PracticumError(
                where, f"{item.name} is there with another content", "leave it as it is, and make the next release"
            )
    return absent


def send(target: Target, items: list[Item], console: Console, title: str) -> None:
    """Send the items in their order, with progress."""
    if not items:
        return
    with console.transfer(title, sum(item.size for item in items)) as report:
        for item in items:
            console.line(f"{item.name}, {format_bytes(item.size)}")
            target.put(item, report)


def connect(target: str) -> AbstractContextManager[Target]:
    """Return the target that a user named, open until the end of the block."""
    if target.startswith("docker://"):
        from practicum.release.registry import open_registry

        return open_registry(target)
    if target.startswith(("https://", "http://")):
        from practicum.release.packages import open_packages

        return open_packages(target)
    if re.match(r"(?!rsync:)[^/:]+://", target):
        cure = "give a folder, HOST:PATH, rsync://HOST/MODULE, docker://HOST/REPOSITORY or https://HOST/..."
        raise PracticumError(target, "is no kind of target", cure)
    if target.startswith("rsync://") or re.match(r"[^/]+:", target):
        from practicum.release.rsync_target import open_rsync

        return open_rsync(target)
    from practicum.release.folder_target import open_folder

    return open_folder(Path(target))
