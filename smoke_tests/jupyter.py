"""A client of a running Jupyter server, the way a browser uses it: REST for files, a WebSocket for a kernel."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import websocket

from smoke_tests.waiting import PATIENCE

# Answers to a request without any credential. Jupyter serves its version, its login page and its static files to
# everybody; whatever else appears here one day must be decided, not happen.
WITHOUT_CREDENTIAL = {
    "/api": 200,
    "/login": 200,
    "/static/favicons/favicon.ico": 200,
    "/static/docs/index.html": 200,
    "/static/content/manifest.json": 404,
    "/": 302,
    "/lab": 302,
    "/files/.bashrc": 302,
    "/nbconvert/html/any.ipynb": 302,
    "/api/spec.yaml": 302,
    "/api/status": 403,
    "/api/contents": 403,
    "/api/kernels": 403,
    "/api/kernelspecs": 403,
    "/api/sessions": 403,
    "/api/terminals": 403,
    "/api/me": 403,
    "/lab/api/settings": 403,
    "/lab/api/workspaces": 403,
    "/metrics": 403,
    "/tensorboard/": 302,
    "/server-proxy/servers-info": 302,
}


def judge_answers_without_credential(ask: Callable[[str], httpx.Response]) -> None:
    """Fails unless `ask`, given a path, gets exactly the answers of WITHOUT_CREDENTIAL and is sent nowhere else.

    The login page may offer no new password: it would outlive the code or the token.
    """
    answers = {path: ask(path) for path in WITHOUT_CREDENTIAL}
    assert {path: answer.status_code for path, answer in answers.items()} == WITHOUT_CREDENTIAL
    redirected = [path for path, answer in answers.items() if answer.status_code == 302]
    wrong = {path: answers[path].headers["location"] for path in redirected}
    assert "new_password" not in answers["/login"].text
    assert all("/login" in location or location.startswith("/lab") for location in wrong.values()), wrong


def make_notebook(*sources: str) -> dict[str, Any]:
    """Return a notebook (format 4.5) with one code cell for each source."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{n}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for n, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


@dataclass(frozen=True)
class Outcome:
    """What a cell came to: `status` is "ok", "error", or "restarting"/"dead" when its kernel died under it."""

    status: str
    outputs: list[dict[str, Any]]

    @property
    def text(self) -> str:
        return "".join(output.get("text", "") for output in self.outputs)

    @property
    def error(self) -> str:
        return "\n".join(f"{output['ename']}: {output['evalue']}" for output in self.outputs if "ename" in output)


class Jupyter:
    """Server at `url` (scheme, host and port); `timeout` in seconds holds for each request."""

    def __init__(self, url: str, token: str, *, timeout: float = PATIENCE) -> None:
        self.url, self.token = url, token
        headers = {"Authorization": f"token {token}"}
        # Servers under test are on loopback: authorities to trust, which take 0.05 CPU s to read, are not asked for.
        self.client = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False, verify=False)

    def save(self, path: str, notebook: dict[str, Any]) -> httpx.Response:
        return self.client.put(f"/api/contents/{quote(path)}", json={"type": "notebook", "content": notebook})

    def save_text(self, path: str, text: str) -> httpx.Response:
        model = {"type": "file", "format": "text", "content": text}
        return self.client.put(f"/api/contents/{quote(path)}", json=model)

    def load(self, path: str) -> dict[str, Any]:
        response = self.client.get(f"/api/contents/{quote(path)}", params={"content": "1"})
        response.raise_for_status()
        content: dict[str, Any] = response.json()["content"]
        return content

    def delete(self, path: str) -> None:
        self.client.delete(f"/api/contents/{quote(path)}").raise_for_status()

    @contextlib.contextmanager
    def start_kernel(self, path: str = "") -> Iterator[Kernel]:
        """Return a Python kernel in the folder of the file `path`, shut down at the end."""
        response = self.client.post("/api/kernels", json={"name": "python3", "path": path})
        response.raise_for_status()
        kernel = Kernel(self, response.json()["id"])
        try:
            kernel.connect()
            yield kernel
        finally:
            kernel.disconnect()
            with contextlib.suppress(httpx.TransportError):  # a test may have ended the server, or its machine
                self.client.delete(f"/api/kernels/{kernel.id}")

    def run_notebook(self, path: str, *, timeout: float = PATIENCE) -> list[Outcome]:
        """Run every code cell of a saved notebook in order on a new kernel and save it with its outputs."""
        notebook = self.load(path)
        outcomes = []
        with self.start_kernel(path) as kernel:
            for cell in notebook["cells"]:
                if cell["cell_type"] == "code":
                    outcomes.append(kernel.execute(cell["source"], timeout=timeout))
                    cell["outputs"] = outcomes[-1].outputs
        self.save(path, notebook).raise_for_status()
        return outcomes


class Kernel:
    def __init__(self, server: Jupyter, kernel: str) -> None:
        self.server, self.id = server, kernel
        self.socket: websocket.WebSocket | None = None

    def connect(self) -> None:
        """Connect, or connect again, as a browser does when the server has hung up."""
        self.disconnect()
        address = f"{self.server.url.replace('http', 'ws', 1)}/api/kernels/{self.id}/channels"
        self.socket = websocket.create_connection(
            f"{address}?session_id={uuid.uuid4().hex}",
            header=[f"Authorization: token {self.server.token}"],
            timeout=PATIENCE,
        )

    def disconnect(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    @property
    def state(self) -> str:
        """What the server says of it: "starting", "idle", "busy", "restarting", "dead"."""
        response = self.server.client.get(f"/api/kernels/{self.id}")
        response.raise_for_status()
        return str(response.json()["execution_state"])

    def execute(self, code: str, *, timeout: float = PATIENCE) -> Outcome:
        """Run one cell and collect what it shows; raises TimeoutError after `timeout` seconds, ConnectionError when the
        server hangs up, which it does to whom it has not heard for long.
        """
        message = self.send(code)
        outputs: list[dict[str, Any]] = []
        status, idle = "", False
        deadline = time.monotonic() + timeout
        while not (status and idle):
            received = self._receive(deadline)
            kind, content = received["header"]["msg_type"], received["content"]
            # A kernel's death is told by the server itself, as an answer to no request.
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                return Outcome(content["execution_state"], outputs)
            if received["parent_header"].get("msg_id") != message:
                continue
            if kind == "execute_reply":
                status = content["status"]
            elif kind == "status":
                idle = content["execution_state"] == "idle"
            elif kind in ("stream", "display_data", "execute_result", "error"):
                outputs.append({"output_type": kind} | {key: content[key] for key in content if key != "transient"})
        return Outcome(status, outputs)

    def send(self, code: str) -> str:
        """Ask for one cell to be run, without waiting; the request's id."""
        message = uuid.uuid4().hex
        assert self.socket
        self.socket.send(json.dumps(_request(message, code)))
        return message

    def _receive(self, deadline: float) -> dict[str, Any]:
        assert self.socket
        self.socket.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            received = self.socket.recv()
        except websocket.WebSocketTimeoutException as error:
            raise TimeoutError(f"kernel {self.id} gave no answer in time") from error
        except websocket.WebSocketConnectionClosedException:
            received = ""
        if not received:
            raise ConnectionError(f"the server hung up while kernel {self.id} was waited for")
        message: dict[str, Any] = json.loads(received)
        return message


def _request(message: str, code: str) -> dict[str, Any]:
    header = {"msg_id": message, "msg_type": "execute_request", "session": "smoke", "username": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    return {
        "header": header | {"date": datetime.now(UTC).isoformat()},
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
    }
