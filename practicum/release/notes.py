"""NOTES.md: what a student downloads, how to check it, and where to go on."""

from collections.abc import Iterator

from practicum.engine.cache import format_bytes
from practicum.release.changes import render_table, summarize
from practicum.release.record import NAMED, Kind, Record

FOR: dict[Kind, str] = {
    "appliance": "VirtualBox, on {computers}",
    "cpu": "Docker, on all computers that this table names",
    "cuda": "Docker, or a cluster, with an NVIDIA GPU",
}
"""What a product is for, with its architecture's computers."""

READ: dict[Kind, str] = {
    "appliance": 'docs/student.md, "Start"',
    "cpu": 'docs/docker.md, "Start"',
    "cuda": 'docs/docker.md, "Start"; docs/cluster.md for a cluster',
}
"""Where the course's repository explains a product: file, and title of the section."""


def render_notes(record: Record, previous: Record | None, *, signed: bool) -> str:
    """Return NOTES.md as text.

    previous: the release before, None for none. signed: whether SHA256SUMS.sig lies beside SHA256SUMS.
    """
    changed = f"{summarize(previous, record)} CHANGES.md names them." if previous else "This is the first release."
    sections = (
        ("Download", [*render_downloads(record), "", *render_driver(record)]),
        ("Check the download", render_checks(record)),
        ("Check who released it", render_signature(signed)),
        ("What changed", [changed, "", *render_data(record)]),
        ("What was tested", render_proof(record)),
    )
    text = [f"# {record.name}\n"]
    for title, lines in sections:
        text += [f"## {title}\n", "\n".join(lines).rstrip("\n") + "\n"]
    return "\n".join(text)


def render_downloads(record: Record) -> Iterator[str]:
    """Give the table of the files, which says for which computers each is."""
    rows = []
    for file, first in record.files.items():
        (kind, architecture), *_ = (NAMED[name] for name, product in record.products.items() if product.file == file)
        use = FOR[kind].format(computers=architecture.computers)
        rows.append((f"`{file}`", format_bytes(first.bytes), use, READ[kind]))
    return render_table(("file", "size", "for", "read on in"), rows)


def render_driver(record: Record) -> Iterator[str]:
    needs = {(product.file, product.cuda, product.driver) for product in record.products.values() if product.driver}
    for file, version, driver in sorted(needs):
        yield f"`{file}` brings CUDA {version} and needs NVIDIA's driver {driver} or newer."


def render_checks(record: Record) -> Iterator[str]:
    """Give the sums, and for each system the command that computes the sum of a file."""
    files = [(file, product.sha256) for file, product in record.files.items()]
    name = files[0][0] if files else "FILE"
    yield "A download may be damaged. Compute the sum of your file; it must be the one in this list:"
    yield ""
    yield from (f"    {digest}  {file}" for file, digest in files)
    yield ""
    yield "- Windows, in a command prompt:"
    yield f"  `certutil -hashfile {name} SHA256`"
    yield "- Windows, in PowerShell; it prints `True` when the sum is right:"
    yield f"  `(Get-FileHash {name}).Hash -eq '{files[0][1] if files else 'SUM'}'`"
    yield "- macOS, with SHA256SUMS beside the file; it prints `OK`:"
    yield f"  `grep {name} SHA256SUMS | shasum -a 256 -c`"
    yield "- Linux, with SHA256SUMS beside the file; it prints `OK`:"
    yield f"  `grep {name} SHA256SUMS | sha256sum -c`"


def render_signature(signed: bool) -> Iterator[str]:
    """Give the command that checks the signature; it is the same on every system, as ssh-keygen is everywhere."""
    if not signed:
        yield "This release is not signed: nobody vouches for it. Do not give it to others."
        return
    yield "`SHA256SUMS.sig` is the signature of `SHA256SUMS`. Take the file `allowed_signers` from `semesters/` of the"
    yield "course's repository, not from where you downloaded the release. In the folder of the release, run this (on"
    yield "Windows, in a command prompt):"
    yield ""
    yield "```sh"
    yield "ssh-keygen -Y verify -f allowed_signers -I release -n practicum-release -s SHA256SUMS.sig < SHA256SUMS"
    yield "```"
    yield ""
    yield 'It says `Good "practicum-release" signature for release`.'


def render_data(record: Record) -> Iterator[str]:
    """Give a line for the data sets that are no real ones."""
    made = sorted(
        {name for product in record.products.values() for name, kind in product.data.items() if kind != "real"}
    )
    if made:
        yield f"These data sets are stand-ins, made in the form of the real ones: {', '.join(made)} (docs/data.md)."


def render_proof(record: Record) -> Iterator[str]:
    proof = record.proof
    if proof.passed:
        yield f"- Tests of these very files: {proof.passed} passed, {proof.failed} failed, {proof.skipped} skipped."
    else:
        yield "- Tests: not proved; no report of `make test` is about these files."
    yield f"- GPU: {proof.gpu}."
    for name in record.products:
        kind, architecture = NAMED[name]
        if kind == "cuda" and architecture.gpu:
            yield f"- The `cuda` image for {architecture.name}: {architecture.gpu}."
