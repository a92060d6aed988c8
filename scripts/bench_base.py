"""What every part of the benchmark works with: the semester, a folder of its own, builds and servers that are timed."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from figures import Figure
from sandbox import change_content, lend_output

from practicum.engine import run, stages
from practicum.engine.cache import format_bytes
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.semester.description import Semester
from practicum.semester.locks import Variant, find_lock
from practicum.wheels import wheelhouse

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build/logs"


@dataclass(frozen=True)
class Bench:
    """What a part measures, and `work`, a folder of its own on the checkout's disk that is removed afterwards."""

    semester: Semester
    work: Path
    console: Console

    def run(self, *argv: str, name: str, **options: object) -> float:
        """Run a command to its end, its output in build/logs/bench-<name>.log, and return the seconds it took."""
        log = LOGS / f"bench-{name}.log"
        log.unlink(missing_ok=True)
        return run.run(argv, step=f"bench {name}", log=log, on_line=self.console.line, **options).seconds

    def practicum(self, *arguments: str, name: str, **options: object) -> float:
        """Run this checkout's own `practicum`, as `run` does."""
        program = os.fspath(Path(sys.executable).with_name("practicum"))
        return self.run(program, *arguments, name=name, contain=False, **options)


Part = Callable[[Bench], list[Figure]]


def require_finished(recipe: Sequence[Stage], target: str) -> None:
    """Raise PracticumError unless every stage is cached: what is measured must be what a build would give."""
    if stale := [stage.name for stage in recipe if stages.find_fault(stage)]:
        raise PracticumError(", ".join(stale), "would run", f"finish the build first: make {target}")


def time_nothing_changed(bench: Bench, target: str, recipe: Sequence[Stage]) -> float:
    """Return the median of three of `make <target>`, the command a person types."""
    require_finished(recipe, target)
    command = ("make", "--no-print-directory", target, f"SEMESTER={bench.semester.id}")
    return statistics.median(bench.run(*command, name=f"warm-{target}", cwd=ROOT, contain=False) for _ in range(3))


def time_content_change(
    bench: Bench,
    copy: Semester,
    home: Path,
    target: str,
    list_recipe: Callable[[Semester], Sequence[Stage]],
    expected: Sequence[str],
) -> tuple[str, float]:
    """Change the content of `copy`, build in it what follows, and return the changed file and the seconds."""
    changed = change_content(copy)
    recipe = list_recipe(copy)
    missing = [stage.name for stage in recipe if stages.find_fault(stage)]
    if missing != list(expected):
        raise PracticumError(", ".join(missing), "would run", f"finish the build first: make {target}")
    for stage in recipe:
        if stage.name not in missing:
            lend_output(stage, home)
    return changed, build_copy(bench, copy, home, target, name=f"content-{target}")


def build_copy(bench: Bench, copy: Semester, home: Path, *arguments: str, name: str) -> float:
    """Return the seconds of `practicum <arguments>` in the checkout of `copy`, with the cache at `home`."""
    scope = copy.id
    return bench.practicum(*arguments, scope, name=name, cwd=copy.course_root, env={"XDG_CACHE_HOME": str(home)})


def fetch_wheels(bench: Bench, copy: Semester, kind: Variant, home: Path) -> Figure:
    """Find, download and check what the cache at `home` lacks of the wheels of `kind`."""
    before, started = size_of_wheels(home), time.monotonic()
    wheelhouse.prepare(find_lock(copy, kind), home / "practicum", bench.console)
    seconds, fetched = time.monotonic() - started, format_bytes(size_of_wheels(home) - before)
    return Figure(f"fetching {fetched} of wheels", seconds, "s")


def size_of_wheels(home: Path) -> int:
    return sum(path.stat().st_size for path in (home / "practicum/wheels").rglob("*.whl"))


def read_stage_times(home: Path) -> dict[str, float]:
    """Return the seconds that each stage built in the cache at `home` recorded."""
    manifests = (home / "practicum/stages").glob("*/*/manifest.json")
    return {path.parents[1].name: float(json.loads(path.read_text())["seconds"]) for path in manifests}


def list_stage_times(home: Path, names: Sequence[str]) -> list[Figure]:
    times = read_stage_times(home)
    return [Figure(f"stage {name}", times[name], "s") for name in names]


def wait_for_server(url: str, timeout: float, log: Path, *, pause: float = 0.1) -> None:
    """Poll the light /api, which needs no credential, until it answers with 200."""
    deadline = time.monotonic() + timeout
    # Made once: a client of its own for each question would keep a processor busy.
    with httpx.Client(trust_env=False, timeout=2, verify=False) as client:
        while True:
            with suppress(httpx.TransportError):
                if client.get(f"{url}/api").status_code == 200:
                    return
            if time.monotonic() > deadline:
                raise PracticumError(url, f"no JupyterLab within {timeout:.0f} s", f"see {log}")
            time.sleep(pause)
