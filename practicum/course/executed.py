"""The lectures with what their programs print and draw: run once, kept in the cache, shown by every page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from practicum.course.notebooks import RECIPE, SUFFIX
from practicum.engine import cache

STORE = "lectures"
"""The folder of the cache with the notebooks that were run."""


@dataclass(frozen=True)
class Lecture:
    """A lecture. name: "lecture-01-tensors". kept: path of the notebook with its outputs, once it was run."""

    name: str
    kept: Path


@dataclass(frozen=True)
class Executed:
    """The lectures of a semester; a stage that reads them runs again when one of them was run."""

    lectures: tuple[Lecture, ...]

    @cached_property
    def there(self) -> tuple[Lecture, ...]:
        """Return the lectures that were run when this is first asked: what is run later does not change a stage."""
        return tuple(lecture for lecture in self.lectures if lecture.kept.is_file())

    @property
    def missing(self) -> tuple[Lecture, ...]:
        """Return the lectures that were not run as they are now."""
        return tuple(lecture for lecture in self.lectures if lecture not in self.there)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the digests of the notebooks, as the inputs of a stage."""
        digests = {lecture.name: cache.hash_file(lecture.kept) for lecture in self.there}
        return {"lectures that were run": sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()}

    def read(self) -> dict[str, bytes]:
        """Return the notebooks with their outputs, by the names of the lectures."""
        return {lecture.name: lecture.kept.read_bytes() for lecture in self.there}


def find_executed(course_content: Path, include: Sequence[str], environment: str) -> Executed:
    """Return the lectures of the content.

    include: as in the description. environment: a digest of all but its text that decides on what a lecture prints:
    the locked packages, the prologue, the data sets. A lecture that has changed counts as not run.
    """
    named = [path for path in include if path.split("/")[0] == "lectures"]
    sources = sorted({source for path in named for source in (course_content / path).glob(f"*{SUFFIX}")})
    return Executed(tuple(_find_lecture(source, environment) for source in sources))


def _find_lecture(source: Path, environment: str) -> Lecture:
    name = source.name.removesuffix(SUFFIX)
    digest = sha256(json.dumps([RECIPE, environment]).encode() + source.read_bytes()).hexdigest()
    return Lecture(name, cache.root() / STORE / f"{name}-{digest[:16]}.ipynb")
