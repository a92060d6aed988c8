"""practicum.cli: one line and an exit code for everything that can go wrong."""

import errno
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cpu_time import run_counted
from survivors import HANG
from typer.testing import CliRunner

import practicum.ova.conformance
from practicum import cli
from practicum.engine import cache, run
from practicum.engine.errors import Mistakes, PracticumError
from practicum.semester import find

ROOT = Path(__file__).parent.parent
COMMANDS = {"ova", "explain", "lock", "verify-ova", "check", "prune", "preflight"}


def practicum_argv(*arguments: str) -> list[Path | str]:
    return [Path(sys.executable).with_name("practicum"), *arguments]


def practicum_command(*arguments: str, cwd: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        practicum_argv(*arguments),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )


def fail_with(error: BaseException) -> object:
    def action() -> None:
        raise error

    return cli.exit_code_of(action)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PracticumError("semester.toml", "x: wrong", "cure"), 2, "practicum: semester.toml: x: wrong; cure\n"),
        (Mistakes("file", ["one", "two"]), 2, "practicum: file: one\npracticum: file: two\n"),
        (cache.Busy("build", "held"), 75, "practicum: build: held\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_error_becomes_one_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(error) == code
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stop_says_what_is_kept(signum: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail_with(run.Stopped(signum)) == code
    told = capsys.readouterr().err
    assert told.startswith(f"practicum: stopped by {signal.Signals(signum).name}; ") and "are kept" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "error, told",
    [
        (
            OSError(errno.ENOSPC, "No space left", "/disk/file"),
            "/disk/file: no space left; free some, then run this again",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a b"),
            "/a b: Permission denied; look at it with: ls -ld '/a b'",
        ),
    ],
)
def test_file_that_hinders_is_one_line_with_the_cure(
    error: OSError, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(error) == 2
    assert capsys.readouterr().err == f"practicum: {told}\n"


@pytest.mark.parametrize("place", ["a file", "/proc", "/dev/null"])
def test_cache_that_cannot_be_made_is_one_line_with_the_cure(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
    assert cli.exit_code_of(cache.root) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"practicum: {tmp_path / place}") and told.count("\n") == 1
    assert told.endswith("; set XDG_CACHE_HOME to a folder that you may write\n")


def test_other_system_errors_are_bugs() -> None:
    with pytest.raises(OSError, match="surprise"):
        fail_with(OSError(errno.EIO, "surprise"))


def test_help_lists_the_commands_and_loads_nothing_heavy() -> None:
    told = practicum_command("--help")
    assert told.returncode == 0
    assert all(f" {command} " in told.stdout for command in COMMANDS)
    probe = "import sys, practicum.cli; print([m for m in ('httpx', 'practicum.commands.build') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True) == "[]\n"


def test_short_help_and_version() -> None:
    assert practicum_command("-h").stdout == practicum_command("--help").stdout
    assert "Usage" in practicum_command("release", "-h").stdout
    told = practicum_command("--version")
    assert (told.returncode, told.stdout) == (0, f"practicum {importlib.metadata.version('practicum')}\n")


def test_a_semester_is_named_by_its_path_or_nearly() -> None:
    newest = find.list_semesters(ROOT)[-1]
    by_name = practicum_command("check", newest).stdout
    assert by_name and practicum_command("check", f"semesters/{newest}/").stdout == by_name
    assert practicum_command("check", str(ROOT / "semesters" / newest), cwd=Path("/")).stdout == by_name
    nearly = practicum_command("check", newest[:-1])
    assert nearly.stderr == f"practicum: {newest[:-1]}: no such semester; did you mean {newest}?\n"


def test_the_shell_completes_semesters() -> None:
    newest = find.list_semesters(ROOT)[-1]
    words = {"COMP_WORDS": f"practicum check {newest[:4]}", "COMP_CWORD": "2"}
    told = practicum_command(**{"_PRACTICUM_COMPLETE": "complete_bash", **words})
    assert newest in told.stdout.split()


def test_wrong_usage_exits_2() -> None:
    for arguments in (["no-such-command"], ["verify-ova"], ["ova", "--no-such-option"]):
        assert practicum_command(*arguments).returncode == 2


@pytest.mark.parametrize("command", ["ova", "explain", "lock", "check", "preflight"])
def test_unknown_semester_exits_2_and_lists_the_known(command: str, tmp_path: Path) -> None:
    told = practicum_command(command, "nowhere", XDG_CACHE_HOME=str(tmp_path))
    assert (told.returncode, told.stdout) == (2, "")
    known = ", ".join(find.list_semesters(ROOT))
    assert told.stderr == f"practicum: nowhere: no such semester; known: {known}\n"
    assert not list(tmp_path.iterdir())


def test_second_build_of_the_same_semester_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    newest = find.find_semester("").product_name
    with cache.lock(f"build-{newest}", f"build of {newest}"):
        told, refusal = run_counted(practicum_argv("ova"), cwd=ROOT, timeout=HANG)
    assert told.returncode == 75
    assert told.stderr.startswith(f"practicum: build of {newest}: process {os.getpid()} (build of {newest}) since 20")
    assert told.stderr.count("\n") == 1
    # It comes while the lock is held, or this test would hang. What builds is not even imported.
    _, help_page = run_counted(practicum_argv("--help"), cwd=ROOT, timeout=HANG)
    assert refusal < help_page + 1


def test_check_reads_the_newest_description() -> None:
    told = practicum_command("check")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"semesters/{find.list_semesters(ROOT)[-1]}: ")


def test_wrong_description_touches_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "checkout" / "semesters" / "2027-spring"
    folder.mkdir(parents=True)
    (folder / "semester.toml").write_text("[course]\ncode = 559\n")
    told = practicum_command("ova", cwd=tmp_path / "checkout", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert told.returncode == 2 and told.stdout == ""
    lines = told.stderr.splitlines()
    assert lines and all(line.startswith("practicum: semesters/2027-spring/semester.toml: ") for line in lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkout"]


def test_semesters_are_ordered_by_time(tmp_path: Path) -> None:
    ordered = ["2026-w9", "2027-winter", "2027-spring", "2027-spring-b", "2027-summer", "2027-autumn", "2027-fall"]
    ordered += ["2027", "2027-w1", "2027-w2", "2028-spring"]
    for name in sorted(ordered):
        (tmp_path / "semesters" / name).mkdir(parents=True)
        (tmp_path / "semesters" / name / "semester.toml").touch()
    (tmp_path / "semesters" / "2029-draft").mkdir()
    assert find.list_semesters(tmp_path) == ordered


def test_root_is_found_from_below_and_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "semesters").mkdir()
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    assert find.find_root(tmp_path / "docs" / "deep") == tmp_path
    assert find.find_root(Path("/")) == ROOT


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_verify_ova_answers_by_exit_code(ok: bool, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    report = SimpleNamespace(ok=ok, to_json=lambda: json.dumps({"ok": ok}), render=lambda: "the report")
    monkeypatch.setattr(practicum.ova.conformance, "check", lambda file, rules, with_sum: report)
    for arguments, said in ((["x.ova"], "the report\n"), (["x.ova", "--json"], f'{{"ok": {str(ok).lower()}}}\n')):
        result = CliRunner().invoke(cli.app, ["verify-ova", *arguments])
        assert (result.exit_code, result.stdout) == (code, said)


def test_prune_tells_what_it_freed(tmp_path: Path) -> None:
    orphan = tmp_path / "practicum" / "work" / "base-1"
    orphan.mkdir(parents=True)
    told = practicum_command("prune", XDG_CACHE_HOME=str(tmp_path))
    assert told.stdout == f"{orphan}\n1 removed, 0 bytes freed in {tmp_path / 'practicum'}\n"
    assert not orphan.exists()
