"""The real sets from their mirrors: resumed where the connection broke, checked before they are taken."""

import gzip
import shutil
import tarfile
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path

import httpx

from course_tools.datasets.catalogue import Archive, DataSet
from course_tools.datasets.store import DataError

TIMEOUT = 10  # seconds without a byte
TRIES = 3  # of one mirror

Report = Callable[[int], None]


def fetch(dataset: DataSet, downloads: Path, out: Path, report: Report) -> None:
    """Bring the published archives of `dataset` into `downloads`, then unpack its files into `out`.

    An archive that is in `downloads` already, laid there by hand perhaps, is taken when its checksum is right.
    `report(n)` hears of every n bytes. Raises DataError.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    for archive in dataset.archives:
        target = downloads / archive.name
        if not is_right(target, archive):
            download(dataset, archive, target, report)
    for archive in dataset.archives:
        unpack(dataset, downloads / archive.name, out)


def is_right(path: Path, archive: Archive) -> bool:
    """Whether `path` is the published file."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return file_digest(stream, "md5").hexdigest() == archive.md5  # what was published; no secret hangs on it


def download(dataset: DataSet, archive: Archive, target: Path, report: Report) -> None:
    """Try each mirror in turn until one gives the published file; raises DataError with each one's reason."""
    reasons = []
    part = target.with_name(target.name + ".part")
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        for mirror in dataset.mirrors:
            reason = try_mirror(client, mirror + archive.name, part, report)
            if not reason and is_right(part, archive):
                part.replace(target)
                return
            if not reason:
                part.unlink()  # of no use to the next mirror
                reason = "sent another file"
            reasons.append(f"{httpx.URL(mirror).host} {reason}")
    raise DataError(
        f"{dataset.name}: {archive.name} cannot be had ({'; '.join(reasons)}): try again with a network,"
        f" or lay the file into {target.parent} and run this again"
    )


def try_mirror(client: httpx.Client, url: str, part: Path, report: Report) -> str:
    """Download into `part` what it lacks; returns why it did not work, "" if it did."""
    reason = ""
    for _ in range(TRIES):
        before = part.stat().st_size if part.exists() else 0
        try:
            return read_rest(client, url, part, before, report)
        except httpx.TransportError as error:
            reason = f"does not answer ({error or type(error).__name__})"
        if not part.exists() or part.stat().st_size == before:
            break  # not a byte came: another try would wait in vain
    return reason


def read_rest(client: httpx.Client, url: str, part: Path, offset: int, report: Report) -> str:
    """Append the bytes from `offset` on, or all anew where the server does not serve parts; returns as try_mirror."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:  # nothing follows: the part is whole, or another file
            return ""
        if response.status_code not in (200, 206):
            return f"answers HTTP {response.status_code}"
        resumed = response.status_code == 206 and offset
        report(offset if resumed else 0)
        with part.open("ab" if resumed else "wb") as out:
            for chunk in response.iter_raw():
                out.write(chunk)
                report(len(chunk))
    return ""


def unpack(dataset: DataSet, archive: Path, out: Path) -> None:
    """Write the files of `dataset` that are in `archive` into `out`, and nothing else."""
    if archive.name.endswith(".tar.gz"):
        with tarfile.open(archive) as tar:
            for name in dataset.files:
                source = tar.extractfile(f"{dataset.place}/{name}")
                if source is None:
                    raise DataError(f"{archive}: {name} is not a file in it: remove it and run this again")
                with (out / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    else:
        with gzip.open(archive) as source, (out / archive.stem).open("wb") as target:
            shutil.copyfileobj(source, target)
