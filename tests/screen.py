"""What a person sees of a program on a terminal: a pseudo-terminal, and the few control sequences that rich sends."""

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from survivors import HANG

CONTROL = re.compile(r"\x1b\[(\?25[hl]|[0-9;]*m|[0-9]*A|2K)")
"""To show or hide the cursor, a colour, the cursor up, to empty the line."""


class Screen:
    """The lines of a terminal. Those that left at its top are in `history`, those that are seen in `lines`."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.history: list[str] = []
        self.lines = [""]
        self.row = self.column = 0

    @property
    def seen(self) -> list[str]:
        """The lines that are seen, without blanks at their ends."""
        return [line.rstrip() for line in self.lines]

    @property
    def text(self) -> str:
        """All that the terminal shows when a person scrolls up."""
        return "\n".join([*(line.rstrip() for line in self.history), *self.seen])

    def feed(self, text: str) -> None:
        """Do what a terminal does with `text`; fails for a sequence that it does not know."""
        while text:
            control = CONTROL.match(text)
            assert control or text[0] != "\x1b", f"an unknown sequence: {text[:12]!r}"
            if control:
                self._obey(control[1])
            else:
                self._write(text[0])
            text = text[control.end() if control else 1 :]

    def _obey(self, words: str) -> None:
        if words == "2K":
            self.lines[self.row] = ""
        elif words[-1] == "A":
            self.row = max(0, self.row - int(words[:-1] or 1))

    def _write(self, letter: str) -> None:
        if letter == "\r":
            self.column = 0
            return
        if letter == "\n" or self.column == self.columns:
            self._go_down()
        if letter != "\n":
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
            self.column += 1

    def _go_down(self) -> None:
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.lines):
            self.lines.append("")
        if len(self.lines) > self.rows:
            self.history.append(self.lines.pop(0))
            self.row -= 1


class Terminal:
    """A terminal on which a program runs."""

    def __init__(self, handle: int, child: "subprocess.Popen[bytes]", screen: Screen) -> None:
        self.handle, self.child, self.screen = handle, child, screen

    def read(self, until: str = "") -> Screen:
        """Return the screen when it shows `until`, or at the end of the program."""
        while not until or until not in self.screen.text:
            ready, _, _ = select.select([self.handle], [], [], HANG)
            assert ready, f"nothing more comes after:\n{self.screen.text}"
            try:
                part = os.read(self.handle, 1 << 16)
            except OSError:  # how Linux says that the program closed its side
                break
            self.pending += part
            text = self.pending.decode(errors="strict") if is_whole(self.pending) else ""
            if text:
                self.pending = b""
                self.screen.feed(text)
        return self.screen

    pending = b""

    def type(self, text: str) -> None:
        """Type `text` and the return key."""
        os.write(self.handle, f"{text}\n".encode())


def is_whole(data: bytes) -> bool:
    """Whether no letter and no control sequence is cut at the end."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return not re.search(r"\x1b[^A-Za-z]*$", text)


@contextmanager
def on_terminal(program: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """Run a Python program on a terminal of that size, which shows nothing of what is typed."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    settings = termios.tcgetattr(theirs)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm"},
    )
    os.close(theirs)
    try:
        yield Terminal(ours, child, Screen(rows, columns))
    finally:
        child.kill()
        child.wait(HANG)
        os.close(ours)
