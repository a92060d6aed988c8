"""Whether what a build downloads can be had, from the sources that pip, uv and apt of this machine are told of."""

import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from packaging.requirements import Requirement

from practicum.engine import cache
from practicum.engine.errors import PracticumError, ProgramFailed
from practicum.engine.run import run
from practicum.engine.stage import Stage
from practicum.recipes.wheels import Wheels
from practicum.semester.description import Semester
from practicum.semester.locks import find_target
from practicum.semester.values import PINNED
from practicum.wheels.lockfile import hash_lock, locate
from practicum.wheels.resolver import resolve
from practicum.wheels.store import find_file

IMPATIENCE = {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
"""How uv waits for an index, where the environment does not say it."""

ASK = Path(__file__).with_name("ask-archives.sh")
"""What mmdebstrap runs before it asks its archives for their packages."""

REACHED = "practicum: reached"


def find_wheels(missing: Sequence[Stage]) -> str:
    """Look whether the wheels of the `missing` stages can be had, and return how many.

    Raises PracticumError if one cannot.
    """
    locks = list(dict.fromkeys(stage.lock.path for stage in missing if isinstance(stage, Wheels)))
    asked = [lock for lock in locks if not is_downloaded(lock)]
    if not asked:
        return "all in the cache" if locks else "none needed"
    with impatience():
        found = [wheel for lock in asked for wheel in locate(lock)]
    return f"{len(found)} found where uv and pip look"


def find_index(semester: Semester) -> str:
    """Look whether the index has the first package of a semester without locks; raises as `find_wheels` does."""
    general = [text for text in semester.python.requires if Requirement(text).name.lower() not in PINNED]
    with impatience():
        resolve(general[:1], find_target(semester, semester.built_for[0]), deps=False, where="wheels")
    return "the index that uv asks answers, for practicum lock"


def is_downloaded(lock: Path) -> bool:
    """Return whether the cache has every wheel of a lock, as the last build of it left them."""
    try:
        listed = json.loads((cache.locate() / "wheelhouses" / f"{hash_lock(lock)}.json").read_bytes())
        store = cache.locate() / "wheels"
        return all(find_file(store, one["sha256"], one["filename"]).is_file() for one in listed)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def find_packages(missing: Sequence[Stage] | None, suite: str) -> str:
    """Look whether Debian's archives answer, if one of the `missing` stages asks them, and return how many did.

    None stands for stages that are not known yet. Raises PracticumError if one does not answer, with what apt said.
    """
    if missing is not None and not any(hasattr(stage, "debs") for stage in missing):
        return "none needed"
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as work, suppress(ProgramFailed):
        hook = f'--setup-hook=bash {shlex.quote(str(ASK))} "$1"'
        argv = ["mmdebstrap", "--mode=root", "--variant=custom", "--format=null", hook, suite, os.devnull]
        run(argv, step="packages", tmp=Path(work), on_line=lines.append)
    mistakes = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    # The hook's own end comes after all that apt says.
    if REACHED not in lines or not (mistakes and mistakes[0].startswith("command failed")):
        reason = " ".join(mistakes[0].split())[:200] if mistakes else "none answers"
        raise PracticumError("packages", f"Debian's archives: {reason}", "check the network and apt's proxy")
    return f"{lines.count(REACHED)} archives of Debian answer"


@contextmanager
def impatience() -> Iterator[None]:
    """Let uv soon say that nothing answers."""
    added = {name: value for name, value in IMPATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
