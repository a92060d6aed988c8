"""The commands around releases: `practicum release` and its subcommands, `site`, `changes`.

What they need is imported inside them, so that `practicum --help` stays instant.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from practicum.engine import cache
from practicum.semester.find import find_root, find_semester

MAKE = "make"
SIGNERS = "semesters/allowed_signers"


class ReleaseGroup(TyperGroup):
    """A group whose first word may be a semester: `practicum release 2027-spring` is `practicum release make ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front, unless a command or help is asked for."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=ReleaseGroup, help="Assemble the release of a semester; verify and publish one.")


@app.command(MAKE)
def make(
    semester: Annotated[
        str, typer.Argument(metavar="[SEMESTER]", help="A folder of semesters/; the newest if left out.")
    ] = "",
    number: Annotated[
        int | None,
        typer.Option(min=1, help="Number of the release; that of the commit's tag, or the next, if left out."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(envvar="PRACTICUM_SIGNING_KEY", help="The private ssh key (ed25519) that signs.")
    ] = None,
) -> None:
    """Assemble dist/SEMESTER/release from the built products, and print its path (the default command)."""
    from practicum.engine.progress import Console
    from practicum.release import assemble

    described = find_semester(semester)
    with cache.lock(f"build-{described.id}", f"release of {described.id}"), Console() as console:
        done = assemble.release(described, console, number=number or 0, key=key)
        proof = done.record.proof
        tests = f"{proof.passed} passed, {proof.skipped} skipped" if proof.passed else "not proved"
        console.say(f"{done.record.name}: tests: {tests}; GPU: {proof.gpu}")
        if not done.signed:
            console.say("it is not signed: name a key with --key FILE or in PRACTICUM_SIGNING_KEY")
        record = done.kept.relative_to(described.course_root)
        console.say(f"commit its record: git add {record} && git commit -m 'Record the release {done.record.name}'")
    print(done.folder)


@app.command()
def content(
    semester: Annotated[
        str, typer.Argument(metavar="[SEMESTER]", help="A folder of semesters/; the newest if left out.")
    ] = "",
    key: Annotated[
        Path | None, typer.Option(envvar="PRACTICUM_SIGNING_KEY", help="The private ssh key (ed25519) that signs.")
    ] = None,
) -> None:
    """Write dist/SEMESTER/content, the students' files alone for machines that were handed out, and print its path."""
    from practicum.engine.progress import Console
    from practicum.release.content_release import write_content_release

    described = find_semester(semester)
    with cache.lock(f"content-{described.id}", f"content release of {described.id}"), Console() as console:
        done = write_content_release(described, key)
        console.say(f"{done.statement.name}: {cache.format_bytes(done.statement.bytes)}")
        if not described.release.address or not described.release.updates:
            console.say("products do not fetch it: semester.toml has no release.address, or release.updates = false")
        record = done.kept.relative_to(described.course_root)
        console.say(f"commit its record: git add {record} && git commit -m 'Record {done.statement.name}'")
    print(done.folder)


@app.command()
def verify(
    place: Annotated[str, typer.Argument(metavar="FOLDER|URL", help="Where the release is.")],
    signers: Annotated[Path | None, typer.Option(help=f"The public keys; {SIGNERS} if left out.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Do not ask for a signature.")] = False,
    copy: Annotated[Path | None, typer.Option(help="A folder with a good copy, to name the first wrong byte.")] = None,
) -> None:
    """Say whether every byte of a release is what its signer released; exit code 1 if not."""
    from practicum.engine.progress import Console
    from practicum.release.verify import verify as check

    with Console() as console:
        lines = check(place, signers or find_root() / SIGNERS, unsigned=unsigned, copy=copy, console=console)
    print(*lines, sep="\n")


@app.command()
def check(
    to: Annotated[str, typer.Option(metavar="TARGET", help="As for publish.")],
    key: Annotated[
        Path | None, typer.Option(envvar="PRACTICUM_SIGNING_KEY", help="The private ssh key that is to sign.")
    ] = None,
) -> None:
    """Look, before a build, whether its release could be published: at the target and the key. It publishes nothing."""
    from practicum.release.publish import check_target

    check_target(to, key)
    print(f"{to}: a release can be published here")


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="The release, or the content release.")],
    to: Annotated[str, typer.Option(metavar="TARGET", help="A folder, HOST:PATH, docker://REGISTRY/NAME or URL.")],
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Publish a release that is not signed.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="The most bytes of one file; the target's own if left out.")] = 0,
    split: Annotated[bool, typer.Option("--split", help="Cut larger files into pieces that `cat` joins.")] = False,
) -> None:
    """Publish a release or a content release. No published file changes; the semester then shows the new release."""
    from practicum.engine.progress import Console
    from practicum.release.publish import publish as send

    with Console() as console:
        lines = send(folder, to, console, unsigned=unsigned, limit=limit, split=split)
    print(*lines, sep="\n")


def site(
    semester: Annotated[
        str, typer.Argument(metavar="[SEMESTER]", help="A folder of semesters/; the newest if left out.")
    ] = "",
    release: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The release to offer; dist/SEMESTER/release if left out.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder to write; dist/SEMESTER/site if left out.")
    ] = None,
) -> None:
    """Write the course's page, and print its path."""
    from practicum.engine.progress import Console
    from practicum.release.site import make_page

    described = find_semester(semester)
    with cache.lock(f"site-{described.id}", f"page of {described.id}"), Console() as console:
        page = make_page(described, release, to, console)
    print(page)


def changes(
    old: Annotated[str, typer.Argument(help="A release (2027-spring-r1), a semester or a commit.")],
    new: Annotated[str, typer.Argument(help="What to compare it with, named likewise.")],
) -> None:
    """Print what changed between two releases, semesters or commits, as Markdown."""
    from practicum.release.changes import render_changes
    from practicum.release.commits import read_pair

    print(render_changes(*read_pair(find_root(), old, new)), end="")
