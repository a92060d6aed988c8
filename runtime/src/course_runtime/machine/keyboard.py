"""The keyboard of the machine's own window: `set-kbd`, and the menu of the first boot."""

import argparse
import os
import re
import select
import sys
import time
from collections.abc import Callable

from course_runtime.machine.atomic import fsync_path, write_atomically
from course_runtime.machine.machine import CourseError, Machine, become_root, exit_with

# Shown in the menu: what the student calls it, and its XKB layout and variant.
MENU = (
    ("English (US)", "us", ""),
    ("Swiss French", "ch", "fr"),
    ("Swiss German", "ch", ""),
    ("French", "fr", ""),
    ("German", "de", ""),
    ("English (UK)", "gb", ""),
    ("Italian", "it", ""),
    ("Spanish", "es", ""),
    ("Portuguese", "pt", ""),
    ("Belgian", "be", ""),
    ("Dutch", "nl", ""),
    ("Swedish", "se", ""),
    ("Danish", "dk", ""),
    ("Turkish", "tr", ""),
)
CONFIGURATION = "/etc/default/keyboard"
STAMP = "/var/lib/course/keyboard"
KNOWN_LAYOUTS = "/usr/share/X11/xkb/rules/base.lst"
TIME_LIMIT = 60.0  # seconds without a key
# The unshifted digits of a French keyboard: with `forcekbd` its layout may be the one in use while the menu asks.
AZERTY_DIGITS = str.maketrans("&é\"'(-è_çà", "1234567890")

Layout = tuple[str, str]  # XKB layout and variant, as ("ch", "fr")


def find_layout(machine: Machine, name: str) -> Layout:
    """Return the layout called `name`: a number of the menu, `ch`, `ch-fr`, `ch:fr`; raise CourseError for others."""
    number = name.translate(AZERTY_DIGITS)
    if number.isdecimal() and 1 <= int(number) <= len(MENU):
        return MENU[int(number) - 1][1:]
    layout, _, variant = re.sub("[:-]", " ", name.lower()).strip().partition(" ")
    for entry in MENU:
        if entry[1:] == (layout, variant):
            return layout, variant
    layouts, variants = read_known_layouts(machine)
    if layout not in layouts or (variant and (layout, variant) not in variants):
        cure = "give a number of the menu, or a name such as us, ch-fr, pl"
        raise CourseError(f"no keyboard is called {name!r}", cure)
    return layout, variant


def read_known_layouts(machine: Machine) -> tuple[set[str], set[Layout]]:
    """Return the XKB layouts, and pairs of layout and variant, that this machine knows; empty when it has no list."""
    layouts: set[str] = set()
    variants: set[Layout] = set()
    section = ""
    try:
        lines = machine.path(KNOWN_LAYOUTS).read_text(errors="replace").splitlines()
    except OSError:
        return layouts, variants
    for line in lines:
        words = line.split()
        if line.startswith("!"):
            section = words[1] if len(words) > 1 else ""
        elif section == "layout" and words:
            layouts.add(words[0])
        elif section == "variant" and len(words) > 1:
            variants.add((words[1].rstrip(":"), words[0]))
    return layouts, variants


def set_layout(machine: Machine, layout: Layout) -> str:
    """Make `layout` the console's, now and at every boot; return a warning, "" when it works at once.

    Raise OSError when it cannot be recorded.
    """
    path = machine.path(CONFIGURATION)
    owner = (machine.superuser, machine.superuser_group)
    before = path.read_text() if path.is_file() else ""
    warning = ""
    if read_layout(before) != layout:  # compiling takes seconds; the layout that the boot loaded needs none
        write_atomically(path, configure(before, layout).encode(), mode=0o644, owner=owner)
        warning = compile_layout(machine)
    record_choice(machine, layout)
    return warning


def compile_layout(machine: Machine) -> str:
    """Bring the recorded layout into use; return a warning, "" when it works at once."""
    # --save compiles the layout into /etc/console-setup, from where the boot loads it; --force: from ssh too.
    done = machine.run(["setupcon", "--keyboard-only", "--force", "--save"], timeout=240)
    if done.status:
        reason = (done.output.strip().splitlines() or [f"status {done.status}"])[-1]
        return f"the layout is recorded but not in use before the next start ({reason})"
    return ""


def record_choice(machine: Machine, layout: Layout) -> None:
    """Note that the menu was answered: later boots do not ask."""
    owner = (machine.superuser, machine.superuser_group)
    stamp = machine.path(STAMP)
    if not stamp.parent.is_dir():
        stamp.parent.mkdir(mode=0o755, parents=True)
        fsync_path(stamp.parent.parent)
    write_atomically(stamp, f"{format_layout(layout)}\n".encode(), mode=0o644, owner=owner)


def read_layout(text: str) -> Layout:
    """Return the layout and variant that the keyboard(5) file `text` sets; ("", "") when it sets none."""
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return (settings.get("XKBLAYOUT", "").strip('" '), settings.get("XKBVARIANT", "").strip('" '))


def configure(text: str, layout: Layout) -> str:
    """Return the keyboard(5) file `text` with its layout and variant replaced, everything else as it was."""
    wanted = {"XKBMODEL": "pc105", "XKBLAYOUT": layout[0], "XKBVARIANT": layout[1]}
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in wanted]
    return "\n".join([*kept, *(f'{key}="{value}"' for key, value in wanted.items())]) + "\n"


def format_layout(layout: Layout) -> str:
    """Return `layout` as the student types it: ch-fr."""
    return "-".join(part for part in layout if part)


def ask(machine: Machine, read_line: Callable[[float], str | None], time_limit: float = TIME_LIMIT) -> Layout | None:
    """Show the menu until an answer is good; None when nobody answers for `time_limit` s or the input ends.

    `read_line(seconds)` gives the next line without its end, None after that many seconds or at the end of the input.
    """
    print("\nKeyboard of this window:\n")
    half = -(-len(MENU) // 2)
    for number in range(1, half + 1):
        columns = [f"{n:3}  {MENU[n - 1][0]:<20}" for n in (number, number + half) if n <= len(MENU)]
        print("".join(columns).rstrip())
    while True:
        print(f"\nNumber or layout name, Enter for {MENU[0][0]} ({time_limit:.0f} s): ", end="", flush=True)
        answer = read_line(time_limit)
        if answer is None:
            print()
            return None
        try:
            return find_layout(machine, answer.strip() or "1")
        except CourseError as error:
            print(error)


def read_console_line(seconds: float) -> str | None:
    """Return the next line of standard input, None when `seconds` pass without a key or the input ends."""
    line = b""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and select.select([0], [], [], left)[0]:
        piece = os.read(0, 1)
        if piece == b"\n":
            return line.decode("utf-8", "replace")
        if not piece:
            return None
        line += piece
    return None


def is_asked_at_boot(machine: Machine) -> bool:
    """Return whether this boot shows the menu: the first one, and any with `forcekbd` on the kernel's command line."""
    try:
        arguments = machine.path("/proc/cmdline").read_text().split()
    except OSError:
        arguments = []
    return "forcekbd" in arguments or not machine.path(STAMP).exists()


def run_boot(machine: Machine, read_line: Callable[[float], str | None] = read_console_line) -> None:
    """Run `set-kbd --boot`: ask if this boot asks, take the US layout when nobody answers, and let the boot go on."""
    try:
        if is_asked_at_boot(machine):
            layout = ask(machine, read_line) or MENU[0][1:]
            print(set_layout(machine, layout) or f"Keyboard: {format_layout(layout)} (change it with set-kbd)")
    except (CourseError, OSError, ValueError) as error:
        print(f"set-kbd: {error}")


def main() -> None:
    """Run `set-kbd`."""
    parser = argparse.ArgumentParser(prog="set-kbd", description="Set the keyboard of the machine's own window.")
    parser.add_argument("layout", nargs="?", help="such as us, ch-fr, ch, fr, de, gb; without it a menu asks")
    parser.add_argument("--boot", action="store_true", help="ask only at the first boot or with forcekbd")
    options = parser.parse_args()

    def act() -> None:
        machine = Machine()
        if options.boot:
            return run_boot(machine)
        if options.layout:
            find_layout(machine, options.layout)  # a typing error is said before sudo asks for a password
        become_root(sys.argv[1:])
        layout = find_layout(machine, options.layout) if options.layout else ask(machine, read_console_line)
        if layout is None:
            raise CourseError("nothing was chosen, the keyboard stays as it is")
        print(set_layout(machine, layout) or f"Keyboard: {format_layout(layout)}")

    exit_with("set-kbd", act)
