"""Saves are complete or did not happen, in a real Jupyter server that is killed in the middle of them.

PRACTICUM_SAVE_ROUNDS sets how many servers are killed for each size of notebook (default 5).
"""

import asyncio
import base64
import http.client
import json
import os
import random
import shutil
import socket
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("jupyter_server", reason="jupyter_server is not installed beside pytest: saves are not tested here")

from course_runtime.files.contents import SafeContents
from forks import start_module
from packages import PYTHONPATH
from tornado.web import HTTPError
from waiting import DEADLINE, wait_until

TOKEN = "test-token-of-a-server-on-loopback"
ROUNDS = int(os.environ.get("PRACTICUM_SAVE_ROUNDS", "5"))


def notebook(version: int, size: int) -> dict[str, object]:
    """A valid notebook of about `size` bytes that says which version it is."""
    cells = [
        {"id": f"c{number}", "cell_type": "markdown", "metadata": {}, "source": f"{version} " + "x" * 1000}
        for number in range(max(1, size // 1080))
    ]
    return {"cells": cells, "metadata": {"version": version}, "nbformat": 4, "nbformat_minor": 5}


def save(manager: SafeContents, name: str, text: str) -> None:
    asyncio.run(manager.save({"type": "file", "format": "text", "content": text}, name))


@pytest.fixture
def manager(tmp_path: Path) -> SafeContents:
    root = tmp_path / "root"
    root.mkdir()
    return SafeContents(root_dir=str(root))


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".~*") if ".ipynb_checkpoints" not in path.parts]


def test_a_save_keeps_mode_and_unix_line_ends(manager: SafeContents) -> None:
    path = Path(manager.root_dir, "a.sh")
    path.write_text("old")
    path.chmod(0o751)
    save(manager, "a.sh", "one\ntwo\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o751
    assert not leftovers(path.parent)


def test_a_new_file_gets_the_usual_mode(manager: SafeContents) -> None:
    old = os.umask(0o027)
    try:
        save(manager, "new.txt", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE(Path(manager.root_dir, "new.txt").stat().st_mode) == 0o640


def test_attributes_are_kept(manager: SafeContents) -> None:
    path = Path(manager.root_dir, "a.txt")
    path.write_text("old")
    try:
        os.setxattr(path, "user.origin", b"kept")
    except OSError as error:
        pytest.skip(f"the file system of the tests has no attributes: {error}")
    save(manager, "a.txt", "new")
    assert os.getxattr(path, "user.origin") == b"kept"


def test_a_link_stays_a_link_and_its_target_is_replaced(manager: SafeContents, tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere.txt", Path(manager.root_dir, "link.txt")
    target.write_text("old")
    link.symlink_to(target)
    save(manager, "link.txt", "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    dangling = Path(manager.root_dir, "dangling.txt")
    dangling.symlink_to(tmp_path / "born.txt")
    save(manager, "dangling.txt", "new")
    assert dangling.is_symlink()
    assert (tmp_path / "born.txt").read_text() == "new"


def test_a_file_with_two_names_keeps_both(manager: SafeContents) -> None:
    one, two = Path(manager.root_dir, "one.txt"), Path(manager.root_dir, "two.txt")
    one.write_text("old")
    two.hardlink_to(one)
    save(manager, "one.txt", "new")
    assert two.read_text() == "new"
    assert one.samefile(two)


def test_a_write_protected_file_is_refused_with_403(manager: SafeContents, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(manager.root_dir, "a.txt")
    path.write_text("old")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everything
    with pytest.raises(HTTPError) as caught:
        save(manager, "a.txt", "new")
    assert caught.value.status_code == 403
    assert path.read_text() == "old"
    assert not leftovers(path.parent)


def test_a_file_in_a_write_protected_folder_is_written_in_place(
    manager: SafeContents, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(manager.root_dir, "a.txt")
    path.write_text("old")
    inode = path.stat().st_ino
    really_open = os.open

    def refuse_new(name: object, flags: int, *rest: object, **options: object) -> int:
        if flags & os.O_EXCL:
            raise PermissionError(13, "Permission denied", str(name))
        return really_open(name, flags, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("os.open", refuse_new)
    save(manager, "a.txt", "new")
    assert path.read_text() == "new"
    assert path.stat().st_ino == inode
    with pytest.raises(HTTPError) as caught:
        save(manager, "b.txt", "new")
    assert caught.value.status_code == 403


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of somebody else")
def test_the_owner_stays(manager: SafeContents) -> None:
    path = Path(manager.root_dir, "a.txt")
    path.write_text("old")
    os.chown(path, 4711, 4712)
    save(manager, "a.txt", "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)


def test_an_owner_that_cannot_be_kept_means_writing_in_place(
    manager: SafeContents, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(manager.root_dir, "a.txt")
    path.write_text("old")
    inode = path.stat().st_ino

    def refuse(descriptor: int, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.fchmod", refuse)
    save(manager, "a.txt", "new")
    assert path.read_text() == "new"
    assert path.stat().st_ino == inode
    assert not leftovers(path.parent)


def test_a_full_disk_leaves_the_old_version(manager: SafeContents, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(manager.root_dir, "a.txt")
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(HTTPError, match="No space left on device"):
        save(manager, "a.txt", "new")
    assert path.read_text() == "old"
    assert not leftovers(path.parent)


def test_a_notebook_opens_and_saves_when_its_trust_cannot_be_kept(
    manager: SafeContents, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(manager.save({"type": "notebook", "content": notebook(1, 100)}, "n.ipynb"))

    def refuse(*_arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for question in ("check_signature", "check_cells", "sign", "mark_cells"):
        monkeypatch.setattr(manager.notary, question, refuse)
    opened = asyncio.run(manager.get("n.ipynb"))
    assert opened["content"]["metadata"]["version"] == 1
    asyncio.run(manager.save({"type": "notebook", "content": notebook(2, 100)}, "n.ipynb"))
    assert json.loads(Path(manager.root_dir, "n.ipynb").read_text())["metadata"]["version"] == 2


def test_an_upload_in_chunks_is_whole(manager: SafeContents) -> None:
    data = os.urandom(3_000_000)
    Path(manager.root_dir, "data.bin").write_bytes(b"old")

    async def upload() -> None:
        pieces = [data[start : start + 1_000_000] for start in range(0, len(data), 1_000_000)]
        for number, piece in zip([1, 2, -1], pieces, strict=True):
            content = base64.b64encode(piece).decode()
            model = {"type": "file", "format": "base64", "content": content, "chunk": number}
            await manager.save(model, "data.bin")

    asyncio.run(upload())
    assert Path(manager.root_dir, "data.bin").read_bytes() == data


def test_a_checkpoint_is_made_and_restored(manager: SafeContents) -> None:
    async def go() -> None:
        model = {"type": "notebook", "content": notebook(1, 2000)}
        await manager.save(model, "a.ipynb")
        checkpoint = await manager.create_checkpoint("a.ipynb")
        await manager.save({**model, "content": notebook(2, 2000)}, "a.ipynb")
        await manager.restore_checkpoint(checkpoint["id"], "a.ipynb")

    asyncio.run(go())
    assert json.loads(Path(manager.root_dir, "a.ipynb").read_text())["metadata"]["version"] == 1


class Server:
    """A Jupyter server on a free port of loopback, saving below `root`."""

    def __init__(self, root: Path, manager: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = {
            "ServerApp.contents_manager_class": manager,
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": str(self.port),
            "ServerApp.port_retries": "0",
            "ServerApp.root_dir": str(root / "home"),
            "ServerApp.open_browser": "False",
            "ServerApp.allow_root": "True",
            "ServerApp.jpserver_extensions": "{}",
            "IdentityProvider.token": TOKEN,
        }
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "HOME": str(root), "JUPYTER_NO_CONFIG": "1"}
        environment["TMPDIR"] = str(root)  # Jupyter makes a folder of settings there, which a killed one leaves
        self.log = root / "log"
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self.process = start_module("jupyter_server", arguments, environment, self.log)

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until(self.answers, f"the server's start, see {self.log}")

    def answers(self) -> bool:
        assert self.process.poll() is None, f"the server did not start, see {self.log}"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
            connection.request("GET", "/api")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def save(self, body: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        connection.request("PUT", "/api/contents/a.ipynb", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for servers to save in."""
    (tmp_path / "home").mkdir()
    yield tmp_path
    shutil.rmtree(tmp_path / "home")


def count_damaged(place: Path, manager: str, size: int, rounds: int, *, stop_at: int | None = None) -> int:
    """Kill `rounds` servers at random moments of their saves; how many notebooks were not complete afterwards.

    A notebook is damaged when it is no JSON, or older than the last save that the server acknowledged.
    """
    chance, damaged, version = random.Random(size), 0, 0
    path = place / "home/a.ipynb"
    for _ in range(rounds):
        server = Server(place, manager)
        try:
            server.wait()
            version += 1
            assert server.save(encode(version, size)) in (200, 201)
            started = time.perf_counter()
            version += 1
            assert server.save(encode(version, size)) == 200
            acknowledged, duration = version, time.perf_counter() - started
            bodies = {number: encode(number, size) for number in range(version + 1, version + 4)}

            def keep_saving(server: Server = server, bodies: dict[int, bytes] = bodies) -> None:
                nonlocal acknowledged
                try:
                    for number, body in bodies.items():
                        assert server.save(body) == 200
                        acknowledged = number
                except (OSError, http.client.HTTPException):
                    return  # killed, as it should be

            thread = threading.Thread(target=keep_saving)
            thread.start()
            time.sleep(chance.uniform(0, 2.5 * duration))
        finally:
            server.kill()
        thread.join()
        version += len(bodies)
        try:
            found = json.loads(path.read_bytes())
            number = found["metadata"]["version"]
            wanted = [cell["source"] for cell in notebook(number, size)["cells"]]  # type: ignore[attr-defined]
            complete = ["".join(cell["source"]) for cell in found["cells"]] == wanted
            damaged += not complete or number < acknowledged
        except ValueError:
            damaged += 1
        if stop_at and damaged >= stop_at:
            break
        path.unlink()
    return damaged


def encode(version: int, size: int) -> bytes:
    return json.dumps({"type": "notebook", "content": notebook(version, size)}).encode()


@pytest.mark.slow
@pytest.mark.parametrize("size", [50_000, 5_000_000])
def test_no_save_is_lost_when_the_server_is_killed(place: Path, size: int) -> None:
    assert count_damaged(place, "course_runtime.files.contents.SafeContents", size, ROUNDS) == 0
    assert len(leftovers(place)) <= ROUNDS, "at most the temporary file of the save that was cut"


def test_the_same_kills_do_damage_jupyters_own_saves(place: Path) -> None:
    """The proof that the test above can fail."""
    own = "jupyter_server.services.contents.largefilemanager.AsyncLargeFileManager"
    assert count_damaged(place, own, 5_000_000, 40, stop_at=1) >= 1
