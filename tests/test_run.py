"""practicum.engine.run: nothing it starts outlives it, and its errors name the cure."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from survivors import HANG, MARK, marked_processes, mounts_under, wait_until

from practicum.engine import namespaces, run, tools
from practicum.engine.errors import PracticumError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of the build need root")

# A child that mounts, starts a daemon that left its session, and ignores SIGTERM when told to. It waits by `wait`: a
# SIGTERM that comes while a shell starts a program in the foreground would be lost in the fork.
STUBBORN = """
import signal, sys
from pathlib import Path
from practicum.engine import run
run.stop_on_signals()
if len(sys.argv) > 2:
    run.GRACE = float(sys.argv[2])
trap = f"trap 'touch {sys.argv[1]}.asked' TERM;" if len(sys.argv) > 2 else ""
script = f"{trap} mount -t tmpfs x {sys.argv[1]} && setsid sleep 600 & echo up; while :; do sleep 600 & wait; done"
try:
    run.run(["sh", "-c", script], step="stubborn", on_line=lambda line: print(line, flush=True))
except run.Stopped as stopped:
    sys.exit(stopped.exit_code)
finally:
    print("cleaned", flush=True)
"""


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


def start(script: str, mark: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever started the tests with nohup has SIGHUP ignored, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )


def test_contained_arms_the_death_signal_before_it_makes_the_namespaces() -> None:
    assert namespaces.contained(["true", "-x"]) == [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "true", "-x"),
    ]


@needs_root
def test_run_keeps_lines_and_log(tmp_path: Path) -> None:
    seen: list[str] = []
    log = tmp_path / "logs" / "step.log"
    done = run.run(
        ["sh", "-c", r'printf "one\rtwo\n\n\033[31mred\033[0m\n"; echo "$WORD" >&2; pwd'],
        step="say",
        log=log,
        env={"WORD": "err"},
        cwd=tmp_path,
        on_line=seen.append,
    )
    assert seen == ["one", "two", "red", "err", str(tmp_path)] == list(done.tail)
    assert "\x1b[31mred" in log.read_text()
    run.run(["echo", "again"], step="say", log=log)
    assert log.read_text().endswith("again\n"), "the log must be appended to"


@needs_root
@pytest.mark.parametrize("contain", [True, False])
def test_standard_input_is_a_file_and_never_the_terminal(tmp_path: Path, contain: bool) -> None:
    (tmp_path / "in").write_text("from a file\n")
    assert run.run(["cat"], step="cat", contain=contain, stdin=tmp_path / "in").tail == ("from a file",)
    assert run.run(["cat"], step="cat", contain=contain).tail == ()


@needs_root
@pytest.mark.parametrize("contain", [True, False])
def test_failure_is_one_line_with_the_complaint_and_the_log(tmp_path: Path, contain: bool) -> None:
    script = "echo fine; echo 'E: Unable to locate package foo'; echo; echo bye; exit 3"
    with pytest.raises(PracticumError) as caught:
        run.run(["sh", "-c", script], step="base", log=tmp_path / "base.log", contain=contain)
    log = tmp_path / "base.log"
    assert str(caught.value) == f"base: sh ended with exit code 3: E: Unable to locate package foo (log: {log})"


@needs_root
def test_failure_without_a_complaint_quotes_the_last_line() -> None:
    with pytest.raises(PracticumError, match=r"^base: sh ended with exit code 1: last$"):
        run.run(["sh", "-c", "echo first; echo last; exit 1"], step="base")
    with pytest.raises(PracticumError, match=r"^base: sh was killed by SIGKILL: it printed nothing$"):
        run.run(["sh", "-c", "kill -9 $$"], step="base")


@needs_root
def test_temporary_files_go_where_they_are_told_by_a_short_name(tmp_path: Path) -> None:
    """Short enough for a socket; and the mount is gone with the child, the folder and what it holds stay."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    script = (
        "import os, socket, tempfile; held = tempfile.mkdtemp(); "
        "socket.socket(socket.AF_UNIX).bind(held + '/socket'); print(held)"
    )
    done = run.run([sys.executable, "-c", script], step="temporary", tmp=folder)
    made = Path(done.tail[-1])
    assert made.parent == namespaces.TMP and (folder / made.name / "socket").is_socket()
    assert not list(namespaces.TMP.iterdir()) and not mounts_under(folder)
    with pytest.raises(PracticumError, match=r"^temporary: sh ended with exit code 3"):
        run.run(["sh", "-c", "exit 3"], step="temporary", tmp=folder)


@needs_root
def test_contained_child_is_not_the_first_process_and_sees_no_other() -> None:
    own, others = run.run(["sh", "-c", "echo $$; ls -d /proc/[0-9]* | wc -l"], step="look").tail
    assert own == "2", "as process 1 the kernel would shield it from SIGTERM"
    assert int(others) <= 4


@needs_root
def test_mount_and_daemon_of_a_successful_child_end_with_it(tmp_path: Path, mark: str) -> None:
    daemon = f"mount -t tmpfs x {tmp_path} && setsid sh -c 'touch {tmp_path}/up; exec sleep 600' >/dev/null 2>&1"
    script = f"{daemon} & until test -e {tmp_path}/up; do sleep 0.01; done"
    run.run(["sh", "-c", script], step="daemon", env={MARK: mark})
    wait_until(lambda: not marked_processes(mark))
    assert not mounts_under(tmp_path)
    assert not list(tmp_path.iterdir())


@needs_root
def test_on_line_that_raises_ends_the_child(mark: str) -> None:
    def refuse(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="up"):
        run.run(["sh", "-c", "echo up; sleep 600"], step="raise", env={MARK: mark}, on_line=refuse)
    assert not marked_processes(mark)


@needs_root
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_no_process_and_no_mount_outlives_us(tmp_path: Path, mark: str, signum: int, code: int) -> None:
    process = start(STUBBORN, mark, tmp_path)
    assert process.stdout and process.stdout.readline() == "up\n"
    wait_until(lambda: mounts_under(tmp_path))
    assert len(marked_processes(mark)) >= 4
    process.send_signal(signum)
    assert process.wait(HANG) == code
    wait_until(lambda: not marked_processes(mark))
    assert not mounts_under(tmp_path)
    if signum != signal.SIGKILL:
        assert process.stdout.read() == "cleaned\n", "the orderly stop must run `finally` blocks"


@needs_root
def test_child_that_ignores_the_stop_is_killed_in_bounded_time(tmp_path: Path, mark: str) -> None:
    process = start(STUBBORN, mark, tmp_path, 0.5)
    assert process.stdout and process.stdout.readline() == "up\n"
    begun = time.monotonic()
    process.terminate()
    assert process.wait(HANG) == 143
    assert Path(f"{tmp_path}.asked").exists(), "it must be asked first"
    assert time.monotonic() - begun >= 0.5, "it must be given the time to end by itself"
    wait_until(lambda: not marked_processes(mark))


@needs_root
def test_second_signal_kills_at_once(tmp_path: Path, mark: str) -> None:
    process = start(STUBBORN, mark, tmp_path, 2 * HANG)
    assert process.stdout and process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    wait_until(Path(f"{tmp_path}.asked").exists)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG) == 130
    wait_until(lambda: not marked_processes(mark))


@needs_root
def test_kill_at_any_moment_of_the_start_leaves_nothing(tmp_path: Path, mark: str) -> None:
    """The start takes some 15 ms from fork to the program's first instruction: kill in steps of half of one."""
    script = """
        import sys
        from practicum.engine import run
        sys.stdin.readline()
        print("go", flush=True)
        run.run(["sh", "-c", f"mount -t tmpfs x {sys.argv[1]}; sleep 600"], step="start")
    """
    for step in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
            env={**os.environ, MARK: mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin and process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        time.sleep(step * 0.0005)
        process.kill()
        process.wait()
    wait_until(lambda: not marked_processes(mark))
    assert not mounts_under(tmp_path)


def test_nothing_starts_once_a_stop_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the exception of the signal's handler was lost, as Python loses those raised inside a finalizer."""
    monkeypatch.setattr(run, "_stop_signal", signal.SIGTERM)
    with pytest.raises(run.Stopped, match="SIGTERM"):
        run.run(["touch", str(tmp_path / "started")], step="start", contain=False)
    assert not (tmp_path / "started").exists()


@needs_root
@pytest.mark.parametrize("contain", [True, False])
def test_program_does_not_start_when_we_died_before_the_death_signal_was_armed(tmp_path: Path, contain: bool) -> None:
    """The race behind PR_SET_PDEATHSIG, made certain: the pipe has lost its holder when the child starts."""
    lifeline, held = os.pipe()
    os.close(held)
    argv = namespaces.guarded(["touch", str(tmp_path / "started")], contain=contain)
    assert subprocess.run(argv, stdin=lifeline, check=False).returncode == 137
    os.close(lifeline)
    assert not (tmp_path / "started").exists()


@needs_root
def test_children_of_other_threads_are_stopped_too(mark: str) -> None:
    script = """
        import sys, threading
        from concurrent.futures import ThreadPoolExecutor
        from practicum.engine import run
        run.stop_on_signals()
        up = threading.Barrier(3)
        def work(number):
            run.run(["sh", "-c", "echo up; sleep 600"], step=f"thread {number}", on_line=lambda _: up.wait())
        try:
            with ThreadPoolExecutor() as pool:
                futures = [pool.submit(work, number) for number in range(2)]
                up.wait()
                print("up", flush=True)
                for future in futures:
                    future.result()
        except run.Stopped as stopped:
            print([type(future.exception()).__name__ for future in futures], flush=True)
            sys.exit(stopped.exit_code)
    """
    process = start(script, mark)
    assert process.stdout and process.stdout.readline() == "up\n"
    process.terminate()
    assert process.wait(HANG) == 143
    assert process.stdout.read() == "['Stopped', 'Stopped']\n"
    wait_until(lambda: not marked_processes(mark))


def test_read_returns_standard_output_only() -> None:
    assert run.read(["sh", "-c", "echo out; echo err >&2"], step="ask") == "out\n"
    with pytest.raises(PracticumError, match=r"^ask: sh ended with exit code 1: no such thing$"):
        run.read(["sh", "-c", "echo no such thing >&2; exit 1"], step="ask")


def test_stream_gives_bytes_and_tells_a_failure() -> None:
    with run.stream(["printf", r"\377\0"], step="unpack") as output:
        assert output.read() == b"\xff\0"
    with (
        pytest.raises(PracticumError, match=r"^unpack: sh ended with exit code 3: no such thing$"),
        run.stream(["sh", "-c", "printf 12; echo no such thing >&2; exit 3"], step="unpack") as output,
    ):
        assert output.read(1) == b"1"


def test_stream_ends_the_program_when_its_reader_fails(mark: str) -> None:
    with pytest.raises(ZeroDivisionError), run.stream(["env", f"{MARK}={mark}", "sleep", "600"], step="unpack"):
        wait_until(lambda: marked_processes(mark))
        raise ZeroDivisionError
    assert not marked_processes(mark)


def test_read_gives_up_on_a_silent_program(mark: str) -> None:
    with pytest.raises(PracticumError, match=r"^ask: `sleep 600` gave no answer in 0 s; run it by hand$"):
        run.read(["sleep", "600"], step="ask", timeout=0.2, env={MARK: mark})
    assert not marked_processes(mark)


def test_require_names_all_that_is_missing_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find", lambda tool: None if tool != "tar" else "/bin/tar")
    with pytest.raises(PracticumError) as caught:
        tools.require("packer", "tar", "mkfs.ext4", "debugfs", "/usr/share/OVMF/OVMF_CODE.fd")
    assert str(caught.value) == (
        "missing: packer, mkfs.ext4, debugfs, /usr/share/OVMF/OVMF_CODE.fd; "
        "install with: apt-get install e2fsprogs ovmf packer"
    )


def test_missing_program_is_named_before_anything_starts() -> None:
    with pytest.raises(PracticumError, match="missing: no-such-program; install with: apt-get install no-such-program"):
        run.run(["no-such-program"], step="x")


def test_root_programs_are_found_whatever_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert tools.find("mke2fs")
    assert tools.find("python3") == str(Path(sys.executable).with_name("python3")), "our environment comes first"


def test_contained_refuses_plainly_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PracticumError, match=r"^base: true runs in namespaces of its own, which needs root; use sudo$"):
        run.run(["true"], step="base")


def test_version_is_one_line() -> None:
    assert run.version("bash").startswith("GNU bash")
    assert run.version("mksquashfs").startswith("mksquashfs version 4.")
    assert run.version("mke2fs").startswith("mke2fs 1.")


def test_run_waits_in_the_thread_that_called_it() -> None:
    """The death signal follows the calling thread, so the thread must not end before its child."""
    caller: list[Callable[[], bool]] = []

    def work() -> None:
        run.run(["sh", "-c", "echo up"], step="thread", contain=False, on_line=lambda _: caller.append(is_alive))

    thread = threading.Thread(target=work)
    is_alive = thread.is_alive
    thread.start()
    thread.join()
    assert caller
