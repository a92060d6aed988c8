"""What `verify-ova` answers about one file."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version

from practicum.ova.conformance.rules import IMPORT, PROMISE, Finding, Severity

_MARKS = {True: "ok", False: "BROKEN", None: "unknown"}


@dataclass(frozen=True)
class Report:
    """The findings about one file of `size` bytes, in the order of the rule table.

    sha256: the file's, in hexadecimal digits; None where nobody asked for it, or the file was not read to its end.
    """

    file: str
    size: int
    findings: tuple[Finding, ...]
    sha256: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every rule was judged and kept."""
        return all(finding.ok for finding in self.findings)

    @property
    def imports(self) -> bool:
        """Whether VirtualBox imports the file as it is: every rule of that severity was judged and kept."""
        return all(finding.ok for finding in self.findings if finding.severity == IMPORT)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings of broken rules."""
        return tuple(finding for finding in self.findings if finding.ok is False)

    @property
    def verdict(self) -> str:
        """One sentence, without the file's name."""
        bad, missed = self._count_broken(IMPORT), self._count_broken(PROMISE)
        promises = f"{_count(missed, 'promise')} of the course broken"
        if self.ok:
            asked_all = any(finding.severity == PROMISE for finding in self.findings)
            return f"{'conforms' if asked_all else 'VirtualBox imports it'}, {_count(len(self.findings), 'rule')} kept"
        if self.imports:
            verdict = f"VirtualBox imports it; {promises}"
        elif bad:
            verdict = f"VirtualBox refuses or misreads it: {_count(bad, 'rule')} broken"
            verdict += f"; {promises}" if missed else ""
        else:
            verdict = "VirtualBox may refuse or misread it" + (f"; {promises}" if missed else "")
        unknown = sum(finding.ok is None for finding in self.findings)
        return verdict + (f"; {_count(unknown, 'rule')} not judged" if unknown else "")

    def to_json(self) -> str:
        """Return the report as JSON; `ok` of a finding that was not judged is null."""
        content = {
            "practicum": version("practicum"),
            "file": self.file,
            "size": self.size,
            "sha256": self.sha256,
            "ok": self.ok,
            "imports": self.imports,
            "verdict": self.verdict,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return json.dumps(content, indent=2)

    def render(self) -> str:
        """Return readable lines, one a finding, and the verdict."""
        lines = [
            f"{_MARKS[finding.ok]:<8} {finding.severity:<8} {finding.rule:<24} {finding.detail}".rstrip()
            for finding in self.findings
        ]
        return "\n".join((*lines, f"{self.file}: {self.verdict}"))

    def _count_broken(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.broken)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
