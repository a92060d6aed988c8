"""What GRUB's own files say of a script for GRUB."""

import re
import subprocess
from pathlib import Path

import pytest
from survivors import HANG

from practicum.engine import tools

COMMANDS = Path("/usr/lib/grub/i386-pc/command.lst")
KEYWORDS = {"for", "else", "fi", "done"}
OF_THE_KERNEL = {"set"}
"""Commands of GRUB's kernel, which the list of the modules' commands leaves out."""


def check_grub_script(script: str, folder: Path) -> None:
    """Fail unless GRUB can parse the script; skip without GRUB's parser."""
    tool = tools.find("grub-script-check")
    if tool is None:
        pytest.skip("grub-script-check is missing: install grub-common")
    file = folder / "script.cfg"
    file.write_text(script)
    done = subprocess.run([tool, file], capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr


def list_commands(script: str) -> set[str]:
    """Return the first word of each line, behind `if` or `elif`."""
    return set(re.findall(r"^ *(?:(?:if|elif) )?([a-z]+)", script, re.MULTILINE)) - KEYWORDS


def find_module(command: str) -> str | None:
    """Return the module of GRUB that has the command, or None for a command of its kernel."""
    if command in OF_THE_KERNEL:
        return None
    modules = dict(line.removeprefix("*").split(": ") for line in COMMANDS.read_text().splitlines())
    return modules[command]
