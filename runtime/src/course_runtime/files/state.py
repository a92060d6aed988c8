"""What earlier runs of `course-sync` did in a home, so that no file of the student is taken for the course's."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from course_runtime.files.manifest import Hashes
from course_runtime.machine.atomic import write_atomically

STATE = ".local/state/course/sync.json"


@dataclass
class State:
    """What earlier runs did: per path, the version last installed and the one last offered beside an edited file.

    releases: per course and semester, the number of the newest content release that came.
    """

    installed: Hashes = field(default_factory=dict)
    offered: Hashes = field(default_factory=dict)
    releases: dict[str, int] = field(default_factory=dict)


def read_state(path: Path) -> State:
    """Return what earlier runs did; an unreadable record counts as none, which costs no file of the student."""
    try:
        values = json.loads(path.read_bytes())
        releases = {str(name): int(number) for name, number in values.get("releases", {}).items()}
        return State(dict(values["installed"]), dict(values["offered"]), releases)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return State()


def write_state(path: Path, state: State) -> None:
    """Record what was done, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encode_state(state), mode=0o644)


def encode_state(state: State) -> bytes:
    """Return the state as it is written."""
    return json.dumps({"version": 1, **vars(state)}, indent=0, sort_keys=True).encode()
