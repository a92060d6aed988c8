"""Which content there is: the image's own, and content releases that came later and lie in the home."""

import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path

from course_runtime.machine.machine import CourseError

MANIFEST = "manifest.json"
DATED = ".dated/"
"""The folder of a content with what comes at a date, the solutions; Jupyter does not show it."""
KEPT = ".local/share/course/content"

Hashes = dict[str, str]  # path inside the content, with slashes -> SHA-256 in hexadecimal


@dataclass(frozen=True)
class Manifest:
    """A content's files; its course and semester, "ee559-2027-spring"; its number, 0 for content without one.

    dates: path in the folder .dated -> the day from which on students get the file.
    """

    files: Hashes
    name: str
    release: int
    dates: dict[str, date] = field(default_factory=dict)

    def list_due(self, today: date, came: Container[str]) -> Iterator[tuple[str, str]]:
        """Yield (path in the content, path in the student's folder) of each file that comes today.

        came: paths of the student's folder that came before; their date is past, whatever the clock says now.
        """
        for path in self.files:
            day = self.dates.get(path)
            target = path if day is None else path.removeprefix(DATED)
            if day is None or day <= today or target in came:
                yield path, target


def read_manifest(content: Path) -> Manifest:
    """Return the manifest of `content`; raise CourseError when it is missing or not safe."""
    path = content / MANIFEST
    try:
        return parse_manifest(path.read_bytes())
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CourseError(f"{path}: not a list of the course's files ({error})", "no new content today") from None


def parse_manifest(text: bytes) -> Manifest:
    """Return the manifest in `text`; raise ValueError and its like when it is none, or not safe."""
    values = json.loads(text)
    hashes = {str(name): str(digest) for name, digest in values["files"].items()}
    dates = {str(name): date.fromisoformat(day) for name, day in values.get("dates", {}).items()}
    if odd := [name for name in dates if name not in hashes or not name.startswith(DATED)]:
        raise ValueError(f"{odd[0]!r} is no dated file")
    for name in (*hashes, *(name.removeprefix(DATED) for name in dates)):
        if name.startswith("/") or not name or ".." in name.split("/"):
            raise ValueError(f"{name!r} leaves the content folder")
    slug = re.sub(r"[^a-z0-9]", "", str(values.get("course", "")).lower())
    release = int(values.get("release", 0))
    return Manifest(hashes, f"{slug}-{values['semester']}" if release else "", release, dates)


def find_kept(home: Path, name: str) -> Path:
    """Return the folder of the content releases of `name` that came into `home`, each in one called by its number."""
    return home / KEPT / name


def list_kept(home: Path, name: str) -> list[int]:
    """Return their numbers, the newest first."""
    try:
        found = [path.name for path in find_kept(home, name).iterdir()]
    except OSError:
        return []
    return sorted((int(number) for number in found if re.fullmatch("[1-9][0-9]{0,3}", number)), reverse=True)


def choose_content(image: Path, home: Path, name: str) -> tuple[Path, str]:
    """Return the newest content there is, and what is wrong with a newer one that was passed over ("" for nothing).

    image: the image's own content. name: of the course and semester, whose releases in `home` count.
    """
    problems: list[str] = []
    for number in list_kept(home, name):
        if number <= read_release(image):
            break
        content = find_kept(home, name) / str(number)
        if not (damage := find_damage(content, name, number)):
            return content, "".join(problems[:1])
        problems.append(f"{content}: {damage}: it is left out; course-update fetches it again")
    return image, "".join(problems[:1])


def read_release(content: Path) -> int:
    """Return the number of `content`, 0 when it has none."""
    try:
        return read_manifest(content).release
    except CourseError:
        return 0


def find_damage(content: Path, name: str, number: int) -> str:
    """Return what makes `content` unfit as the release `number` of `name`, "" for nothing."""
    try:
        manifest = read_manifest(content)
        if (manifest.name, manifest.release) != (name, number):
            return "it is another content release"
        for path, digest in manifest.files.items():
            if sha256((content / path).read_bytes()).hexdigest() != digest:
                return f"{path} is damaged"
    except CourseError as error:
        return error.reason
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""
