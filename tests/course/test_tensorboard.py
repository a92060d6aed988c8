"""TensorBoard is a page of JupyterLab's server: no port of its own, and nobody without the token."""

import http.client
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: its pages are not tested here")

from course_runtime.start.proxy import SERVED, FirstRequest
from lab_server import Lab
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tornado.httputil import HTTPServerRequest, RequestStartLine
from waiting import DEADLINE, wait_until

TOKEN = "a-token-of-a-test"
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGVzdA==",
}  # fmt: skip


def write_run(folder: Path) -> None:
    """Leave a run as SummaryWriter does by default: in `runs` beside the notebook."""
    writer = EventFileWriter(str(folder / "runs/first"))
    writer.add_event(Event(step=1, summary=Summary(value=[Summary.Value(tag="loss", simple_value=0.5)])))
    writer.close()


def test_tensorboard_is_a_page_of_the_server(tmp_path: Path) -> None:
    lab = Lab(tmp_path, environ={"JUPYTER_TOKEN": TOKEN, "NB_PREFIX": "/behind/a/hub"}, base="/behind/a/hub/")
    folder = lab.home / "ee559"
    folder.mkdir()
    write_run(folder)
    with lab:
        stranger = lab.ask("tensorboard/data/runs")[1]
        assert "Type the" in stranger and "runs/first" not in stranger, "TensorBoard answers without the token"
        servers = json.loads(lab.ask("server-proxy/servers-info", token=TOKEN)[1])["server_processes"]
        assert [server["launcher_entry"]["title"] for server in servers] == ["TensorBoard"]
        status, page = lab.ask("tensorboard/", token=TOKEN)
        assert status == 200 and "<title>TensorBoard</title>" in page
        wait_until(lambda: "runs/first" in lab.ask("tensorboard/data/runs", token=TOKEN)[1], "the run")
        assert list_listeners(lab.process.pid) == {lab.port}, "TensorBoard listens where everybody may ask"
        for path in ("tensorboard", "tensorboard/", "tensorboard/data/runs", "proxy/6006/"):
            assert [knock(lab, method, path) for method in ("GET", "HEAD", "POST")] == [302, 302, 403], path
        assert knock(lab, "GET", "tensorboard/", UPGRADE) in (302, 403)
    found = [line for line in lab.read_log().splitlines() if re.search("Traceback|Uncaught|Cannot", line)]
    assert found == [], "the log shows a failure where a stranger asked"


def knock(lab: Lab, method: str, path: str, headers: Mapping[str, str] = {}) -> int:
    """Return the status that a stranger gets, who follows no redirection."""
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=DEADLINE)
    try:
        connection.request(method, lab.base + path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def list_listeners(server: int) -> set[int]:
    """Return the TCP ports at which the process `server` and its children listen."""
    processes = [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]
    links = [str(link.readlink()) for one in processes for link in Path(f"/proc/{one}/fd").iterdir()]
    tables = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
    rows = [row.split() for row in tables if " 0A " in row]
    return {int(row[1].split(":")[1], 16) for row in rows if f"socket:[{row[9]}]" in links}


def ask(path: str) -> HTTPServerRequest:
    return HTTPServerRequest(start_line=RequestStartLine("GET", path, "HTTP/1.0"), connection=None)


@pytest.mark.parametrize("path", ["/tensorboard/", "/proxy/6006/", "/server-proxy/servers-info"])
def test_the_proxy_is_loaded_by_the_first_request_for_it(path: str) -> None:
    loaded: list[int] = []
    first = FirstRequest("/" + SERVED, lambda: loaded.append(1))
    for other in ("/lab", "/api/contents/tensorboard/a.py", "/static/tensorboard"):
        assert first.match(ask(other)) is None
    assert loaded == []
    for _ in range(2):
        assert first.match(ask(path)) is None
    assert loaded == [1]
