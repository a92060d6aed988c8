"""The keyboard of the machine's own window: `set-kbd`, and the menu of the first boot."""

import argparse
import os
import re
import select
import sys
import time
from collections.abc import Callable

from course_runtime.machine.atomic import fsync_path, write_atomically
from course_runtime.machine.machine import (
    PATIENCE,
    CourseError,
    Machine,
    become_root,
    exit_with,
    explain,
    find_cure,
)

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
COMPILED = "/etc/console-setup"  # from where the boot loads the keymap
STAMP = "/var/lib/course/keyboard"
PENDING = "/var/lib/course/keyboard.pending"  # the layout of a change that is under way, or was cut
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


def set_layout(machine: Machine, layout: Layout) -> None:
    """Make `layout` the window's, now and at every boot; raise CourseError or OSError when that fails.

    The choice is recorded last. A change that is cut or fails leaves its marker: the next change, or the next boot,
    compiles the layout again.
    """
    path, pending = machine.path(CONFIGURATION), machine.path(PENDING)
    before = path.read_text() if path.is_file() else ""
    if read_layout(before) != layout or pending.exists():  # the layout that the boot loaded needs no compiling
        record(machine, PENDING, layout)
        owner = (machine.superuser, machine.superuser_group)
        write_atomically(path, configure(before, layout).encode(), mode=0o644, owner=owner)
        compile_layout(machine, layout)
    record(machine, STAMP, layout)
    pending.unlink(missing_ok=True)
    fsync_path(pending.parent)


def compile_layout(machine: Machine, layout: Layout) -> None:
    """Compile and load `layout`, which CONFIGURATION sets; raise CourseError or OSError when that fails."""
    print("Compiling the layout: this takes up to a minute.", flush=True)
    folder = machine.path(COMPILED)
    for keymap in folder.glob("cached_*.kmap.gz"):
        os.utime(keymap, (0, 0))  # setupcon keeps a keymap that is newer than its settings, even half of one
    # --save compiles the layout into COMPILED; --force: from ssh too.
    done = machine.run(["setupcon", "--keyboard-only", "--force", "--save"], timeout=PATIENCE)
    lines = done.output.strip().splitlines() or [f"status {done.status}"]
    # A full disk may leave empty files and status 0.
    full = next((line for line in lines if find_cure(line)), "")
    if done.status or full:
        cure = find_cure(full) or f"run it again: set-kbd {format_layout(layout)}"
        raise CourseError(f"the layout was not compiled ({full or lines[-1]})", cure)
    for made in (*folder.glob("cached_*"), folder):
        fsync_path(made)


def record(machine: Machine, absolute: str, layout: Layout) -> None:
    """Write `layout` into the state file `absolute`."""
    owner = (machine.superuser, machine.superuser_group)
    path = machine.path(absolute)
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o755, parents=True)
        fsync_path(path.parent.parent)
    write_atomically(path, f"{format_layout(layout)}\n".encode(), mode=0o644, owner=owner)


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


def choose_at_boot(machine: Machine, read_line: Callable[[float], str | None]) -> Layout | None:
    """Return the layout that this boot sets, None to leave it as it is.

    With `forcekbd` on the kernel's command line the menu asks. Else a change that was cut goes on without a question,
    and the menu asks at the first boot only. Nobody answering means US.
    """
    if not is_forced(machine):
        if pending := read_pending(machine):
            return pending
        if machine.path(STAMP).exists():
            return None
    return ask(machine, read_line) or MENU[0][1:]


def is_forced(machine: Machine) -> bool:
    """Return whether the kernel was started with `forcekbd`."""
    try:
        return "forcekbd" in machine.path("/proc/cmdline").read_text().split()
    except OSError:
        return False


def read_pending(machine: Machine) -> Layout | None:
    """Return the layout of the change that was cut, None when none was."""
    try:
        return find_layout(machine, machine.path(PENDING).read_text().strip())
    except FileNotFoundError:
        return None


def run_boot(machine: Machine, read_line: Callable[[float], str | None] = read_console_line) -> None:
    """Run `set-kbd --boot`: set the layout that this boot has to set, and let the boot go on whatever happens."""
    try:
        if layout := choose_at_boot(machine, read_line):
            set_layout(machine, layout)
            print(f"Keyboard: {format_layout(layout)} (change it with set-kbd)")
    except OSError as error:
        print(f"set-kbd: {explain(error)}")
    except (CourseError, ValueError) as error:
        print(f"set-kbd: {error}")


def main() -> None:
    """Run `set-kbd`."""
    parser = argparse.ArgumentParser(prog="set-kbd", description="Set the keyboard of the machine's own window.")
    parser.add_argument("layout", nargs="?", help="such as us, ch-fr, ch, fr, de, gb; without it a menu asks")
    parser.add_argument("--boot", action="store_true", help="as a boot does: ask only when a layout is missing")
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
        set_layout(machine, layout)
        print(f"Keyboard: {format_layout(layout)}")

    exit_with("set-kbd", act)
