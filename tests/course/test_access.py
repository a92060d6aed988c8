"""The access code and its gate: Jupyter must not start on anything but a valid code."""

import errno
import json
import os
import re
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from course_runtime.machine import access, access_code, console, machine
from course_runtime.machine.machine import CourseError, Finished
from fake_machine import Fixture, make_machine
from packages import PYTHONPATH


def test_codes_are_typable_and_differ() -> None:
    codes = {access_code.make_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(re.fullmatch(r"[a-km-np-z2-9]{4}(-[a-km-np-z2-9]{4}){2}", code) for code in codes)
    assert len(set(access_code.ALPHABET)) == 32
    assert set("".join(codes)) == set(access_code.ALPHABET) | {"-"}


def test_the_gate_lets_a_valid_code_pass(booted: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_TOKEN_FILE", raising=False)
    access_code.check_gate(booted.machine, booted.course)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"k7wq-3mzp-x4td\n", "line break"),
        (b"k7wq-3mzp-x4td\r\n", "line break"),
        (b"k7wq-3mzp-x4t", "malformed"),
        (b"k7wq-3mzp-x4td ", "malformed"),
        (b"k7wq-3mzp-x4to", "malformed"),
        (b"k7wq-3mzp-x4tl", "malformed"),
        (b"k7wq-3mzp-x4t1", "malformed"),
        (b"K7WQ-3MZP-X4TD", "malformed"),
        (b"k7wq3mzpx4td", "malformed"),
        ("k7wq-3mzp-x4t\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "malformed"),
        (b"\0" * 14, "malformed"),
    ],
)
def test_the_gate_refuses_a_bad_code_in_one_line(booted: Fixture, content: bytes, reason: str) -> None:
    booted.path(access_code.CODE_FILE).write_bytes(content)
    with pytest.raises(CourseError, match=reason) as caught:
        access_code.check_gate(booted.machine, booted.course)
    assert "\n" not in str(caught.value)
    assert "course-access new" in str(caught.value)
    assert "x4t" not in str(caught.value), "the journal must not learn the code"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o641, 0o642])
def test_the_gate_refuses_a_code_others_can_read_or_change(booted: Fixture, mode: int) -> None:
    booted.path(access_code.CODE_FILE).chmod(mode)
    with pytest.raises(CourseError, match="owner or mode"):
        access_code.check_gate(booted.machine, booted.course)


def test_the_gate_refuses_another_owner(booted: Fixture) -> None:
    with pytest.raises(CourseError, match="owner or mode"):
        access_code.check_gate(replace(booted.machine, superuser=4711), booted.course)


def test_the_gate_refuses_a_missing_code_and_a_link(booted: Fixture) -> None:
    code_file = booted.path(access_code.CODE_FILE)
    elsewhere = code_file.rename(code_file.with_name("elsewhere"))
    with pytest.raises(CourseError, match="is missing"):
        access_code.check_gate(booted.machine, booted.course)
    code_file.symlink_to(elsewhere)
    with pytest.raises(CourseError, match="not a file"):
        access_code.check_gate(booted.machine, booted.course)


@pytest.mark.parametrize(
    ("token", "reason"),
    [(b"", "is empty"), (b"aaaa-bbbb-cccc", "is not the access code"), (None, "not readable")],
)
def test_the_gate_looks_at_the_copy_that_jupyter_reads(
    booted: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: bytes | None, reason: str
) -> None:
    token_file = tmp_path / "token"
    monkeypatch.setenv("JUPYTER_TOKEN_FILE", str(token_file))
    if token is not None:
        token_file.write_bytes(token)
    with pytest.raises(CourseError, match=reason):
        access_code.check_gate(booted.machine, booted.course)
    token_file.write_text(access_code.read_code(booted.machine, booted.course))
    access_code.check_gate(booted.machine, booted.course)


def test_open_access_needs_no_code(tmp_path: Path) -> None:
    classroom = make_machine(tmp_path / "root", access="open")
    access_code.check_gate(classroom.machine, classroom.course)
    assert "open access" in access.show_code(classroom.machine, classroom.course)
    with pytest.raises(CourseError, match="uses no code"):
        access.renew_code(classroom.machine, classroom.course)


@pytest.mark.parametrize("changes", [{"access": ""}, {"access": "Open"}, {"access": None}])
def test_an_unknown_access_mode_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(CourseError, match="access is"):
        make_machine(tmp_path / "root", **changes)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'"x"', b"\xff"])
def test_a_damaged_description_is_one_line(booted: Fixture, content: bytes) -> None:
    booted.path("/etc/course/course.json").write_bytes(content)
    with pytest.raises(CourseError, match="not a course description"):
        machine.load_course(booted.machine)


def test_a_new_code_changes_the_password_and_ends_every_login(booted: Fixture) -> None:
    old = access_code.read_code(booted.machine, booted.course)
    booted.system.chpasswd(["chpasswd"], "student:my own\n")
    secrets = [booted.path("/run/jupyter"), booted.home / ".local/share/jupyter/runtime"]
    for folder in secrets:
        folder.mkdir(parents=True)
        (folder / "jupyter_cookie_secret").write_bytes(b"secret")
    access.run_new(booted.machine, booted.course)
    new = access_code.read_code(booted.machine, booted.course)
    assert new != old
    assert booted.system.password_is(new)
    assert not [folder for folder in secrets if (folder / "jupyter_cookie_secret").exists()]
    assert booted.system.asked[-1] == ["systemctl", "--no-block", "restart", "jupyter.service"]
    assert new in booted.path(console.ISSUE).read_text()


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("IdentityProvider", "hashed_password"),
        ("PasswordIdentityProvider", "hashed_password"),
        ("ServerApp", "password"),
    ],
)
def test_a_new_code_drops_a_stored_password_and_nothing_else(booted: Fixture, section: str, name: str) -> None:
    path = write_settings(booted, json.dumps({section: {name: "argon2:x", "own": 1}, "LabApp": {"news_url": None}}))
    path.chmod(0o600)
    access.run_new(booted.machine, booted.course)
    assert json.loads(path.read_text()) == {section: {"own": 1}, "LabApp": {"news_url": None}}
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o600, os.getuid())
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("text", ["{}", '{"ServerApp": {"own": 1}}', '{"ServerApp": 3, "IdentityProvider": null}'])
def test_settings_without_a_password_are_not_touched(
    booted: Fixture, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_settings(booted, text)
    before = path.stat()
    access.run_new(booted.machine, booted.course)
    assert path.read_text() == text
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["", '{"IdentityProvider": {"hashed_pass', "[]", "\0"])
def test_damaged_settings_are_left_and_told(booted: Fixture, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_settings(booted, text)
    access.run_new(booted.machine, booted.course)
    assert path.read_text() == text
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "is damaged: delete that file, then run course-access new again" in captured.err
    assert access_code.read_code(booted.machine, booted.course) in captured.out
    assert booted.system.asked[-1] == ["systemctl", "--no-block", "restart", "jupyter.service"]


@pytest.mark.parametrize("linked", [".jupyter", ".jupyter/jupyter_server_config.json"])
def test_root_follows_no_link_of_the_student(
    booted: Fixture, tmp_path: Path, linked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_settings(booted, STORED)
    booted.home.joinpath(linked).rename(tmp_path / "elsewhere")
    booted.home.joinpath(linked).symlink_to(tmp_path / "elsewhere")
    access.run_new(booted.machine, booted.course)
    assert path.read_text() == STORED
    assert booted.home.joinpath(linked).is_symlink()
    assert "a link is in the way: delete that file" in capsys.readouterr().err


def test_settings_that_are_no_file_do_not_hold_the_command_up(booted: Fixture) -> None:
    path = write_settings(booted, "")
    path.unlink()
    os.mkfifo(path)
    access.run_new(booted.machine, booted.course)


STORED = json.dumps({"IdentityProvider": {"hashed_password": "argon2:x"}})


def write_settings(fixture: Fixture, text: str) -> Path:
    """The student's own settings of Jupyter, which hold `text`."""
    path = fixture.home / ".jupyter/jupyter_server_config.json"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_new_goes_through_sudo_when_not_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []
    command = tmp_path / "course-access"
    monkeypatch.setattr("sys.argv", [str(command), "new"])
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.execvp", lambda name, argv: asked.append(argv))
    machine.become_root(["new"])
    assert asked == [["sudo", str(command), "new"]]


@pytest.mark.parametrize("action", ["check", "show"])
def test_the_command_fails_with_one_line(
    booted: Fixture, action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    booted.path(access_code.CODE_FILE).write_bytes(b"")
    monkeypatch.setattr(access, "Machine", lambda: booted.machine)
    monkeypatch.setattr("sys.argv", ["course-access", action])
    with pytest.raises(SystemExit) as caught:
        access.main()
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("course-access: ")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "No space left on device: delete files you do not need, then run it again"),
        (errno.EDQUOT, "Disk quota exceeded: delete files you do not need, then run it again"),
        (errno.EROFS, "Read-only file system: restart the machine, then run it again"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_disk_that_takes_no_more_is_one_line_with_a_cure(
    number: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(SystemExit) as caught:
        machine.exit_with("course-access", act)
    assert caught.value.code == 1
    assert capsys.readouterr().err == f"course-access: {told}\n"


def test_an_error_names_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        machine.exit_with("course-access", lambda: print((tmp_path / "gone").read_text()))
    assert capsys.readouterr().err == f"course-access: {tmp_path / 'gone'}: No such file or directory\n"


def test_a_program_that_meets_a_full_disk_gives_the_same_cure(booted: Fixture) -> None:
    booted.system.answers["ssh-keygen"] = Finished(1, "Saving key failed: No space left on device\n")
    with pytest.raises(CourseError, match="No space left on device: delete files you do not need"):
        machine.run_checked(booted.machine, ["ssh-keygen"])


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A real one: /dev/full takes nothing."""
    if not Path("/dev/full").is_char_device():
        pytest.skip("no /dev/full on this machine")
    code = (
        "from course_runtime.machine.machine import exit_with; from pathlib import Path;"
        "exit_with('set-kbd', lambda: print(Path('/dev/full').write_text('us')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "set-kbd: No space left on device: delete files you do not need, then run it again\n"
