"""CHANGES.md: what differs between two releases, semesters or commits, as tables that a person reads in a minute."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from practicum.engine.cache import format_bytes
from practicum.release.record import Product, Record
from practicum.release.versions import (
    Change,
    list_below_floors,
    list_changes,
    list_debian,
    list_python,
    shared_products,
)

JUMP = 0.05
"""A product that grows or shrinks by more than this fraction is marked."""

NONE = "-"
MANIFEST = "manifest.json"
"""Name of the list of the content's hashes, of course/content.py."""

MARKS = {"major": "**major**", "added": "added", "removed": "removed", "": ""}


def render_changes(old: Record | None, new: Record) -> str:
    """Return CHANGES.md as text; without an `old` record it says that this is the first release."""
    if old is None:
        return f"# {new.name}\n\nThis is the first release: there is none to compare it with.\n"
    sections = (
        ("Products", render_products(old, new)),
        ("Debian packages", render_packages(list_debian(old, new), new)),
        ("Python packages", render_packages(list_python(old, new), new)),
        ("Sizes", render_sizes(old, new)),
        ("Content", render_content(old, new)),
        ("Tests", render_tests(old, new)),
        ("CUDA and driver", render_platform(old, new)),
        ("Security floors", render_floors(old, new)),
        ("Layers", render_layers(old, new)),
    )
    text = [f"# From {old.name} to {new.name}\n", f"{summarize(old, new)}\n"]
    if not new.number:
        text.append("This compares the locks. They name the packages of the appliance; an image has fewer.\n")
    for title, lines in sections:
        if told := list(lines):
            text += [f"## {title}\n", "\n".join(told) + "\n"]
    return "\n".join(text)


def summarize(old: Record, new: Record) -> str:
    """Return in one sentence how many packages and files differ."""
    debian, python = list_debian(old, new), list_python(old, new)
    counts = [
        (len({change.name for change in debian}), "Debian package"),
        (len({change.name for change in python}), "Python package"),
        (len(list_files(old, new)), "file"),
    ]
    told = [f"{number or 'no'} {word}{'' if number == 1 else 's'}" for number, word in counts]
    text = f"{told[0]}, {told[1]} and {told[2]} of the content changed since {old.name}."
    return text[0].upper() + text[1:]


def is_empty(old: Record, new: Record) -> bool:
    """Tell whether packages, content, CUDA and floors are the same."""
    platform = any(one != other for _, one, other in _list_platform(old, new))
    return not (list_debian(old, new) or list_python(old, new) or list_files(old, new) or platform) and (
        old.floors == new.floors
    )


def render_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a Markdown table; nothing without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if lines:
        yield f"| {' | '.join(titles)} |"
        yield f"|{' --- |' * len(titles)}"
        yield from lines


def render_products(old: Record, new: Record) -> Iterator[str]:
    """Give a line for each product that is new or gone, and for each whose file has another name."""
    for name in dict.fromkeys((*new.products, *old.products)):
        if name not in old.products:
            yield f"- `{name}` is new."
        elif name not in new.products:
            yield f"- `{name}` is gone."
        elif old.products[name].file != new.products[name].file:
            yield f"- `{name}` is in `{new.products[name].file}`, before in `{old.products[name].file}`."


def render_packages(changes: Sequence[Change], new: Record) -> Iterator[str]:
    rows = [
        (
            change.name,
            change.before or NONE,
            change.after or NONE,
            MARKS[change.kind],
            "all" if len(change.products) == len(new.products) else ", ".join(change.products),
        )
        for change in changes
    ]
    return render_table(("package", "before", "now", "", "products"), rows)


def render_sizes(old: Record, new: Record) -> Iterator[str]:
    rows = []
    files = {new.products[name].file or name: name for name in reversed(shared_products(old, new))}
    for name in reversed(files.values()):  # of the images in one file, the first stands for it
        before, after = old.products[name].bytes, new.products[name].bytes
        if before and after:
            mark = f"**more than {JUMP:.0%}**" if abs(after - before) > JUMP * before else ""
            rows.append((name, format_bytes(before), format_bytes(after), f"{after / before - 1:+.1%}", mark))
    return render_table(("product", "before", "now", "change", ""), rows)


def list_files(old: Record, new: Record) -> list[Change]:
    """Return the files of the content that differ, without their manifest, which differs with each of them."""
    changes = list_changes(old, new, lambda product: product.content)
    return [change for change in changes if change.name != MANIFEST]


def render_content(old: Record, new: Record) -> Iterator[str]:
    folders: dict[str, dict[str, list[str]]] = {}
    for change in list_files(old, new):
        path = PurePosixPath(change.name)
        columns = folders.setdefault(str(path.parent), {"added": [], "removed": [], "changed": []})
        kind = "changed" if change.before and change.after else change.kind
        if f"`{path.name}`" not in columns[kind]:
            columns[kind].append(f"`{path.name}`")
    rows = [(folder, *(", ".join(names) for names in columns.values())) for folder, columns in sorted(folders.items())]
    return render_table(("folder", "added", "removed", "changed"), rows)


def render_tests(old: Record, new: Record) -> Iterator[str]:
    if not (old.number and new.number):
        return
    for title, proof in ((old.name, old.proof), (new.name, new.proof)):
        counts = f"{proof.passed} passed, {proof.failed} failed, {proof.skipped} skipped"
        yield f"- {title}: {counts if proof.passed or proof.failed else 'not proved'}; GPU: {proof.gpu}."


def render_platform(old: Record, new: Record) -> Iterator[str]:
    return render_table(
        ("", "before", "now"),
        [(label, one or NONE, other or NONE) for label, one, other in _list_platform(old, new) if one != other],
    )


def _list_platform(old: Record, new: Record) -> Iterator[tuple[str, str, str]]:
    chosen: tuple[tuple[str, Callable[[Product], str]], ...] = (
        ("CUDA", lambda product: product.cuda),
        ("oldest driver branch", lambda product: product.driver),
    )
    for name in shared_products(old, new):
        for label, choose in chosen:
            yield f"{label} of {name}", choose(old.products[name]), choose(new.products[name])


def render_floors(old: Record, new: Record) -> Iterator[str]:
    changed = [name for name in sorted(old.floors | new.floors) if old.floors.get(name) != new.floors.get(name)]
    rows = [(name, old.floors.get(name, NONE), new.floors.get(name, NONE)) for name in changed]
    if rows:
        yield from (*render_table(("package", "floor before", "floor now"), rows), "")
    below = list_below_floors(new, new.floors)
    yield (
        f"**Below a floor: {', '.join(below)}.**" if below else f"No package is below one of {len(new.floors)} floors."
    )


def render_layers(old: Record, new: Record) -> Iterator[str]:
    """Give a line for each image: a layer whose digest was there before is not pulled again."""
    for name in shared_products(old, new):
        there, layers = set(old.products[name].layers), new.products[name].layers
        again = [layer for layer in layers if layer not in there]
        if there and layers:
            yield f"- {name}: who has {old.name} pulls {len(again)} of {len(layers)} layers."
