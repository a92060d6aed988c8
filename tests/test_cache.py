"""practicum.engine.cache: locks the kernel keeps, digests of trees, and a janitor that cannot hurt."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cpu_time import forbid_waiting
from survivors import HANG, wait_until

from practicum.engine import cache
from practicum.engine.errors import PracticumError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg" / "practicum"


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Starts a Python program that shares our cache folder."""
    argv = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start_holder(scope: str = "") -> "subprocess.Popen[str]":
    process = start(
        """
        import sys
        from practicum.engine import cache
        with cache.lock("thing", "making the thing", scope=sys.argv[1]):
            print("held", flush=True)
            sys.stdin.readline()
        """,
        scope,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_root_follows_the_xdg_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.root() == tmp_path / "xdg" / "practicum"
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache.root() == tmp_path / ".cache" / "practicum"


def test_busy_tells_who_since_when_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = start_holder()
    with monkeypatch.context() as patch, pytest.raises(cache.Busy) as caught:
        forbid_waiting(patch)
        with cache.lock("thing", "the thing"):
            pass
    assert holder.poll() is None
    assert caught.value.exit_code == 75
    assert str(caught.value).startswith(f"the thing: process {holder.pid} (making the thing) since 20")
    holder.communicate("\n")
    with cache.lock("thing", "the thing"):
        pass


def test_lock_of_a_killed_process_is_free() -> None:
    holder = start_holder()
    holder.kill()
    holder.wait()
    with cache.lock("thing", "the thing") as mine:
        assert mine.pid == os.getpid()


def test_patient_lock_waits_for_the_holder_it_was_told_of() -> None:
    holder = start_holder(scope="other")
    told: list[cache.Holder | None] = []

    def wait(other: cache.Holder | None) -> bool:
        told.append(other)
        holder.stdin.write("\n")  # type: ignore[union-attr]
        holder.stdin.flush()  # type: ignore[union-attr]
        return True

    with cache.lock("thing", "the thing", wait=wait):
        assert holder.wait(HANG) == 0
    assert [(other.pid, other.scope) for other in told if other] == [(holder.pid, "other")]


def test_lock_leaves_no_file_and_excludes_under_load(own_cache: Path) -> None:
    """Removing the file of a lock others wait for is the classic way to let two in."""
    script = """
        import os, sys
        from pathlib import Path
        from practicum.engine import cache
        inside = Path(sys.argv[1])
        for _ in range(300):
            with cache.lock("hot", "counting", wait=cache.patient):
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                inside.unlink()
    """
    processes = [start(script, own_cache.parent / "inside") for _ in range(4)]
    assert [process.wait(HANG) for process in processes] == [0] * 4
    assert not list((own_cache / "locks").iterdir())


def test_unreadable_lock_text_is_no_obstacle(own_cache: Path) -> None:
    (own_cache / "locks").mkdir(parents=True)
    (own_cache / "locks" / "thing.lock").write_text("{half")
    with cache.lock("thing", "the thing"):
        assert json.loads((own_cache / "locks" / "thing.lock").read_text())["pid"] == os.getpid()


def test_work_folder_goes_with_success_and_failure(own_cache: Path) -> None:
    with pytest.raises(KeyError), cache.work_folder("disk") as folder:
        (folder / "deep").mkdir()
        raise KeyError
    with cache.work_folder("disk") as folder:
        assert folder.parent == own_cache / "work" and folder.name.startswith("disk-")
    assert not list((own_cache / "work").iterdir())


def test_sweep_takes_only_what_nobody_works_on(own_cache: Path) -> None:
    work = own_cache / "work"
    process = start(
        """
        import sys
        from practicum.engine import cache
        with cache.work_folder("disk") as folder:
            (folder / "part").write_text("half")
            print(folder, flush=True)
            sys.stdin.readline()
        """
    )
    assert process.stdout
    folder = Path(process.stdout.readline().strip())
    assert cache.sweep() == [] and (folder / "part").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "part").exists(), "the kill must leave garbage, or this test proves nothing"
    assert cache.sweep() == [folder]
    assert not list(work.iterdir())


def test_sweep_follows_no_link(own_cache: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    orphan = own_cache / "work" / "base-1"
    orphan.mkdir(parents=True)
    (orphan / "link").symlink_to(precious)
    (own_cache / "work" / "base-2").symlink_to(precious)
    assert cache.sweep() == [orphan]
    assert (precious / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_mounted_folder_is_refused_whole(tmp_path: Path) -> None:
    """In a mount namespace of its own, so that a failure here cannot leave a mount on this machine."""
    (tmp_path / "tree" / "a mount").mkdir(parents=True)
    (tmp_path / "tree" / "0").touch()
    script = """
        import sys
        from pathlib import Path
        from practicum.engine import cache
        cache.remove_tree(Path(sys.argv[1]))
    """
    mount_first = 'mount -t tmpfs x "$0/a mount" && touch "$0/a mount/f" && exec "$@"'
    tree = str(tmp_path / "tree")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount_first, tree, sys.executable, "-c", textwrap.dedent(script), tree],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "a mount is a mount point, not removing it; run: umount" in done.stderr
    assert (tmp_path / "tree" / "0").exists()
    cache.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_remove_tree_outlasts_a_writer_that_is_being_killed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    process = start(
        """
        import sys
        from pathlib import Path
        for number in range(5_000):
            if number == 1000:
                print("up", flush=True)
            try:
                (Path(sys.argv[1]) / str(number)).touch()
            except OSError:
                break
        """,
        tmp_path / "tree",
    )
    assert process.stdout and process.stdout.readline() == "up\n"
    cache.remove_tree(tmp_path / "tree")
    process.wait(HANG)
    assert not (tmp_path / "tree").exists()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.py").write_text("one")
    (folder / "run.sh").write_text("two")
    (folder / "link").symlink_to("sub/a.py")
    return folder


def change_content(tree: Path) -> None:
    (tree / "sub" / "a.py").write_text("uno")


def change_name(tree: Path) -> None:
    (tree / "run.sh").rename(tree / "go.sh")


def change_program_bit(tree: Path) -> None:
    (tree / "run.sh").chmod(0o755)


def change_link(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("sub/b.py")


def change_link_to_file(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").write_text("sub/a.py")


def move_text_between_files(tree: Path) -> None:
    (tree / "sub" / "a.py").write_text("")
    (tree / "run.sh").write_text("onetwo")


@pytest.mark.parametrize(
    "change",
    [
        change_content,
        change_name,
        change_program_bit,
        change_link,
        change_link_to_file,
        move_text_between_files,
    ],
)
def test_hash_tree_sees(tree: Path, change: object) -> None:
    before = cache.hash_tree(tree)
    assert callable(change)
    change(tree)
    assert cache.hash_tree(tree) != before


def test_hash_tree_does_not_see_time_place_mask_and_leavings(tree: Path, tmp_path: Path) -> None:
    before = cache.hash_tree(tree)
    moved = shutil.copytree(tree, tmp_path / "elsewhere" / "copy", symlinks=True)
    (moved / "sub" / "a.py").chmod(0o600)
    os.utime(moved / "run.sh", (1, 1))
    (moved / "empty").mkdir()
    for name in ("__pycache__", ".ipynb_checkpoints"):
        (moved / "sub" / name).mkdir()
        (moved / "sub" / name / "x.pyc").touch()
    assert cache.hash_tree(moved) == before
    assert cache.hash_tree(moved, ignore=()) != before


def test_hash_tree_takes_a_single_file_and_odd_names(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"\xff name")
    file.write_text("x")
    assert cache.hash_tree(file) != cache.hash_tree(tmp_path)


def test_hash_tree_refuses_what_it_cannot_describe(tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match="no such file or folder"):
        cache.hash_tree(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PracticumError, match="pipe: neither file, folder nor link; remove it"):
        cache.hash_tree(tmp_path)


def test_require_space_looks_where_the_folder_will_be(tmp_path: Path) -> None:
    cache.require_space(tmp_path / "not" / "yet", 1, "a test")
    with pytest.raises(PracticumError) as caught:
        cache.require_space(tmp_path / "not" / "yet", 10**18, "the build")
    assert str(caught.value).startswith(f"the build: needs 1000000.0 TB free in {tmp_path}, where ")
    assert "practicum prune" in str(caught.value)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (123_456_789, "123.5 MB"), (64 * 10**9, "64.0 GB")],
)
def test_format_bytes(count: int, text: str) -> None:
    assert cache.format_bytes(count) == text


def test_waiting_for_a_lock_can_be_interrupted() -> None:
    holder = start_holder()
    waiter = start(
        """
        import sys
        from practicum.engine import cache, run
        run.stop_on_signals()
        def wait(_):
            print("waiting", flush=True)
            return True
        try:
            with cache.lock("thing", "the thing", wait=wait):
                pass
        except run.Stopped as stopped:
            sys.exit(stopped.exit_code)
        """
    )
    assert waiter.stdout and waiter.stdout.readline() == "waiting\n"
    waiter.send_signal(signal.SIGINT)
    assert waiter.wait(HANG) == 130
    holder.communicate("\n")
    wait_until(lambda: holder.poll() == 0)
