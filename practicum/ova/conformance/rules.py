"""What a rule, a finding and a report are."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from practicum.ova.conformance.subject import Ova, Unjudgeable
from practicum.ova.vmdk_reader import VmdkError

Check = Callable[[Ova], Iterator[str]]
_MAX_PROBLEMS = 3  # of one rule that are spelled out: a damaged disk has thousands


@dataclass(frozen=True)
class Rule:
    """One demand on an OVA. `check` yields one line for each way the file breaks it."""

    id: str
    meaning: str
    prevents: str
    check: Check


@dataclass(frozen=True)
class Finding:
    """What became of one rule: kept (True), broken (False), or not judged because of another finding (None)."""

    rule: str
    ok: bool | None
    detail: str


@dataclass(frozen=True)
class Report:
    """The findings about one file, in the order of the rule table."""

    file: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every rule was judged and kept."""
        return all(finding.ok for finding in self.findings)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings of broken rules."""
        return tuple(finding for finding in self.findings if finding.ok is False)

    def to_json(self) -> str:
        """`{"file", "ok", "findings": [{"rule", "ok", "detail"}]}`; `ok` of a finding that was not judged is null."""
        findings = [asdict(finding) for finding in self.findings]
        return json.dumps({"file": self.file, "ok": self.ok, "findings": findings}, indent=2)

    def render(self) -> str:
        """Readable lines, one a finding, and a verdict."""
        marks = {True: "ok      ", False: "BROKEN  ", None: "unknown "}
        lines = [f"{marks[finding.ok]} {finding.rule:<24} {finding.detail}".rstrip() for finding in self.findings]
        unknown = sum(finding.ok is None for finding in self.findings)
        verdict = (
            f"{self.file}: conforms, {len(self.findings)} rules kept"
            if self.ok
            else f"{self.file}: does not conform, {len(self.broken)} of {len(self.findings)} rules broken"
            + (f", {unknown} not judged" if unknown else "")
        )
        return "\n".join((*lines, verdict))


def rule(table: list[Rule], id: str, meaning: str, *, prevents: str) -> Callable[[Check], Check]:
    """Enter the decorated check into `table`; `prevents` is what VirtualBox says or does when the rule is broken."""

    def enter(check: Check) -> Check:
        table.append(Rule(id, meaning, prevents, check))
        return check

    return enter


def judge(rule: Rule, ova: Ova) -> Finding:
    """Apply one rule."""
    problems: list[str] = []
    try:
        problems.extend(rule.check(ova))
    except (Unjudgeable, VmdkError) as reason:
        if not problems:
            return Finding(rule.id, None, f"not judged: {reason}")
    if not problems:
        return Finding(rule.id, True, rule.meaning)
    more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
    return Finding(rule.id, False, "; ".join(problems[:_MAX_PROBLEMS]) + more)
