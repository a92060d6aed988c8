"""On a machine that gets a tenth of a core, the first boot waits for its programs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from course_runtime.machine import firstboot
from course_runtime.machine.machine import Finished
from fake_machine import make_machine


def test_the_first_boot_gives_its_programs_as_long_as_systemd_gives_a_service(tmp_path: Path) -> None:
    fixture = make_machine(tmp_path / "root")
    given: dict[str, float] = {}

    def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 30) -> Finished:
        given[argv[0]] = timeout
        return fixture.system.run(argv, stdin=stdin, timeout=timeout)

    firstboot.prepare(replace(fixture.machine, run=run), fixture.course)
    assert given.keys() == {"chpasswd"}
    assert given["chpasswd"] >= 900
