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
ANOTHER = "has another file under this name"

Report = Callable[[int], None]


def fetch(dataset: DataSet, downloads: Path, out: Path, report: Report) -> None:
    """Bring the published archives of `dataset` into `downloads`, then unpack its files into `out`.

    An archive that is in `downloads` already, laid there by hand perhaps, is taken when its checksum is right.
    `report(n)` hears of n bytes more, or fewer when some were of no use. Raise DataError.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    for archive in dataset.archives:
        target = downloads / archive.name
        if is_right(target, archive):
            report(archive.size)
        else:
            download(dataset, archive, target, report)
    for archive in dataset.archives:
        unpack(dataset, downloads / archive.name, out)


def is_right(path: Path, archive: Archive) -> bool:
    """Return whether `path` is the published file."""
    if measure(path) != archive.size:
        return False
    with path.open("rb") as stream:
        return file_digest(stream, "md5").hexdigest() == archive.md5  # what was published; no secret hangs on it


def measure(path: Path) -> int:
    """Return the size of a file in bytes; 0 when there is none."""
    return path.stat().st_size if path.is_file() else 0


def download(dataset: DataSet, archive: Archive, target: Path, report: Report) -> None:
    """Try each mirror in turn until one gives the published file; raise DataError with each one's reason."""
    reasons = []
    part = target.with_name(target.name + ".part")
    report(measure(part))
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        for mirror in dataset.mirrors:
            reason = try_mirror(client, mirror, archive, part, report)
            if not reason:
                part.replace(target)
                return
            reasons.append(f"{httpx.URL(mirror).host} {reason}")
    raise DataError(
        f"{dataset.name}: {archive.name} cannot be had ({'; '.join(reasons)}): try again with a network,"
        f" or lay the file into {target.parent} and run this again"
    )


def try_mirror(client: httpx.Client, mirror: str, archive: Archive, part: Path, report: Report) -> str:
    """Download into `part` what it lacks; return why it did not work, "" if `part` is the published file now."""
    began_anew = False
    while True:
        before = measure(part)
        try:
            reason = read_rest(client, mirror + archive.name, archive, part, report)
        except httpx.HTTPError as error:
            reason = f"does not answer ({error or type(error).__name__})"
        if is_right(part, archive):
            return ""
        if measure(part) >= archive.size:
            report(-measure(part))
            part.unlink()
            if not before or began_anew:
                return ANOTHER
            began_anew = True  # the fault may lie in what was there before
        elif measure(part) <= before:
            return reason  # nothing came: another try would wait in vain


def read_rest(client: httpx.Client, url: str, archive: Archive, part: Path, report: Report) -> str:
    """Append the bytes that `part` lacks, or all anew where the server does not serve parts; return as try_mirror."""
    offset = measure(part)
    if offset >= archive.size:
        return ""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code not in (200, 206):
            return f"answers HTTP {response.status_code}"
        begin = offset if response.status_code == 206 else 0
        if int(response.headers.get("Content-Length", archive.size - begin)) != archive.size - begin:
            return ANOTHER  # the page of a network that wants a login, perhaps: what `part` holds stays
        report(begin - offset)
        with part.open("ab" if begin else "wb") as out:
            for chunk in response.iter_raw():
                out.write(chunk)
                report(len(chunk))
                if out.tell() > archive.size:
                    break
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
        with gzip.open(archive) as packed, (out / archive.stem).open("wb") as target:
            shutil.copyfileobj(packed, target)
