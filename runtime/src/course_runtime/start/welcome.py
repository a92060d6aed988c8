"""The last lines of a container's log: which GPU there is, where to open JupyterLab, and which content release came.

A Jupyter server extension.

Nothing here runs before the server answers, and nothing here may break it: the GPU is looked for in another process,
because NVIDIA's libraries take their time, may end the process that asks, and would stay in it.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from course_runtime.machine.machine import Machine, load_course
from course_runtime.machine.node import find_node

DEADLINE = 10.0  # seconds: a driver that does not answer must not keep the address from the student
CHECK = (sys.executable, "-P", "-m", "course_runtime.doctor.cli", "--gpu", "--json")
UPDATE = ("/usr/bin/python3", "-I", "-S", str(Path(__file__).parents[1] / "update/__main__.py"), "--quiet")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "course_runtime.start.welcome"}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Prepare the log; Jupyter calls this while it starts."""
    app.log.addFilter(Quiet(app))
    # A page to open in a browser is of no use in here, and would hold the token.
    app.no_browser_open_file = True


async def _start_jupyter_server_extension(app: Any) -> None:
    """Say what there is to say; Jupyter calls this when it has started, and nobody waits for it."""
    for quiet in app.log.filters:
        if isinstance(quiet, Quiet):
            quiet.is_starting = False
    for level, line in await look_for_gpu():
        app.log.log(level, line)
    if not os.environ.get("JUPYTERHUB_API_TOKEN"):
        # At the level at which Jupyter shows its own: who silences the log still has to come in.
        app.log.critical(describe_address(app))
    await ask_for_content()


async def ask_for_content() -> None:
    """Let `course-update` look for a content release, in a process of its own, where the course has an address."""
    with suppress(Exception):
        course = load_course(Machine())
        if course.address and course.updates:
            nothing, log = asyncio.subprocess.DEVNULL, sys.stderr
            process = await asyncio.create_subprocess_exec(*UPDATE, stdin=nothing, stdout=log, stderr=log)
            await process.wait()


class Quiet(logging.Filter):
    """Leaves out of the log what would contradict its last lines, or follow them."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self.app, self.is_starting = app, True

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is wanted."""
        message = record.getMessage()
        # The language servers that the image does not have, listed late by jupyter_lsp.
        return not message.startswith("Skipped non-installed server") and not self.is_address(message)

    def is_address(self, message: str) -> bool:
        """Return whether Jupyter tells its address itself: the one inside of the container, and without the token."""
        with suppress(Exception):
            told = str(self.app.running_server_info(kernel_count=False))
            lines = told.removeprefix(self.app.contents_manager.info_string()).split("\n")
            return self.is_starting and (message in lines or self.app.connect_url in message)
        return False


async def look_for_gpu() -> list[tuple[int, str]]:
    """Return what course-doctor says of the GPU and of shared memory: (level, line) for the log."""
    try:
        findings = json.loads(await run_check())["checks"]
        return [format_line(one) for one in findings if one["name"] == "gpu" or one["status"] != "ok"]
    except TimeoutError:
        reason = f"the driver did not answer in {DEADLINE:g} s"
    except Exception as error:
        reason = f"the check failed ({error})"
    return [(logging.WARNING, f"gpu: unknown, {reason}. Cure: course-doctor --gpu in a terminal tells more")]


def format_line(finding: dict[str, str]) -> tuple[int, str]:
    """Return a finding of course-doctor as (level, line) for the log."""
    cure = f". Cure: {finding['cure']}" if finding["cure"] else ""
    level = logging.INFO if finding["status"] == "ok" else logging.WARNING
    return level, f"{finding['name']}: {finding['detail']}{cure}"


async def run_check() -> str:
    """Return the output of the check; raise TimeoutError after DEADLINE, and RuntimeError when it says nothing."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*CHECK, stdin=nothing, stdout=pipe, stderr=nothing)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
    except TimeoutError:
        # A process that hangs in a driver does not even die: it is waited for only so long.
        with suppress(ProcessLookupError, TimeoutError):
            process.kill()
            await asyncio.wait_for(process.wait(), 1)
        raise
    if not output:
        raise RuntimeError(f"status {process.returncode}")
    return output.decode("utf-8", "replace")


def describe_address(app: Any, environ: Mapping[str, str] = os.environ) -> str:
    """Return where to open JupyterLab, and with what; the token is shown only when nobody chose it."""
    identity, query, how = app.identity_provider, "", ""
    if file := getattr(identity, "token_file", None):
        how = f", with the token that this shows: cat {file}"
    elif getattr(identity, "token_is_random", False):
        query = f"token={quote(identity.token)}"
    elif identity.token:
        how = ", with your token"
    elif identity.auth_enabled:
        how = ", with your password"
    url = urlsplit(app.local_url)._replace(query=query)
    if node := find_node(environ):
        url = url._replace(netloc=f"localhost:{app.port}")
        tunnel = f"Leave this running on your own computer:\n    {node.describe_tunnel(app.port)}"
        return f"JupyterLab is ready. {tunnel}\nThen open it in a browser there{how}:\n    {url.geturl()}"
    publish = f"docker run -p 127.0.0.1:{app.port}:{app.port}"
    return (
        f"JupyterLab is ready. Once its port is published ({publish}), open it in a browser{how}:\n    {url.geturl()}"
    )
