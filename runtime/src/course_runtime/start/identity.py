"""Who may come in: Jupyter's token, asked for in a way that cannot switch it off by accident."""

import atexit
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from jupyter_server.auth.identity import PasswordIdentityProvider
from traitlets import default

from course_runtime.machine.node import find_node, find_token_file, keep_token


class CourseIdentityProvider(PasswordIdentityProvider):
    """Jupyter's own provider with another default token; a token or password that the user configures wins over it.

    Jupyter counts no token of ours as generated, so it prints neither the token nor the file:// address that no browser
    outside a container can open: `course_runtime.start.welcome` shows the one address that works.
    """

    token_is_random = False
    token_file: Path | None = None
    """Where the random token lies, when the log must not show it."""

    @default("token")
    def _token_default(self) -> str:
        token = read_token(os.environ)
        if not token and self.need_token:
            self.token_is_random = True
            token = secrets.token_hex(24)
            if node := find_node(os.environ):
                path = find_token_file(node, Path.home())
                self.token_file = path if keep_token(token, path) else None
                atexit.register(path.unlink, missing_ok=True)
        return token


def read_token(environ: Mapping[str, str]) -> str:
    """Return the token that the environment names, "" for none.

    Ends the program when there is a token file without a token: Jupyter would let everybody in, and must not start.
    """
    if token := environ.get("JUPYTER_TOKEN", ""):
        return token
    name = environ.get("JUPYTER_TOKEN_FILE", "")
    if not name:
        return ""
    try:
        token = Path(name).read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SystemExit(
            f"JUPYTER_TOKEN_FILE={name} cannot be read ({reason}): mount the file that holds the token"
        ) from None
    if not token.strip():
        raise SystemExit(f"JUPYTER_TOKEN_FILE={name} is empty: write the token into it")
    return token
