"""The errors that a user of practicum may see."""

from collections.abc import Sequence
from pathlib import Path


class PracticumError(Exception):
    """A mistake or an obstacle that the user can act on.

    where: the file, key or step; "" where the reason says it. reason: what is wrong. cure: what to do, a command as it
    is typed. `str()` is one line, which the command line prints without a traceback before it ends with `exit_code`.
    """

    exit_code: int = 2

    def __init__(self, where: str, reason: str, cure: str = "") -> None:
        super().__init__(where, reason, cure)
        self.where = where
        self.reason = reason
        self.cure = cure

    def __str__(self) -> str:
        line = f"{self.where}: {self.reason}" if self.where else self.reason
        return f"{line}; {self.cure}" if self.cure else line


class MissingTool(PracticumError):
    """Programs, or files of their packages, that this machine lacks."""


class ProgramFailed(PracticumError):
    """A program that ended with another exit code than 0, or made something else than it should."""

    def __init__(self, where: str, reason: str, log: Path | None = None) -> None:
        super().__init__(where, reason)
        self.log = log

    def __str__(self) -> str:
        return super().__str__() + (f" (log: {self.log})" if self.log else "")


class Mistakes(PracticumError):
    """Several mistakes in one file, a line for each."""

    def __init__(self, where: str, reasons: Sequence[str]) -> None:
        super().__init__(where, "; ".join(reasons))
        self.reasons = reasons

    def __str__(self) -> str:
        return "\n".join(f"{self.where}: {reason}" for reason in self.reasons)
