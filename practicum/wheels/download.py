"""Downloads into the store of wheels.

A file appears under its name only when it is complete and has its digest. Until then `<filename>.part` grows beside it,
across cut connections and killed processes. A lock per file lets two builds at once share the work: the second waits,
then finds the file.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from urllib.parse import unquote, urlsplit

import httpx

from practicum.engine.cache import hash_file, hold, patient
from practicum.engine.errors import PracticumError
from practicum.engine.tls import find_trusted
from practicum.wheels.resolver import Wheel
from practicum.wheels.store import find_file, is_whole, remember

WORKERS = 4
TRIES = 6  # in a row without a byte gained
PAUSES = (0.5, 1, 2, 4, 8)  # seconds between them: a server may be away for a quarter of a minute
TIMEOUT = 15  # seconds without a byte, and so the longest an interrupted run takes to end


class _RetryError(Exception):
    """The connection or the server failed in a way that another try may mend."""


def fetch_all(
    wheels: Sequence[Wheel],
    store: Path,
    *,
    report: Callable[[int], None] = lambda count: None,
    pause: Callable[[float], object] | None = None,
) -> list[Path]:
    """Return the file of each wheel in `store`, downloaded where it is not there yet, a few at a time.

    `report(n)` is told of every n bytes that arrived, from any thread; `pause(seconds)` waits before another try.
    Raises PracticumError for the first wheel that cannot be had; what arrived of the others stays for the next run.
    """
    stop = Event()
    with (
        httpx.Client(timeout=TIMEOUT, follow_redirects=True, verify=find_trusted()) as client,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        fetcher = _Fetcher(store, client, stop, report, stop.wait if pause is None else pause)
        futures = [pool.submit(fetcher.fetch, wheel) for wheel in wheels]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = [future for future in futures if future.done() and future.exception()]
            return [future.result() for future in failed or futures]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Fetcher:
    store: Path
    client: httpx.Client
    stop: Event
    report: Callable[[int], None]
    pause: Callable[[float], object]

    def fetch(self, wheel: Wheel) -> Path:
        target = find_file(self.store, wheel.sha256, wheel.filename)
        try:
            with hold(target.with_name(f"{target.name}.lock"), f"downloading {wheel.filename}", wait=patient):
                if not is_whole(target, wheel.sha256):
                    part = target.with_name(f"{target.name}.part")
                    self._complete(part, wheel)
                    part.replace(target)
                    remember(target)
        except OSError as error:
            raise PracticumError(
                str(target),
                f"cannot be written ({error.strerror})",
                "free space, or name another folder in XDG_CACHE_HOME",
            ) from None
        return target

    def _complete(self, part: Path, wheel: Wheel) -> None:
        source = urlsplit(wheel.url)
        if source.scheme == "file":
            self._copy(Path(unquote(source.path)), part, wheel)
        else:
            self._download(part, wheel)

    def _copy(self, source: Path, part: Path, wheel: Wheel) -> None:
        if not os.access(source, os.R_OK):
            raise PracticumError(str(source), "cannot be read", "put the wheel back, or lock again")
        shutil.copyfile(source, part)
        self.report(part.stat().st_size)
        if hash_file(part) != wheel.sha256:
            part.unlink()
            raise PracticumError(
                str(source), "does not have the sha256 of the lock", "replace it by the published wheel"
            )

    def _download(self, part: Path, wheel: Wheel) -> None:
        failures = 0
        while not self.stop.is_set():
            before = part.stat().st_size if part.exists() else 0
            try:
                self._read_rest(part, wheel, before)
                if not self.stop.is_set() and self._accept(part, wheel, fresh=not before):
                    return
            except (httpx.TransportError, _RetryError) as error:
                gained = part.exists() and part.stat().st_size > before
                failures = 1 if gained else failures + 1
                _check_hope(error, wheel, failures)
                self.pause(PAUSES[failures - 1])
        raise PracticumError(wheel.filename, "stopped", "run again, what arrived is kept")

    def _accept(self, part: Path, wheel: Wheel, *, fresh: bool) -> bool:
        """Whether `part` is the wheel. If not it goes; that the server lies is certain only of a `fresh` download."""
        digest = hash_file(part)
        if digest == wheel.sha256:
            return True
        part.unlink()
        if fresh:
            raise PracticumError(
                wheel.filename,
                f"{urlsplit(wheel.url).hostname} sent other bytes "
                f"(sha256 {digest[:12]}..., the lock has {wheel.sha256[:12]}...)",
                "look for a proxy that rewrites downloads, or lock again",
            )
        return False

    def _read_rest(self, part: Path, wheel: Wheel, offset: int) -> None:
        """Append what is missing of `part`, or write it anew where the server does not serve parts."""
        if offset and offset == wheel.size:
            return
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with self.client.stream("GET", wheel.url, headers=headers) as response:
            status = response.status_code
            if status == 416:  # nothing follows `offset`: the part is complete, or it is not our file
                return
            if status in (408, 429) or status >= 500:
                raise _RetryError(f"HTTP {status}")
            if status not in (200, 206):
                raise PracticumError(
                    wheel.filename, f"{response.url.host} answers HTTP {status}", "lock again, it may be withdrawn"
                )
            resumed = status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
            with part.open("ab" if resumed else "wb") as out:
                for chunk in response.iter_raw():
                    out.write(chunk)
                    self.report(len(chunk))
                    if self.stop.is_set():
                        return


def _check_hope(error: Exception, wheel: Wheel, failures: int) -> None:
    """Raise PracticumError when another try is of no use."""
    reason, host = str(error) or type(error).__name__, urlsplit(wheel.url).hostname
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        raise PracticumError(
            wheel.filename,
            f"the certificate of {host} is not trusted",
            "let SSL_CERT_FILE name the certificates of your network",
        )
    if failures >= TRIES:
        raise PracticumError(
            wheel.filename,
            f"cannot be downloaded from {host} ({reason})",
            "check the network and run again, what arrived is kept",
        )
