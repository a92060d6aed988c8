"""Runs one part of the proof: proof_part.py NAME COMMAND...

Each line of output gets the part's name in front and goes to build/report/NAME.log as well. The CPU seconds, the
seconds and the exit code go to build/report/NAME.json. Nothing outlives the part: its processes are in a PID namespace,
its containers in a cgroup. On Ctrl-C the command is asked to end, and killed after GRACE seconds.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from proof_cgroup import Cgroup, open_cgroup

from practicum.engine.namespaces import contained

REPORT = Path(__file__).parents[1] / "build/report"
GRACE = 3.0
"""Seconds that a command has to end in order; all of the proof ends within five."""


WITH_EMULATORS = 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc 2>&-; exec "$@"'
"""The /proc of a namespace does not show what emulators the kernel knows, until they are mounted there, too."""


def contain(command: list[str]) -> list[str]:
    """`command` in a PID namespace of its own, where that is allowed; it dies with this process in any case."""
    if os.geteuid() == 0:
        return contained(["sh", "-c", WITH_EMULATORS, "sh", "tini", "--", *command])
    return ["setpriv", "--pdeathsig", "KILL", *command]


def find_containers(group: Cgroup) -> list[str]:
    """Ids of the containers that were started with the cgroup as their parent, running or not."""
    known = docker("ps", "--all", "--quiet").split()
    shown = docker("inspect", "--format", "{{.Id}} {{.HostConfig.CgroupParent}}", *known) if known else ""
    return [words[0] for line in shown.splitlines() if (words := line.split())[1:] == [group.path]]


def docker(*arguments: str) -> str:
    """Return what docker answers; nothing where it fails, for containers may end between two questions."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True).stdout


class Part:
    """A running command and what it says."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.group = open_cgroup(name)
        self.stopped = 0
        self.started = time.monotonic()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self.group:
            environment["PROOF_CGROUP"] = self.group.path
            self.group.enter()
        self.process = subprocess.Popen(
            contain(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
        )
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if not self.stopped:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGINT)
            killer = threading.Timer(GRACE, self.process.kill)
            killer.daemon = True
            killer.start()
        self.stopped = number

    def relay(self, log: IO[str]) -> None:
        """Show and keep each line until the command ends."""
        assert self.process.stdout
        for line in self.process.stdout:
            log.write(line)
            log.flush()
            self.say(line.rstrip("\n"))
        self.process.wait()

    def say(self, line: str) -> None:
        # One write for each line: parts that run side by side share the stream.
        with suppress(BrokenPipeError):
            os.write(1, f"{self.name} | {line}\n".encode())

    def finish(self) -> int:
        """Remove what was left, record what it cost, and return the exit code."""
        code = 128 + self.stopped if self.stopped else self.process.returncode
        if self.group and (left := find_containers(self.group)):
            docker("rm", "--force", "--volumes", *left)
            self.say(f"left containers behind, now removed: {' '.join(each[:12] for each in left)}")
            code = code or 1
        record = {"cpu": self._cpu_seconds(), "seconds": time.monotonic() - self.started, "exit": code}
        (REPORT / f"{self.name}.json").write_text(json.dumps(record))
        self.say(f"ended with exit code {code}: {record['cpu']:.0f} CPU s, {record['seconds']:.0f} s")
        if self.group:
            self.group.remove()
        return code

    def _cpu_seconds(self) -> float:
        if self.group:
            return self.group.cpu_seconds()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime


def main(name: str, *command: str) -> int:
    REPORT.mkdir(parents=True, exist_ok=True)
    part = Part(name, list(command))
    part.say(f"begins: {' '.join(command)}")
    with (REPORT / f"{name}.log").open("w") as log:
        part.relay(log)
    return part.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
