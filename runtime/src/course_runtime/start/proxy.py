"""TensorBoard below JupyterLab's own address, by jupyter-server-proxy: a Jupyter server extension.

The proxy's import costs a fifth of a server's start. So it waits until a page first asks for what the proxy serves.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.routing import PathMatches

SERVED = r"(tensorboard|proxy|server-proxy)(/.*)?"
"""Paths below the base URL: of TensorBoard, of any other program's port, and of JupyterLab's question what there is."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "course_runtime.start.proxy"}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Let the first request load the proxy; Jupyter calls this while it starts."""

    def load() -> None:
        import jupyter_server_proxy
        from jupyter_server_proxy.handlers import ProxyHandler

        answer_strangers_once(ProxyHandler)
        jupyter_server_proxy._load_jupyter_server_extension(app)

    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(".*", [(FirstRequest(base + SERVED, load), JupyterHandler)])


def answer_strangers_once(handler: Any) -> None:
    """Let the proxy's `handler` be silent where Jupyter's, on which it builds, has sent a stranger to the login page.

    It would send the stranger there a second time (jupyter-server-proxy 4), which fails, with a traceback in the log.
    """
    prepare = handler.prepare

    @wraps(prepare)
    async def prepare_once(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            await prepare(self, *args, **kwargs)
        except Exception:
            if not self._finished:
                raise

    handler.prepare = prepare_once


class FirstRequest(PathMatches):
    """Matches no request, but calls `load` before the first one that `pattern` describes is handled.

    What `load` adds to the application comes after this in the list of handlers, so that the same request meets it.
    """

    def __init__(self, pattern: str, load: Callable[[], None]) -> None:
        super().__init__(pattern)
        self.load: Callable[[], None] | None = load

    def match(self, request: Any) -> None:
        """Return None: another handler answers."""
        if self.load and super().match(request) is not None:
            load, self.load = self.load, None
            load()
