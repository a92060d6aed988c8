"""`course-data`: which data sets are on this machine, the real ones fetched, stand-ins made."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from course_tools.datasets import store
from course_tools.datasets.catalogue import COURSE_FOLDER, HOME_FOLDER, SETS, DataSet
from course_tools.datasets.store import DataError, Found

Report = Callable[[int], None]


def list_folders() -> list[Path]:
    """Where the prologue looks for a set, in its order."""
    named = os.environ.get("PYTORCH_DATA_DIR")
    return [Path(named)] if named else [Path("data"), Path.home() / HOME_FOLDER, Path(COURSE_FOLDER)]


def find(dataset: DataSet) -> Found | None:
    """The set that programs get; None when there is none."""
    return next((found for folder in list_folders() if (found := store.read(dataset, folder))), None)


def show_status(names: Sequence[str], *, verify: bool) -> int:
    """Print a line for each set; the exit status is 1 when one is missing or changed."""
    bad = 0
    for name in names:
        dataset = SETS[name]
        found = find(dataset)
        if not found:
            print(f"{name:8} missing   course-data fetch, or without a network: course-data make")
            bad = 1
            continue
        changed = store.find_changed(dataset, found) if verify and found.files else []
        note = f"   changed: {', '.join(changed)}" if changed else ""
        print(f"{name:8} {found.source:9} {found.folder / name}{note}")
        bad |= bool(changed)
    return bad


def make_sets(names: Sequence[str], folder: Path, samples: int | None) -> int:
    """Make the stand-ins of `names` in `folder`."""
    from course_tools.datasets import stand_in

    for name in names:
        dataset = SETS[name]
        refuse_real(dataset, folder)
        counts = stand_in.COUNTS[name] if samples is None else (samples, max(samples // 5, 1))
        with (
            show_progress(f"making {name}", sum(counts), "image") as report,
            store.new_set(dataset, folder, "stand-in", stand_in.VERSION, stand_in.NOTES[name]) as out,
        ):
            stand_in.make(dataset, out, counts, report)
        print(f"{name}: a stand-in, in {folder / name}")
    return 0


def refuse_real(dataset: DataSet, folder: Path) -> None:
    """A real set is not replaced by a stand-in."""
    found = store.read(dataset, folder)
    if found and found.source == "real":
        raise DataError(f"{folder / dataset.name} holds the real {dataset.title}: name another folder with --dir")


def fetch_sets(names: Sequence[str], folder: Path) -> int:
    """Bring the real sets of `names` into `folder`."""
    from course_tools.datasets.fetch import fetch

    for name in names:
        dataset = SETS[name]
        found = store.read(dataset, folder)
        if found and found.source == "real" and not store.find_changed(dataset, found):
            print(f"{name}: the real one is in {folder / name} already")
            continue
        downloads = folder / "downloads"
        with (
            show_progress(f"fetching {name}", None, "B") as report,
            store.new_set(dataset, folder, "real", 1, f"{dataset.title} as published") as out,
        ):
            fetch(dataset, downloads, out, report)
        for archive in dataset.archives:
            (downloads / archive.name).unlink()
        if not any(downloads.iterdir()):
            downloads.rmdir()
        print(f"{name}: the real one, in {folder / name}")
    return 0


@contextmanager
def show_progress(title: str, total: int | None, unit: str) -> Iterator[Report]:
    """Gives a function that is told what was done; a bar shows it on a terminal, one line elsewhere."""
    if not sys.stderr.isatty():
        print(title, file=sys.stderr, flush=True)
        yield lambda count: None
        return
    from tqdm import tqdm

    with tqdm(desc=title, total=total, unit=unit, unit_scale=True) as bar:
        yield lambda count: bar.update(count) and None


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
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
    """Print the folder that has all sets of `names`; raises DataError."""
    for folder in list_folders():
        if all(SETS[name].is_whole(folder) for name in names):
            print(folder.absolute())
            return 0
    raise DataError(f"no folder has {' and '.join(names)}: course-data status shows what there is")


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status, raises DataError."""
    options = make_parser().parse_args(arguments)
    for name in options.sets:
        if name not in SETS:
            raise DataError(f"{name}: no such set: name {' or '.join(SETS)}")
    names = options.sets or [*SETS]
    if options.command == "status":
        return show_status(names, verify=options.verify)
    if options.command == "path":
        return show_path(names)
    folder = (options.dir or Path.home() / HOME_FOLDER).absolute()
    if options.command == "fetch":
        return fetch_sets(names, folder)
    if options.samples is not None and options.samples < 10:
        raise DataError(f"--samples {options.samples}: too few to have every class: 10 or more")
    return make_sets(names, folder, options.samples)


def main() -> None:
    """Entry point of `course-data`."""
    try:
        sys.exit(run())
    except DataError as error:
        print(f"course-data: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("course-data: stopped; what was downloaded is kept", file=sys.stderr)
        sys.exit(130)
