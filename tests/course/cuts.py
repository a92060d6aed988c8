"""Work that is cut: killed, or by a power cut that loses what was not flushed to the disk."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from course_runtime.machine.machine import Machine
from fake_machine import Fixture


def cut_in_child(fixture: Fixture, act: Callable[[Machine], object], cut_after: int, *, power: bool) -> bool:
    """Run `act` in a child process that dies after the `cut_after`th fsync, rename or program; False if it got through.

    With `power`, everything written under the machine's root since and not fsynced is lost, as in a power cut.
    """
    child = os.fork()
    if child == 0:
        count = 0
        synced = {path.stat().st_ino for path in fixture.machine.root.rglob("*")}

        def counted(act: Callable[..., object], *, is_fsync: bool = False) -> Callable[..., object]:
            def wrapper(*arguments: object, **options: object) -> object:
                nonlocal count
                result = act(*arguments, **options)
                if is_fsync:
                    synced.add(os.fstat(arguments[0]).st_ino)  # type: ignore[arg-type]
                count += 1
                if count == cut_after:
                    if power:
                        lose_unsynced(fixture.machine.root, synced)
                    os._exit(9)
                return result

            return wrapper

        os.fsync = counted(os.fsync, is_fsync=True)  # type: ignore[assignment]
        os.replace = counted(os.replace)  # type: ignore[assignment]
        try:
            act(replace(fixture.machine, run=counted(fixture.machine.run)))  # type: ignore[arg-type]
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def lose_unsynced(root: Path, synced: set[int]) -> None:
    for path in root.rglob("*"):
        if path.is_file() and path.stat().st_ino not in synced:
            os.truncate(path, 0)
