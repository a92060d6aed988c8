"""The log-in at a container registry, with what `docker login` has stored in config.json.

Source: the distribution project's "Token Authentication Specification".
"""

import base64
import json
import os
import tempfile
import urllib.request
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import httpx

from practicum.engine.errors import PracticumError
from practicum.engine.run import run


class RegistryAuth(httpx.Auth):
    """Logs in when a registry asks: with the password, or with a token that the password gets and that may expire."""

    requires_response_body = True

    def __init__(self, host: str, repository: str) -> None:
        self._host = host
        self._scope = f"repository:{repository}:pull,push"
        self._header = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Send the request; when it is refused, log in as the answer says and send it again."""
        if self._header:
            request.headers["Authorization"] = self._header
        response = yield request
        if response.status_code != 401:
            return
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        basic = read_credentials(self._host)
        if scheme.lower() == "bearer":
            asked = urllib.request.parse_keqv_list(urllib.request.parse_http_list(rest))
            query = {"service": asked.get("service", ""), "scope": self._scope}
            headers = {"Authorization": basic} if basic else {}
            token = yield httpx.Request("GET", asked["realm"], params=query, headers=headers)
            if token.status_code != 200:
                return
            self._header = f"Bearer {token.json().get('token') or token.json().get('access_token')}"
        elif basic:
            self._header = basic
        else:
            return
        request.headers["Authorization"] = self._header
        yield request


def read_credentials(host: str) -> str:
    """Return the Authorization header for a registry that `docker login` knows, "" for one that it does not know."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return ""
    if password := config.get("auths", {}).get(host, {}).get("auth"):
        return f"Basic {password}"
    helper = config.get("credHelpers", {}).get(host) or config.get("credsStore")
    return _ask_helper(f"docker-credential-{helper}", host) if helper else ""


def _ask_helper(program: str, host: str) -> str:
    with tempfile.NamedTemporaryFile("w") as question:
        question.write(host)
        question.flush()
        with suppress(PracticumError, ValueError, KeyError):  # it knows no password for this host
            answer = run([program, "get"], step=program, contain=False, stdin=Path(question.name))
            known = json.loads("\n".join(answer.tail))
            return "Basic " + base64.b64encode(f"{known['Username']}:{known['Secret']}".encode()).decode()
    return ""
