"""Offline conformance check: VirtualBox's reader rules, and this project's promises, applied to an OVA.

No VirtualBox is needed. `docs/verify-ova.md` lists the rules; each is a small function in one of the modules here.
"""

import stat
from collections.abc import Sequence
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.ova.conformance import (
    archive_rules,
    file_rules,
    hardware_rules,
    machine_rules,
    manifest_rules,
    network_rules,
    ovf_rules,
    platform_rules,
    table_rules,
    vmdk_rules,
)
from practicum.ova.conformance.report import Report
from practicum.ova.conformance.rules import IMPORT, PROMISE, Finding, Rule, judge
from practicum.ova.conformance.subject import Ova

__all__ = ["IMPORT", "IMPORT_RULES", "PROMISE", "RULES", "Finding", "Report", "Rule", "check", "render_table"]

RULES: Sequence[Rule] = (
    *file_rules.RULES,
    *archive_rules.RULES,
    *manifest_rules.RULES,
    *ovf_rules.RULES,
    *hardware_rules.RULES,
    *machine_rules.RULES,
    *network_rules.RULES,
    *platform_rules.RULES,
    *vmdk_rules.RULES,
    *table_rules.RULES,
)
IMPORT_RULES: Sequence[Rule] = tuple(rule for rule in RULES if rule.severity == IMPORT)
"""Those that VirtualBox itself has."""

_CURE = "give the path of an .ova file"


def check(ova: Path, rules: Sequence[Rule] = RULES, *, with_sum: bool = False) -> Report:
    """Judge the file by the rules; whatever its content, the answer is a report.

    A file that breaks a rule of `file_rules` is judged by no other: nothing in it means anything.

    Args:
        ova: the file.
        rules: all rules, or `IMPORT_RULES`.
        with_sum: read the whole file once more for its sha256.

    Raises:
        PracticumError: it is no regular file, or cannot be read.
    """
    try:
        if not stat.S_ISREG(mode := ova.stat().st_mode):  # to open a named pipe could wait forever
            raise PracticumError(str(ova), f"is {_name_type(mode)}, no file", _CURE)
        with ova.open("rb") as stream:
            subject = Ova(stream.fileno())
            findings = _judge_all(subject, rules)
            return Report(ova.name, subject.size, findings, subject.hash() if with_sum and not subject.hollow else None)
    except OSError as error:
        raise PracticumError(str(ova), f"cannot be read ({error.strerror})", _CURE) from error


def _judge_all(ova: Ova, rules: Sequence[Rule]) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    for rule in rules:
        findings.append(judge(rule, ova))
        if rule in file_rules.RULES and not findings[-1].ok:
            return (findings[-1],)
    return tuple(findings)


def _name_type(mode: int) -> str:
    """Return what `stat` says of something that is no regular file."""
    names = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return names[stat.S_IFMT(mode)]


def render_table() -> str:
    """Return the rules as the Markdown table of `docs/verify-ova.md`."""
    rows = [f"| `{rule.id}` | {rule.severity} | {rule.meaning} | {rule.prevents} |" for rule in RULES]
    return "\n".join(("| rule | severity | demands | otherwise |", "| --- | --- | --- | --- |", *rows))
