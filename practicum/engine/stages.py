"""The engine of the build: a stage runs once for each key, and its output appears complete or not at all.

    <cache>/stages/<name>/<key>/manifest.json     a finished output, beside its files
    <cache>/scopes/<scope>/<name>.json            the keys a scope (a semester) used last, newest first
    <cache>/work/<name>-<id>/                     where a stage is being built
    <cache>/logs/<scope>/<name>/                  the logs of its last failure

A key is known before anything runs (stage.py), so `explain` says what a build will do.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from practicum.engine import cache, run
from practicum.engine.errors import PracticumError, ProgramFailed
from practicum.engine.progress import Console
from practicum.engine.publish import move_folder, write_text
from practicum.engine.stage import Stage
from practicum.engine.tools import require

MANIFEST = "manifest.json"
MANIFEST_VERSION = 2
LOOKS = 4
"""Outputs that are looked at side by side."""

KEPT = 2
"""Outputs of one stage a scope keeps: the present one and the one before, for going back after a bad edit."""


@dataclass(frozen=True)
class Pruned:
    """What `prune` did: folders removed, bytes freed on this disk, one line for each thing it had to leave."""

    removed: tuple[str, ...] = ()
    freed: int = 0
    left: tuple[str, ...] = field(default=())


def ensure(
    stage: Stage, scope: str, console: Console | None = None, *, again: bool = False, complete: bool = False
) -> Path:
    """Return the folder with the stage's output, building it first when it is not there, or `again`.

    complete: `find_missing` has just found the output complete, and it is not looked at once more.

    When another process builds the same output for the same scope, raises cache.Busy at once; for another scope (a
    semester with the same base), waits for it. Raises whatever `build` raises, and PracticumError for a missing tool,
    no disk space or an output that `build` did not make.
    """
    console = console or Console()
    if not again and (complete or not find_fault(stage)):
        console.skip(stage.name, "cached")
    else:
        with console.stage(stage.name):
            console.say("asked for" if again else explain(stage, scope))
            _build_locked(stage, scope, console, again=again)
    _remember(stage, scope)
    return stage.folder


def last_output(scope: str, name: str) -> Path | None:
    """Return the output of stage `name` that `scope` used last, None when there is none any more."""
    used = _used(scope, name)
    folder = cache.root() / "stages" / name / used[0]["key"] if used else None
    return folder if folder and (folder / MANIFEST).exists() else None


def recall_seconds(stage: Stage, scope: str) -> float | None:
    """Return the seconds that `stage` took when it ran last for `scope`, else for any other; None if it never did."""
    folder = last_output(scope, stage.name)
    others = (cache.root() / "stages" / stage.name).glob(f"*/{MANIFEST}")
    newest = max(others, key=lambda file: file.stat().st_mtime_ns, default=None)
    file = folder / MANIFEST if folder else newest
    seconds = _read_json(file).get("seconds") if file else None
    return float(seconds) if isinstance(seconds, int | float) else None


def describe_file(path: Path) -> str:
    """Return as JSON what tells cheaply that a file outside the cache is still the one a stage wrote."""
    status = path.stat()
    return json.dumps({"bytes": status.st_size, "mtime_ns": status.st_mtime_ns})


def find_fault(stage: Stage) -> str:
    """Return why the cached output cannot be used ("no output", "output missing: ..."), or "" when it is complete."""
    folder = stage.folder
    recorded_outputs = _read_json(folder / MANIFEST).get("outputs")
    if not isinstance(recorded_outputs, dict):
        return "no output"
    for name in stage.outputs:
        recorded = recorded_outputs.get(name)
        path = folder / name
        if not recorded or not path.is_file():
            return f"output missing: {name}"
        if path.stat().st_size != recorded["bytes"]:
            return f"output missing: {name} has another size than recorded"
    return "" if stage.still_there(folder) else "output missing: what it left outside the cache is gone"


def explain(stage: Stage, scope: str) -> str:
    """Return in one line why `stage` would run for `scope`, or "cached"."""
    fault = find_fault(stage)
    if not fault:
        return "cached"
    used = _used(scope, stage.name)
    if not used:
        return "first build"
    before = used[0]["inputs"]
    changes = [
        label + _describe_change(before.get(label), stage.inputs.get(label))
        for label in sorted({*before, *stage.inputs})
        if before.get(label) != stage.inputs.get(label)
    ]
    return f"changed: {', '.join(changes)}" if changes else fault


def find_missing(stages: Sequence[Stage], again: Collection[str] = ()) -> list[Stage]:
    """Return the stages that will run; raise PracticumError before anything starts when they lack tools or disk space.

    `again`: names of stages that run though they are cached.
    """
    with ThreadPoolExecutor(LOOKS) as pool:  # each look waits for an answer of docker
        faults = [*pool.map(find_fault, stages)]
    missing = [stage for stage, fault in zip(stages, faults, strict=True) if stage.name in again or fault]
    require(*dict.fromkeys(tool for stage in missing for tool in stage.needs))
    cache.require_space(cache.root(), sum(stage.measure_space() for stage in missing), "the build")
    return missing


def prune(remove_image: Callable[[str], None]) -> Pruned:
    """Remove what killed builds left and every output that is not among the last KEPT of any scope.

    remove_image: removes the docker image of a name, if there is one. Where it raises PracticumError, the output stays.
    """
    swept = cache.sweep()
    wanted = {(path.stem, entry["key"]) for path in _scopes().glob("*/*.json") for entry in _read_used(path)}
    removed, left, freed = [os.fspath(folder) for folder in swept], [], 0
    for folder in sorted((cache.root() / "stages").glob("*/*")):
        if (folder.parent.name, folder.name) in wanted:
            continue
        try:
            with cache.lock(f"{folder.parent.name}-{folder.name}", f"pruning {folder.parent.name}"):
                size = sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
                _remove_output(folder, remove_image)
        except PracticumError as error:
            left.append(f"{folder.parent.name}/{folder.name[:16]}: {error}")
        else:
            removed.append(os.fspath(folder))
            freed += size
    return Pruned(tuple(removed), freed, tuple(left))


def forget(scope: str) -> None:
    """Forget what `scope` used, so that `prune` removes what no other scope uses.

    scope: its whole name, or the end of it that follows a hyphen. Raises PracticumError if not just one is meant.
    """
    known = sorted(path.name for path in _scopes().glob("*"))
    meant = [scope] if scope in known else [name for name in known if name.endswith(f"-{scope}")]
    if len(meant) != 1:
        reason = "several courses have such a semester" if meant else "the cache has no such semester"
        raise PracticumError(f"--semester={scope}", reason, f"known: {', '.join(meant or known)}")
    cache.remove_tree(_scopes() / meant[0])


def list_lost_images() -> list[str]:
    """Return the names of docker images of stages that have no folder in this cache, sorted.

    They may be another cache's, so nobody removes them by himself. None are found where docker does not answer.
    """
    try:
        shown = run.read(["docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", "practicum-*"], step="prune")
    except PracticumError:
        return []
    names = (name.removeprefix("practicum-").split(":") for name in shown.split())
    folders = cache.root() / "stages"
    return sorted(f"practicum-{stage}:{key}" for stage, key in names if not [*(folders / stage).glob(f"{key}*")])


def _build_locked(stage: Stage, scope: str, console: Console, *, again: bool) -> None:
    def other_scope(holder: cache.Holder | None) -> bool:
        if holder is None or holder.scope == scope:
            return False
        console.say(f"waiting for {holder}")
        return True

    with cache.lock(f"{stage.name}-{stage.key}", f"{stage.name} of {scope}", scope=scope, wait=other_scope):
        if not again and not find_fault(stage):  # whoever we waited for has built it
            return
        cache.sweep()
        require(*stage.needs)
        cache.require_space(cache.root(), stage.measure_space(), f"stage {stage.name}")
        with cache.work_folder(stage.name) as work:
            started = time.monotonic()
            content = work / "output"
            content.mkdir()
            with _kept_logs(content, cache.root() / "logs" / scope / stage.name):
                stage.build(content, console)
            _write_manifest(stage, content, time.monotonic() - started)
            _sync_files(content)
            move_folder(content, stage.folder)
        console.say(f"done in {time.monotonic() - started:.1f} s")


@contextmanager
def _kept_logs(content: Path, logs: Path) -> Iterator[None]:
    """Save the logs of a failed build from the removal of its work folder, and make its message name them there."""
    try:
        yield
    except BaseException as error:
        cache.remove_tree(logs)
        for path in content.glob("*.log"):
            logs.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, logs)
        if isinstance(error, ProgramFailed) and error.log:
            error.log = logs / error.log.name
        raise


def _write_manifest(stage: Stage, content: Path, seconds: float) -> None:
    for name in stage.outputs:
        path = content / name
        if not path.is_file() or not path.stat().st_size:
            raise PracticumError(f"stage {stage.name}", f"it ended without making {name}", "see its log")
    outputs = {
        name: {"sha256": cache.hash_file(content / name), "bytes": (content / name).stat().st_size}
        for name in stage.outputs
    }
    manifest = {
        "version": MANIFEST_VERSION,
        "name": stage.name,
        "key": stage.key,
        "inputs": dict(stage.inputs),
        "outputs": outputs,
        "image": stage.image,
        "tools": {tool: run.version(tool) for tool in stage.needs if not tool.startswith("/")},
        "seconds": round(seconds, 1),
    }
    write_text(content / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def _sync_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _remove_output(folder: Path, remove_image: Callable[[str], None]) -> None:
    if image := _read_json(folder / MANIFEST).get("image", ""):
        remove_image(image)
    with suppress(FileNotFoundError):
        (folder / MANIFEST).unlink()  # first, so that a half removed folder is no output
    cache.remove_tree(folder)


def _remember(stage: Stage, scope: str) -> None:
    pointer = _scopes() / scope / f"{stage.name}.json"
    with cache.lock(f"scope-{scope}-{stage.name}", f"noting {stage.name} of {scope}", wait=cache.patient):
        entry = {"key": stage.key, "inputs": dict(stage.inputs)}
        used = _read_used(pointer)
        if used[:1] != [entry]:
            older = [other for other in used if other["key"] != stage.key]
            write_text(pointer, json.dumps({"used": [entry, *older][:KEPT]}, indent=2) + "\n")


def _used(scope: str, name: str) -> list[dict[str, Any]]:
    return _read_used(_scopes() / scope / f"{name}.json")


def _read_used(pointer: Path) -> list[dict[str, Any]]:
    used: list[dict[str, Any]] = _read_json(pointer).get("used", [])
    return used


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _scopes() -> Path:
    return cache.root() / "scopes"


def _describe_change(before: str | None, after: str | None) -> str:
    if before is None:
        return " (new)"
    if after is None:
        return " (gone)"
    # Two digests tell a reader nothing; two short values tell everything.
    return "" if max(len(before), len(after)) > 24 else f" ({before} -> {after})"
