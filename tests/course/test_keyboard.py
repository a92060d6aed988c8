"""The keyboard of the machine's own window."""

import io
import os
from collections.abc import Callable

import pytest
from course_runtime.machine import keyboard
from course_runtime.machine.machine import CourseError, Finished
from fake_machine import Fixture

DEBIAN_FILE = """# KEYBOARD CONFIGURATION FILE

XKBMODEL="pc105"
XKBLAYOUT="us"
XKBVARIANT=""
XKBOPTIONS=""

BACKSPACE="guess"
"""


@pytest.fixture
def desk(fresh: Fixture) -> Fixture:
    """A machine with Debian's keyboard file and list of layouts."""
    fresh.path("/etc/default").mkdir()
    fresh.path(keyboard.CONFIGURATION).write_text(DEBIAN_FILE)
    known = fresh.path(keyboard.KNOWN_LAYOUTS)
    known.parent.mkdir(parents=True)
    known.write_text(
        "! model\n  pc105  Generic\n\n! layout\n  us  English\n  pl  Polish\n\n"
        "! variant\n  dvorak  pl: Polish (Dvorak)\n\n! option\n  grp  Switching\n"
    )
    return fresh


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
    assert keyboard.set_layout(desk.machine, ("ch", "fr")) == ""
    text = desk.path(keyboard.CONFIGURATION).read_text()
    assert 'XKBLAYOUT="ch"\nXKBVARIANT="fr"\n' in text
    assert 'XKBOPTIONS=""' in text
    assert 'BACKSPACE="guess"' in text
    assert text.count("XKBLAYOUT") == 1
    assert desk.system.asked == [["setupcon", "--keyboard-only", "--force", "--save"]]
    assert desk.path(keyboard.STAMP).read_text() == "ch-fr\n"


def test_a_layout_that_cannot_be_loaded_now_is_recorded(desk: Fixture) -> None:
    desk.system.answers["setupcon"] = Finished(1, "no console\n")
    assert "no console" in keyboard.set_layout(desk.machine, ("de", ""))
    assert 'XKBLAYOUT="de"' in desk.path(keyboard.CONFIGURATION).read_text()


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

    def never(seconds: float) -> str:
        raise AssertionError("the menu came again")

    keyboard.run_boot(desk.machine, never)


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
