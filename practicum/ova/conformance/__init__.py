"""Offline conformance check: VirtualBox's reader rules, and this project's promises, applied to an OVA.

No VirtualBox is needed. `docs/verify-ova.md` lists the rules; each is a small function in one of the modules here.
"""

from collections.abc import Sequence
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.ova.conformance import (
    archive_rules,
    hardware_rules,
    machine_rules,
    ovf_rules,
    platform_rules,
    vmdk_rules,
)
from practicum.ova.conformance.rules import Finding, Report, Rule, judge
from practicum.ova.conformance.subject import Ova

__all__ = ["RULES", "Finding", "Report", "Rule", "check", "render_table"]

RULES: Sequence[Rule] = (
    *archive_rules.RULES,
    *ovf_rules.RULES,
    *hardware_rules.RULES,
    *machine_rules.RULES,
    *platform_rules.RULES,
    *vmdk_rules.RULES,
)


def check(ova: Path) -> Report:
    """Judge the file by every rule; whatever its content, the answer is a report.

    Raises:
        PracticumError: the file cannot be read.
    """
    try:
        with ova.open("rb") as stream:
            subject = Ova(stream.fileno())
            return Report(ova.name, tuple(judge(rule, subject) for rule in RULES))
    except OSError as error:
        raise PracticumError(str(ova), f"cannot be read ({error.strerror})", "give the path of an .ova file") from error


def render_table() -> str:
    """Return the rules as the Markdown table of `docs/verify-ova.md`."""
    rows = [f"| `{rule.id}` | {rule.meaning} | {rule.prevents} |" for rule in RULES]
    return "\n".join(("| rule | demands | otherwise |", "| --- | --- | --- |", *rows))
