"""Whom an HTTPS client of the builder trusts."""

import os
import ssl
from functools import cache


def find_trusted() -> ssl.SSLContext:
    """Return the context of this machine's own authorities.

    It honours SSL_CERT_FILE and SSL_CERT_DIR, as networks with an authority of their own need.
    """
    return _read_trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _read_trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Return the context for these values of the two variables; reading it takes 20 ms."""
    return ssl.create_default_context()
