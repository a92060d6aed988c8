"""Whether a release is what its signer released: in a folder, or on the web without storing it."""

from pathlib import Path

from practicum.engine.cache import format_bytes
from practicum.engine.progress import Console
from practicum.release import provenance
from practicum.release.places import Place, find_place
from practicum.release.record import FILE, Record
from practicum.release.signing import verify_signature
from practicum.release.sums import SIGNATURE, SUMS, Sums, Untrue, check_sums, read_small, read_sums


def verify(
    place: str, signers: Path, *, unsigned: bool = False, copy: Path | None = None, console: Console | None = None
) -> list[str]:
    """Return the lines that say what was verified, in this order: signature, sums, record, provenance.

    place: a folder or an http(s) address. signers: the file of allowed keys. unsigned: do without a signature. copy: a
    folder with the same release, which makes it possible to name the first wrong byte rather than its block.

    Raises Untrue at the first thing that is wrong, PracticumError when the place or the signers cannot be read.
    """
    there = find_place(place)
    text = read_small(there, SUMS)
    signer = "" if unsigned else verify_signature(text, _read_signature(there), signers)
    sums = read_sums(there, text.decode(errors="replace"))
    if console:
        with console.transfer(f"verifying {place}", sums.total) as report:
            check_sums(there, sums, report=report, copy=copy)
    else:
        check_sums(there, sums, copy=copy)
    record = check_record(there, sums)
    subjects = provenance.verify_provenance(read_small(there, provenance.FILE), record, None if unsigned else signers)
    return [
        f"{record.name}, commit {record.revision}",
        f"signature:  {f'of {signer}' if signer else 'not asked for'}",
        f"sums:       {len(sums.sha256)} files, {format_bytes(sums.total)}, every byte as it was released",
        f"record:     {len(record.products)} products are the files that it names",
        f"provenance: {subjects} files and images of this commit",
    ]


def check_record(place: Place, sums: Sums) -> Record:
    """Return the record of a release; raises Untrue when it names other files than the release has."""
    try:
        record = Record.model_validate_json(read_small(place, FILE))
    except ValueError:
        raise Untrue(FILE, "is no record of a release", "build the release again") from None
    for name, product in record.products.items():
        if not product.file:
            continue
        blocks = sums.blocks.files.get(product.file)
        if blocks is None or (sums.sha256[product.file], blocks.bytes) != (product.sha256, product.bytes):
            raise Untrue(f"{FILE}: products.{name}", f"{product.file} is another file", "build the release again")
    return record


def _read_signature(place: Place) -> bytes:
    try:
        return b"".join(place.read(SIGNATURE))
    except FileNotFoundError:
        raise Untrue(place.name, "is not signed", "add --unsigned to compare the sums alone") from None
