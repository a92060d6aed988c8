"""Releases in a generic package registry, as GitLab and Gitea have: one version for each release.

The address is the package's: https://HOST/api/v4/projects/ID/packages/generic/NAME. The version 2027-spring has one
file, `latest`, which says which release students should take. After a broken connection, a file is sent again from its
start; with --limit and --split, only the piece that was under way.

Source: GitLab's documentation "Generic packages repository".
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import httpx

from practicum.engine.errors import PracticumError
from practicum.engine.tls import find_trusted
from practicum.release.places import name_flat
from practicum.release.target import LATEST, Item, Release, Report, list_files, read_number

LIMIT = 5 * 10**9
"""Bytes of the largest file that GitLab takes, unless its administrator chose otherwise."""

CHUNK = 1 << 20
TRIES = 4
PAUSE = 2.0  # seconds before another try
TIMEOUT = 300  # seconds without an answer: a registry hashes what it got before it answers


@contextmanager
def open_packages(target: str) -> Iterator["PackageTarget"]:
    """Give the target; the token is in PRACTICUM_TOKEN, or in CI_JOB_TOKEN inside a job of GitLab."""
    url = urlsplit(target)
    loopback = (url.hostname or "").startswith("127.") or url.hostname in ("localhost", "::1")
    if url.scheme != "https" and not loopback:
        raise PracticumError(target, "would send the token unencrypted", f"write https://{target.partition('//')[2]}")
    if token := os.environ.get("PRACTICUM_TOKEN"):
        headers = {"PRIVATE-TOKEN": token}
    elif token := os.environ.get("CI_JOB_TOKEN"):
        headers = {"JOB-TOKEN": token}
    else:
        cure = "export PRACTICUM_TOKEN=... (a project's access token that may write packages)"
        raise PracticumError(target, "needs a token", cure)
    # The token stays with this host: a download may be redirected to a store elsewhere, which must not see it.
    with (
        httpx.Client(timeout=TIMEOUT, verify=find_trusted(), headers=headers) as client,
        httpx.Client(timeout=TIMEOUT, verify=find_trusted(), follow_redirects=True) as other,
    ):
        yield PackageTarget(target.rstrip("/"), client, other)


class PackageTarget:
    """A package of a registry."""

    def __init__(self, url: str, client: httpx.Client, other: httpx.Client) -> None:
        self._url = url
        self._client = client
        self._other = other
        self._release = url  # list_items names it

    def check(self) -> None:
        """Ask for a file that is not there: a wrong token is refused, whatever the file."""
        with self._read(f"{self._url}/{LATEST}/{LATEST}"):
            pass

    def list_items(self, release: Release) -> list[Item]:
        """Return the files, refusing or splitting those over the limit."""
        self._release = f"{self._url}/{release.record.name}"
        return list_files(release, release.limit or LIMIT)

    def find(self, item: Item) -> str | None:
        """Return the digest of what is there, which is read for it: a registry's own word is not in its answer."""
        return self._hash(self._locate(item))

    def put(self, item: Item, report: Report) -> None:
        """Send the file; after a broken connection once more from its start."""
        for left in reversed(range(TRIES)):
            sent = 0

            def count(size: int) -> None:
                nonlocal sent
                sent += size
                report(size)

            try:
                self._put(self._locate(item), item, count)
                return
            except httpx.TransportError as error:
                report(-sent)
                if not left:
                    raise self._explain(item.name, f"cannot be sent ({error})") from None
                time.sleep(PAUSE)

    def complete(self, release: Release) -> None:
        """Do nothing: nobody looks for a version before `latest` names it."""

    def list_shown(self, semester: str) -> set[int]:
        """Return the number of the release that `latest` names."""
        with self._read(f"{self._url}/{semester}/{LATEST}") as response:
            return {0 if response is None else read_number(response.read().decode(errors="replace"), semester)}

    def show(self, release: Release) -> None:
        """Write `latest`."""
        text = f"{release.record.name}\n".encode()
        item = Item(LATEST, hashlib.sha256(text).hexdigest(), len(text), text)
        self._replace(f"{self._url}/{release.record.semester}/{LATEST}", item)

    def describe(self, release: Release) -> list[str]:
        """Return where the release is."""
        return [self._release]

    def choose(self, version: str) -> None:
        """Make `version` of the package the one that `find`, `read`, `put` and `replace` are about."""
        self._release = f"{self._url}/{version}"

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a small file of the version, None when it is not there."""
        with self._read(f"{self._release}/{quote(name)}") as response:
            return None if response is None else response.read()

    def replace(self, item: Item) -> None:
        """Send a small file of the version in place of the one before."""
        self._replace(self._locate(item), item)

    def _replace(self, url: str, item: Item) -> None:
        try:
            self._put(url, item, lambda count: None)
        except _TakenError:  # GitLab takes a second file of the same name, Gitea does not
            self._refuse_error(self._client.delete(url), item.name)
            self._put(url, item, lambda count: None)

    def _locate(self, item: Item) -> str:
        return f"{self._release}/{quote(name_flat(item.name))}"

    def _put(self, url: str, item: Item, report: Report) -> None:
        def read() -> Iterator[bytes]:
            with item.open() as stream:
                left = item.size
                while data := stream.read(min(CHUNK, left)):
                    left -= len(data)
                    yield data
                    report(len(data))

        headers = {"Content-Length": str(item.size), "Content-Type": "application/octet-stream"}
        response = self._client.put(url, content=read(), headers=headers)
        if response.status_code == 409:
            raise _TakenError(item.name, "is there already", "run again")
        self._refuse_error(response, item.name)

    def _hash(self, url: str) -> str | None:
        with self._read(url) as response:
            if response is None:
                return None
            digest = hashlib.sha256()
            for data in response.iter_raw(CHUNK):
                digest.update(data)
            return digest.hexdigest()

    @contextmanager
    def _read(self, url: str) -> Iterator[httpx.Response | None]:
        """Give the answer to read from, None when there is no such file."""
        name = url.rpartition("/")[2]
        headers = {"Accept-Encoding": "identity"}
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code == 404:
                    yield None
                elif response.next_request is not None:
                    with self._other.stream("GET", response.next_request.url, headers=headers) as stored:
                        self._refuse_error(stored, name)
                        yield stored
                else:
                    self._refuse_error(response, name)
                    yield response
        except httpx.TransportError as error:
            raise self._explain(name, f"cannot be read ({error})") from None

    def _refuse_error(self, response: httpx.Response, name: str) -> None:
        status = response.status_code
        if status in (401, 403):
            raise PracticumError(self._url, "refuses the token", "give PRACTICUM_TOKEN one that may write packages")
        if status == 413:
            raise PracticumError(name, f"is larger than {self._url} takes", "publish with --limit BYTES --split")
        if status >= 300:
            raise self._explain(name, f"HTTP {status}")

    def _explain(self, name: str, reason: str) -> PracticumError:
        return PracticumError(f"{self._url}: {name}", reason, "check the address and the network, run again")


class _TakenError(PracticumError):
    """The registry takes no second file of a name."""
