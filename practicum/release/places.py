"""Where a release lies: a folder, or an address on the web. Both give the bytes of a file as a stream.

A target with a limit holds a large file in pieces, and a package registry knows no folders. A place hides both: `read`
joins the pieces, and looks for `sbom/cpu.cdx.json` under the name sbom__cpu.cdx.json, too.
"""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import httpx

from practicum.engine.errors import PracticumError
from practicum.engine.tls import find_trusted

CHUNK = 1 << 20
TRIES = 5  # in a row without a byte gained
TIMEOUT = 30  # seconds without a byte

JOIN = "JOIN.txt"
"""The file beside the pieces of a release; it says how to join them."""

_PIECE = re.compile(r"\.piece-\d\d$")


def name_piece(file: str, number: int) -> str:
    """Return the name of a piece of `file`, numbered from 0 to 99, so that `cat FILE.piece-*` joins them in order."""
    return f"{file}.piece-{number:02d}"


def name_flat(file: str) -> str:
    """Return the name of `file` where there are no folders: sbom__cpu.cdx.json."""
    return file.replace("/", "__")


class Place(Protocol):
    """A release somewhere. name: as the user typed it."""

    name: str

    def list_files(self) -> set[str] | None:
        """Return the relative paths of all files, None where nobody can list them."""

    def read(self, file: str) -> Iterator[bytes]:
        """Yield the bytes of a file; raises FileNotFoundError before the first when it is not there."""


def find_place(name: str) -> Place:
    """Return the place that a user named: an http(s) address or a folder; raises PracticumError if it is neither."""
    if name.startswith(("https://", "http://")):
        return WebPlace(name.rstrip("/"))
    if "://" in name or not Path(name).is_dir():
        raise PracticumError(name, "is no folder and no http(s) address", "give the folder that has SHA256SUMS")
    return FolderPlace(Path(name))


class FolderPlace:
    """A release in a folder."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    def list_files(self) -> set[str]:
        """Return the paths below the folder; raises PracticumError at a link, which could lead out of it."""
        found: set[str] = set()
        for parent, folders, files in os.walk(self._folder):
            for name in (*folders, *files):
                path = Path(parent, name)
                if path.is_symlink() or not (path.is_dir() or path.is_file()):
                    relative = str(path.relative_to(self._folder))
                    raise PracticumError(relative, "is a link or a device, a release has only files", f"rm {path}")
            found.update(str(Path(parent, name).relative_to(self._folder)) for name in files)
        uncut = {name for name in found if not _PIECE.search(name)}
        cut = {_PIECE.sub("", name) for name in found - uncut}
        return found if cut & uncut else uncut | cut  # a file beside its own pieces is one too many

    def read(self, file: str) -> Iterator[bytes]:
        """Yield the bytes of a file, or of its pieces."""
        whole = self._folder / file
        paths = [whole] if whole.exists() else sorted(whole.parent.glob(f"{whole.name}.piece-[0-9][0-9]"))
        if not paths:
            raise FileNotFoundError(str(whole))
        return _read_paths(paths)


def _read_paths(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as stream:
            while data := stream.read(CHUNK):
                yield data


class WebPlace:
    """A release on a web server. A connection that breaks is opened again at the byte that is missing."""

    def __init__(self, url: str) -> None:
        self.name = url
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=True, verify=find_trusted())

    def list_files(self) -> None:
        """Return None: a web server lists nothing."""
        return

    def read(self, file: str) -> Iterator[bytes]:
        """Yield the bytes of a file, or of its pieces."""
        for name in dict.fromkeys((file, name_flat(file))):
            if self._is_there(name):
                return self._stream(name)
        first = name_piece(name_flat(file), 0)
        if not self._is_there(first):
            raise FileNotFoundError(f"{self.name}/{file}")
        return self._stream_pieces(name_flat(file))

    def _stream_pieces(self, file: str) -> Iterator[bytes]:
        number = 0
        while self._is_there(name_piece(file, number)):
            yield from self._stream(name_piece(file, number))
            number += 1

    def _is_there(self, name: str) -> bool:
        try:
            with self._ask(name, 0) as response:
                if response.status_code in (404, 410):
                    return False
                self._refuse_error(response, name)
        except httpx.TransportError as error:
            raise self._explain(name, error) from None
        return True

    def _stream(self, name: str) -> Iterator[bytes]:
        offset, failures = 0, 0
        while True:
            before = offset
            try:
                with self._ask(name, offset) as response:
                    if response.status_code == 416:  # nothing follows
                        return
                    self._refuse_error(response, name)
                    skip = offset if response.status_code == 200 else 0
                    for data in response.iter_raw(CHUNK):
                        fresh = data[skip:]
                        skip -= len(data) - len(fresh)
                        if fresh:
                            offset += len(fresh)
                            yield fresh
                return
            except httpx.TransportError as error:
                failures = 1 if offset > before else failures + 1
                if failures >= TRIES:
                    raise self._explain(name, error) from None

    def _ask(self, name: str, offset: int) -> AbstractContextManager[httpx.Response]:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        return self._client.stream("GET", f"{self.name}/{quote(name)}", headers=headers)

    def _explain(self, name: str, error: httpx.TransportError) -> PracticumError:
        return PracticumError(name, f"cannot be read from {self.name} ({error})", "check the network and run again")

    def _refuse_error(self, response: httpx.Response, name: str) -> None:
        if response.status_code not in (200, 206):
            raise PracticumError(name, f"{self.name} answers HTTP {response.status_code}", "check the address")
