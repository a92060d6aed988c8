"""What a rule and a finding are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from practicum.ova.conformance.subject import Ova, Unjudgeable
from practicum.ova.vmdk_reader import VmdkError

Severity = Literal["import", "promise"]
"""What a broken rule means: VirtualBox refuses or misreads the file; it imports it, not as the course promises."""

IMPORT: Final = "import"
PROMISE: Final = "promise"

Check = Callable[[Ova], Iterator[str]]
_MAX_PROBLEMS = 3  # of one rule that are spelled out: a damaged disk has thousands


@dataclass(frozen=True)
class Rule:
    """One demand on an OVA. `check` yields one line for each way the file breaks it."""

    id: str
    severity: Severity
    meaning: str
    prevents: str
    check: Check


@dataclass(frozen=True)
class Finding:
    """What became of one rule: kept (True), broken (False), or not judged because of another finding (None)."""

    rule: str
    severity: Severity
    ok: bool | None
    detail: str


def rule(table: list[Rule], id: str, severity: Severity, meaning: str, *, prevents: str) -> Callable[[Check], Check]:
    """Enter the decorated check into `table`; `prevents` is what VirtualBox says or does when the rule is broken."""

    def enter(check: Check) -> Check:
        table.append(Rule(id, severity, meaning, prevents, check))
        return check

    return enter


def judge(rule: Rule, ova: Ova) -> Finding:
    """Apply one rule."""
    problems: list[str] = []
    try:
        problems.extend(map(_make_printable, rule.check(ova)))
    except (Unjudgeable, VmdkError) as reason:
        if not problems:
            return Finding(rule.id, rule.severity, None, f"not judged: {reason}")
    if not problems:
        return Finding(rule.id, rule.severity, True, rule.meaning)
    more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
    return Finding(rule.id, rule.severity, False, "; ".join(problems[:_MAX_PROBLEMS]) + more)


def _make_printable(text: str) -> str:
    """Return a text that may hold names of the file, without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
