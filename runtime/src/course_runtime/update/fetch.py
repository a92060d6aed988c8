"""Reads a file of a web server within limits that no server can move: of bytes, of seconds, of where it may lead.

urllib's own redirects are not used: they may lead to other protocols, and read the answer that redirects to its end.
"""

import http.client
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Protocol
from urllib.parse import urljoin, urlsplit

from course_runtime.update.answers import TELL, NotNow, Untrue

SILENCE = 20.0  # seconds without a byte
REDIRECTS = 5
PIECE = 1 << 16

FAILURES = (OSError, http.client.HTTPException, ValueError)
"""What urllib raises: no network, a broken connection, an answer that is none, an address that is none."""


class TimeIsUp(Exception):
    """The time limit of a transfer."""


@contextmanager
def time_limit(seconds: float, url: str) -> Iterator[None]:
    """Raise NotNow when the block takes longer than `seconds`, by a signal: a server may send a byte now and then."""

    def stop(number: int, frame: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TimeIsUp:
        raise cannot_read(url, f"it takes more than {seconds:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Stream(Protocol):
    """What can be read: a file, or an answer of a server."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Answer:
    """An answer of a server; reading raises NotNow when the connection breaks."""

    answer: http.client.HTTPResponse
    url: str

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        try:
            return self.answer.read(size)
        except FAILURES as error:
            raise cannot_read(self.url, explain(error)) from None


@contextmanager
def open_url(url: str) -> Iterator[Answer]:
    """Give the answer to read from.

    Raise Untrue at a redirect that leaves the web, NotNow when nobody answers or there is no such file.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "course-update")]
    asked = url
    for _ in range(REDIRECTS + 1):
        try:
            answer = opener.open(asked, timeout=SILENCE)
        except FAILURES as error:
            raise cannot_read(url, explain(error)) from None
        if answer is None:
            raise Untrue(f"{asked} is no address of the web", TELL)
        with answer:
            if answer.status == 200:
                yield Answer(answer, url)
                return
            asked = follow(answer, asked, url)
    raise cannot_read(url, "it leads from one address to the next")


def follow(answer: http.client.HTTPResponse, asked: str, url: str) -> str:
    """Return the address to which an answer redirects; raise as `open_url` does where it redirects to none."""
    location = answer.headers.get("Location", "")
    if answer.status not in (301, 302, 303, 307, 308) or not location:
        raise cannot_read(url, f"HTTP {answer.status}")
    target = urljoin(asked, location)
    if urlsplit(target).scheme not in ("http", "https"):
        raise Untrue(f"{url} leads to {target[:100]!r}, which is no address of the web", TELL)
    return target


def cannot_read(url: str, reason: str) -> NotNow:
    """Return the error about an address that cannot be read now."""
    return NotNow(f"{url} cannot be read ({reason})", "try later, or: course-update --from FILE")


def explain(error: Exception) -> str:
    """Return what went wrong, in one line."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return " ".join(str(told).split())


def read_small(stream: Stream, limit: int, where: str) -> bytes:
    """Return all bytes of `stream`; raise Untrue when there are more than `limit`."""
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise Untrue(f"{where} has more than {limit} bytes", TELL)
    return data


def copy_exactly(stream: Stream, size: int, digest: str, target: BinaryIO, where: str) -> None:
    """Copy `size` bytes of `stream`, whose SHA-256 is `digest`; raise Untrue when it has more, fewer or other bytes."""
    left, hashed = size, sha256()
    while left and (data := stream.read(min(left, PIECE))):
        target.write(data)
        hashed.update(data)
        left -= len(data)
    if left:
        raise Untrue(f"{where} ends after {size - left} of {size} bytes", TELL)
    if stream.read(1):
        raise Untrue(f"{where} has more than the {size} bytes that were announced", TELL)
    if hashed.hexdigest() != digest:
        raise Untrue(f"{where} is another file than the one that was signed", TELL)
    target.flush()
