"""The keyboard of the machine's own window."""

import errno
import io
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from course_runtime.machine import keyboard
from course_runtime.machine.machine import CourseError, Finished
from cuts import cut_in_child
from fake_machine import KEYMAP, Fixture, make_machine

DEBIAN_FILE = """# KEYBOARD CONFIGURATION FILE

XKBMODEL="pc105"
XKBLAYOUT="us"
XKBVARIANT=""
XKBOPTIONS=""

BACKSPACE="guess"
"""


@pytest.fixture
def desk(fresh: Fixture) -> Fixture:
    """A machine with Debian's keyboard file, its list of layouts, and the US layout compiled by the build."""
    return add_keyboard(fresh)


def add_keyboard(fresh: Fixture) -> Fixture:
    for folder in ("/etc/default", "/etc/console-setup"):
        fresh.path(folder).mkdir()
    for path in (keyboard.CONFIGURATION, KEYMAP):
        fresh.path(path).write_text(DEBIAN_FILE)
    known = fresh.path(keyboard.KNOWN_LAYOUTS)
    known.parent.mkdir(parents=True)
    known.write_text(
        "! model\n  pc105  Generic\n\n! layout\n  us  English\n  pl  Polish\n\n"
        "! variant\n  dvorak  pl: Polish (Dvorak)\n\n! option\n  grp  Switching\n"
    )
    return fresh


def read_compiled(desk: Fixture) -> keyboard.Layout:
    """The layout that the next boot loads."""
    return keyboard.read_layout(desk.path(KEYMAP).read_text())


def never(seconds: float) -> str:
    raise AssertionError("the menu asked")


def answers(*lines: str | None) -> Callable[[float], str | None]:
    """A student who types `lines`, and nothing more."""
    left = iter(lines)
    return lambda seconds: next(left, None)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("1", ("us", "")),
        ("2", ("ch", "fr")),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", ("ch", "fr")),  # the key 2 of a French keyboard
        ("ch-fr", ("ch", "fr")),
        ("ch:fr", ("ch", "fr")),
        ("CH", ("ch", "")),
        ("pl", ("pl", "")),
        ("pl-dvorak", ("pl", "dvorak")),
    ],
)
def test_layouts_have_numbers_and_names(desk: Fixture, name: str, layout: tuple[str, str]) -> None:
    assert keyboard.find_layout(desk.machine, name) == layout


@pytest.mark.parametrize(
    "name", ["0", "99", "-1", "xx", "us-fr", "", " ", 'us"\nX=', "../../etc", "; reboot", "\x1b[A"]
)
def test_what_is_no_layout_is_said(desk: Fixture, name: str) -> None:
    with pytest.raises(CourseError, match="no keyboard is called"):
        keyboard.find_layout(desk.machine, name)


def test_setting_a_layout_changes_only_that_and_loads_it(desk: Fixture) -> None:
    keyboard.set_layout(desk.machine, ("ch", "fr"))
    text = desk.path(keyboard.CONFIGURATION).read_text()
    assert 'XKBLAYOUT="ch"\nXKBVARIANT="fr"\n' in text
    assert 'XKBOPTIONS=""' in text
    assert 'BACKSPACE="guess"' in text
    assert text.count("XKBLAYOUT") == 1
    assert desk.system.asked == [["setupcon", "--keyboard-only", "--force", "--save"]]
    assert desk.path(keyboard.STAMP).read_text() == "ch-fr\n"
    assert read_compiled(desk) == ("ch", "fr")
    assert not desk.path(keyboard.PENDING).exists()


def test_the_layout_in_use_costs_nothing(desk: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    keyboard.set_layout(desk.machine, ("us", ""))
    assert desk.system.asked == []
    assert "Compiling" not in capsys.readouterr().out
    assert desk.path(keyboard.STAMP).read_text() == "us\n"


def test_it_says_what_takes_so_long(desk: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    keyboard.set_layout(desk.machine, ("de", ""))
    assert capsys.readouterr().out == "Compiling the layout: this takes up to a minute.\n"


def test_a_layout_that_is_not_compiled_is_an_error_and_not_recorded(desk: Fixture) -> None:
    desk.system.answers["setupcon"] = Finished(1, "first\nckbcomp: broken\n")
    with pytest.raises(CourseError, match=r"not compiled \(.*broken\): run it again: set-kbd de$"):
        keyboard.set_layout(desk.machine, ("de", ""))
    assert not desk.path(keyboard.STAMP).exists()
    del desk.system.answers["setupcon"]
    keyboard.set_layout(desk.machine, ("de", ""))
    assert read_compiled(desk) == ("de", "")
    assert desk.path(keyboard.STAMP).read_text() == "de\n"


@pytest.mark.parametrize("status", [0, 1])
def test_a_full_disk_is_said_with_its_cure(desk: Fixture, status: int) -> None:
    """Whatever the status: setupcon does not look whether its commands were written."""
    told = f"cat: write error: {os.strerror(errno.ENOSPC)}\nCouldn't get a file descriptor referring to the console.\n"
    desk.system.answers["setupcon"] = Finished(status, told)
    with pytest.raises(CourseError, match="delete files you do not need, then run it again"):
        keyboard.set_layout(desk.machine, ("de", ""))


def test_half_a_keymap_is_compiled_again_though_it_is_newer(desk: Fixture) -> None:
    """As a cut leaves it, with a clock that was set back since."""
    keyboard.record(desk.machine, keyboard.PENDING, ("ch", "fr"))
    desk.path(keyboard.CONFIGURATION).write_text(keyboard.configure(DEBIAN_FILE, ("ch", "fr")))
    desk.path(KEYMAP).write_text("half")
    os.utime(desk.path(KEYMAP), (time.time() + 3600, time.time() + 3600))
    keyboard.set_layout(desk.machine, ("ch", "fr"))
    assert read_compiled(desk) == ("ch", "fr")
    assert not desk.path(keyboard.PENDING).exists()


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
@pytest.mark.parametrize("again", ["set-kbd", "boot"])
def test_a_change_cut_anywhere_is_finished_by_the_next_one(tmp_path: Path, power: bool, again: str) -> None:
    wanted = ("ch", "fr")
    for cut_after in range(1, 50):
        desk = add_keyboard(make_machine(tmp_path / str(cut_after)))
        keyboard.set_layout(desk.machine, ("us", ""))
        was_cut = cut_in_child(desk, partial(keyboard.set_layout, layout=wanted), cut_after, power=power)
        if again == "set-kbd":
            keyboard.set_layout(desk.machine, wanted)
        else:
            keyboard.run_boot(desk.machine, never)
        kept = keyboard.read_layout(desk.path(keyboard.CONFIGURATION).read_text())
        assert read_compiled(desk) == kept
        assert desk.path(keyboard.STAMP).read_text() == f"{keyboard.format_layout(kept)}\n"
        assert not desk.path(keyboard.PENDING).exists()
        assert kept == wanted or (again == "boot" and cut_after < 3), "the marker comes first"
        if not was_cut:
            break
    assert cut_after > 8, "the cut never hit a step"


def test_the_menu_asks_again_until_the_answer_is_good(desk: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    assert keyboard.ask(desk.machine, answers("99", "qwertz", "\xff\x00", "3")) == ("ch", "")
    shown = capsys.readouterr().out
    assert shown.count("no keyboard is called") == 3
    assert all(name in shown for name, _, _ in keyboard.MENU)
    assert keyboard.ask(desk.machine, answers("")) == ("us", "")
    assert keyboard.ask(desk.machine, answers("99")) is None


def test_the_first_boot_asks_once_and_nobody_answering_means_us(desk: Fixture) -> None:
    keyboard.run_boot(desk.machine, answers())
    assert desk.path(keyboard.STAMP).read_text() == "us\n"
    keyboard.run_boot(desk.machine, never)


def test_a_change_that_was_cut_goes_on_at_the_first_boot_without_a_question(desk: Fixture) -> None:
    keyboard.record(desk.machine, keyboard.PENDING, ("ch", "fr"))
    keyboard.run_boot(desk.machine, never)
    assert read_compiled(desk) == ("ch", "fr")
    assert desk.path(keyboard.STAMP).read_text() == "ch-fr\n"


def test_forcekbd_asks_again(desk: Fixture) -> None:
    keyboard.run_boot(desk.machine, answers())
    desk.path("/proc").mkdir()
    desk.path("/proc/cmdline").write_text("quiet forcekbd root=LABEL=course\n")
    keyboard.run_boot(desk.machine, answers("ch-fr"))
    assert desk.path(keyboard.STAMP).read_text() == "ch-fr\n"


def test_the_boot_goes_on_whatever_happens(desk: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(seconds: float) -> str:
        raise OSError(5, "Input/output error")

    keyboard.run_boot(desk.machine, broken)
    assert "Input/output error" in capsys.readouterr().out


def test_a_boot_that_cannot_compile_goes_on_and_tries_again(desk: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    desk.system.answers["setupcon"] = Finished(1, "broken\n")
    keyboard.run_boot(desk.machine, answers("ch-fr"))
    assert "set-kbd: the layout was not compiled" in capsys.readouterr().out
    del desk.system.answers["setupcon"]
    keyboard.run_boot(desk.machine, never)
    assert read_compiled(desk) == ("ch", "fr")


def test_reading_the_console_ends_with_time_or_input(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    standard_input = os.dup(0)
    try:
        os.dup2(reading, 0)
        os.write(writing, b"ch-fr\nrest")
        assert keyboard.read_console_line(5) == "ch-fr"
        assert keyboard.read_console_line(0.05) is None
        os.close(writing)
        assert keyboard.read_console_line(5) is None
    finally:
        os.dup2(standard_input, 0)
        os.close(standard_input)
        os.close(reading)


def test_an_unknown_layout_is_said_before_sudo_asks(
    desk: Fixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keyboard, "Machine", lambda: desk.machine)
    monkeypatch.setattr("os.execvp", lambda *arguments: pytest.fail("sudo was asked"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.argv", ["set-kbd", "xx"])
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(SystemExit) as caught:
        keyboard.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_layout_that_is_not_compiled_ends_the_command_with_status_1(
    desk: Fixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.system.answers["setupcon"] = Finished(1, "broken\n")
    monkeypatch.setattr(keyboard, "Machine", lambda: desk.machine)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("sys.argv", ["set-kbd", "de"])
    with pytest.raises(SystemExit) as caught:
        keyboard.main()
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert "Keyboard:" not in captured.out
    assert captured.err.count("\n") == 1
