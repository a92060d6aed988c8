"""`course-data`: which data sets are on this machine, the real ones fetched, stand-ins made."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from course_tools.datasets import store
from course_tools.datasets.catalogue import HOME_FOLDER, SETS, SOURCE, DataSet
from course_tools.datasets.places import find, home_folder
from course_tools.datasets.store import DataError, Found

Report = Callable[[int], None]
CURE = "course-data fetch, or without a network: course-data make"


def show_status(names: Sequence[str], *, verify: bool) -> int:
    """Print a line for each set; the exit status is 1 when one is missing, not whole or changed."""
    bad = 0
    for name in names:
        found = find(SETS[name])
        if not found:
            print(f"{name:8} missing   {CURE}")
            bad = 1
            continue
        fault, note = judge(SETS[name], found, verify=verify)
        print(f"{name:8} {found.source:9} {found.folder.absolute() / name}{note and f'   {note}'}")
        bad |= fault
    return bad


def judge(dataset: DataSet, found: Found, *, verify: bool) -> tuple[bool, str]:
    """Return whether something is wrong with a set, and what there is to say of it."""
    if found.missing:
        return True, f"not whole, {', '.join(found.missing)} missing: {CURE}"
    if verify and not found.files:
        return False, f"no {SOURCE} beside it: nothing to compare its files with"
    changed = store.find_changed(dataset, found) if verify else []
    return bool(changed), f"changed: {', '.join(changed)}" if changed else ""


def make_sets(names: Sequence[str], folder: Path | None, samples: int | None) -> int:
    """Make the stand-ins of `names` in `folder`, or in the home folder's place for them."""
    from course_tools.datasets import stand_in

    for name in names:
        dataset = SETS[name]
        refuse_real(dataset, folder)
        target = folder or home_folder()
        counts = stand_in.COUNTS[name] if samples is None else (samples, max(samples // 5, 1))
        with (
            show_progress(f"making {name}", sum(counts), "image") as report,
            store.new_set(dataset, target, "stand-in", stand_in.VERSION, stand_in.NOTES[name]) as out,
        ):
            stand_in.make(dataset, out, counts, report)
        print(f"{name}: a stand-in, in {target / name}{warn_of_other(dataset, folder)}")
    return 0


def refuse_real(dataset: DataSet, folder: Path | None) -> None:
    """Raise DataError where a stand-in would replace a real set, or hide one from the home unasked."""
    found = store.read(dataset, folder) if folder else store.read(dataset, home_folder()) or find(dataset)
    if found and found.source == "real":
        raise DataError(f"{found.folder / dataset.name} holds the real {dataset.title}: name another folder with --dir")


def fetch_sets(names: Sequence[str], folder: Path | None) -> int:
    """Bring the real sets of `names` into `folder`, or into the home folder's place for them."""
    from course_tools.datasets.fetch import fetch

    for name in names:
        dataset = SETS[name]
        found = store.read(dataset, folder) if folder else find(dataset)
        if found and found.source == "real" and not store.find_changed(dataset, found):
            print(f"{name}: the real one is in {found.folder / name} already")
            continue
        target = folder or home_folder()
        downloads = target / "downloads"
        with (
            show_progress(f"fetching {name}", sum(archive.size for archive in dataset.archives), "B") as report,
            store.new_set(dataset, target, "real", 1, f"{dataset.title} as published") as out,
        ):
            fetch(dataset, downloads, out, report)
        for archive in dataset.archives:
            (downloads / archive.name).unlink()
        if not any(downloads.iterdir()):
            downloads.rmdir()
        print(f"{name}: the real one, in {target / name}{warn_of_other(dataset, folder)}")
    return 0


def warn_of_other(dataset: DataSet, folder: Path | None) -> str:
    """Return what to add where programs take another set than the new one in the home folder."""
    found = None if folder else find(dataset)
    if not found or found.folder == home_folder():
        return ""
    return f", but programs take {found.folder.absolute() / dataset.name} (./data and PYTORCH_DATA_DIR come first)"


@contextmanager
def show_progress(title: str, total: int, unit: str) -> Iterator[Report]:
    """Give a function that is told what was done; a bar shows it on a terminal, one line elsewhere."""
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm and sys.stderr.isatty():
        with tqdm(desc=title, total=total, unit=unit, unit_scale=True) as bar:
            yield lambda count: bar.update(count) and None
    else:
        print(title, file=sys.stderr, flush=True)
        yield lambda count: None


def make_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="course-data",
        description="Which data sets are on this machine; fetch the real ones, or make stand-ins for them.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="say which sets programs get, and whether they are the real ones")
    status.add_argument("--verify", action="store_true", help="read all files and compare their checksums")
    fetch = commands.add_parser("fetch", help="download the real sets, with a network")
    make = commands.add_parser("make", help="make stand-ins in the same format, without a network")
    make.add_argument("--samples", type=int, metavar="N", help="N training samples, a fifth for the test: for trials")
    path = commands.add_parser("path", help="print the folder that programs get a set from, for PYTORCH_DATA_DIR")
    for command in (status, fetch, make, path):
        command.add_argument("sets", nargs="*", metavar="SET", help=f"{' or '.join(SETS)}; all, if left out")
    for command in (fetch, make):
        command.add_argument("--dir", type=Path, help=f"the folder of the sets (default: ~/{HOME_FOLDER})")
    return parser


def show_path(names: Sequence[str]) -> int:
    """Print the folder that programs take all sets of `names` from; raise DataError."""
    sets = [find(SETS[name]) for name in names]
    folders = {found.folder for found in sets if found and not found.missing}
    if None not in sets and len(folders) == 1:
        print(folders.pop().absolute())
        return 0
    raise DataError(f"no one folder has {' and '.join(names)}: course-data status shows what there is")


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status, raise DataError."""
    options = make_parser().parse_args(arguments)
    for name in options.sets:
        if name not in SETS:
            raise DataError(f"{name}: no such set: name {' or '.join(SETS)}")
    names = options.sets or [*SETS]
    if options.command == "status":
        return show_status(names, verify=options.verify)
    if options.command == "path":
        return show_path(names)
    folder = options.dir and options.dir.absolute()
    if options.command == "fetch":
        return fetch_sets(names, folder)
    if options.samples is not None and options.samples < 10:
        raise DataError(f"--samples {options.samples}: too few to have every class: 10 or more")
    return make_sets(names, folder, options.samples)


def main() -> None:
    """Run `course-data`."""
    try:
        sys.exit(run())
    except DataError as error:
        print(f"course-data: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        print(f"course-data: {error.name} is not installed in this Python: use the course's", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("course-data: stopped; what was downloaded is kept", file=sys.stderr)
        sys.exit(130)
