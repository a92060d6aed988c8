"""`course-doctor`: is this machine fit for the course, and if not, what is the cure."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from course_runtime.doctor import container_checks, gpu, machine_checks
from course_runtime.doctor.findings import FAILURE, WARNING, Check, Finding, format_finding
from course_runtime.machine.machine import CourseError, Machine, exit_with, load_course

GPU_CHECKS: Sequence[Check] = (gpu.check_gpu, gpu.check_shm)


OF_TORCH: Sequence[Check] = (gpu.check_shm, container_checks.check_torch, machine_checks.check_torch)
"""What a course without torch does not ask."""


def choose_checks(machine: Machine, *, gpu_only: bool = False) -> Sequence[Check]:
    """Return what to look at: a container has no clock, no swap and no access code of its own."""
    is_container = load_course(machine).product != "appliance"
    checks = GPU_CHECKS if gpu_only else container_checks.CHECKS if is_container else machine_checks.CHECKS
    if "torch" in machine_checks.list_expected(machine):
        return checks
    return [check for check in checks if check not in OF_TORCH]


def examine(machine: Machine, checks: Sequence[Check]) -> Iterator[Finding]:
    """Run all `checks`; one that cannot look is a finding too, never the end of the others."""
    for check in checks:
        name = check.__name__.removeprefix("check_")
        try:
            yield from check(machine)
        except (CourseError, OSError, ValueError, TypeError, KeyError, IndexError) as error:
            yield Finding(
                name, WARNING, f"cannot be checked: {error}", "tell your assistants if it was not like this before"
            )


def main() -> None:
    """Run `course-doctor`."""
    parser = argparse.ArgumentParser(
        prog="course-doctor",
        description="Check this machine; exit 1 if something is broken. Computing without a GPU is not.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for a program to read")
    parser.add_argument("--gpu", action="store_true", help="only say which GPU torch will use, or why none")
    options = parser.parse_args()

    def act() -> int:
        machine, findings = Machine(), []
        for finding in examine(machine, choose_checks(machine, gpu_only=options.gpu)):
            findings.append(finding)
            if not options.json:
                print(format_finding(finding), flush=True)
        healthy = all(finding.status != FAILURE for finding in findings)
        if options.json:
            checks = [asdict(finding) for finding in findings]
            print(json.dumps({"ok": healthy, "checks": checks}, indent=1))
        return 0 if healthy else 1

    exit_with("course-doctor", act)


if __name__ == "__main__":
    main()
