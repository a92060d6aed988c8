"""Which packages differ between two records, how much, and whether a policy lets that happen without a person."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion, Version

from practicum.release.record import Product, Record

Policy = Literal["none", "security", "minor"]
"""What a weekly refresh may propose: nothing; what closes holes; that, and versions with the same first number.

torch and CUDA are in none of them: they decide which GPUs and drivers a semester serves.
"""

BY_HAND = re.compile(r"torch|torchvision|torchaudio|triton|(nvidia|cuda)-.*")
"""Python packages that change only when a person changes semester.toml."""

CALENDAR = 1990
"""From this number on, the first number of a version is a year, and a new year is no major change."""


@dataclass(frozen=True)
class Change:
    """A package that differs; before, after: versions, "" where it was or is missing. products: those it differs in."""

    name: str
    before: str
    after: str
    products: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Says "added", "removed", "major" or ""."""
        if not self.before or not self.after:
            return "removed" if self.before else "added"
        return "major" if is_major(self.before, self.after) else ""


def is_major(before: str, after: str) -> bool:
    """Tell whether the first number of two versions differs; Debian's epoch ("2:9.0") is in front of it."""
    epochs, numbers = [], []
    for version in (before, after):
        epoch, _, rest = version.rpartition(":")
        first = re.match(r"\D*(\d+)", rest)
        epochs.append(epoch or "0")
        numbers.append(first[1] if first else rest)
    if epochs[0] != epochs[1]:
        return True
    if all(number.isdigit() and int(number[:4]) >= CALENDAR and len(number) >= 4 for number in numbers):
        return False
    return numbers[0] != numbers[1]


def list_debian(old: Record, new: Record) -> list[Change]:
    """Return the Debian packages that differ, by name."""
    return list_changes(old, new, lambda product: product.debian)


def list_python(old: Record, new: Record) -> list[Change]:
    """Return the Python packages that differ, by name."""
    return list_changes(old, new, lambda product: product.python)


def list_changes(old: Record, new: Record, choose: Callable[[Product], Mapping[str, str]]) -> list[Change]:
    """Return what differs in the chosen mapping of the products that both records have; what is equal is told once."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name in shared_products(old, new):
        before, after = choose(old.products[name]), choose(new.products[name])
        for key in before.keys() | after.keys():
            one, other = before.get(key, ""), after.get(key, "")
            if one != other:
                found.setdefault((key, one, other), []).append(name)
    return [Change(*change, tuple(products)) for change, products in sorted(found.items())]


def shared_products(old: Record, new: Record) -> list[str]:
    return [name for name in new.products if name in old.products]


def list_below_floors(record: Record, floors: Mapping[str, str]) -> list[str]:
    """Return "package version" for each Python package that is older than its security floor."""
    held = {(name, version) for product in record.products.values() for name, version in product.python.items()}
    return [f"{name} {version}" for name, version in sorted(held) if is_below(version, floors.get(name, ""))]


def is_below(version: str, floor: str) -> bool:
    """Tell whether a Python version is older than a floor, "" for none."""
    return bool(floor) and is_older(version, floor)


def is_older(version: str, other: str) -> bool:
    """Tell whether a Python version is older than another; a version that no rule orders is not."""
    try:
        return Version(version) < Version(other)
    except InvalidVersion:
        return False


def list_breaches(policy: Policy, old: Record, new: Record) -> list[str]:
    """Return the changes that `policy` leaves to a person, one line each; [] when it allows them all.

    Debian's stable suite changes a package for a hole or a grave bug only, so every new version of one fits `security`,
    but for a major one; kernels bring their version in their name, so packages come and go with it. A Python package
    fits `security` when its old version is below a floor of `new`. `minor` allows new and removed packages, too.
    """
    return [
        f"{change.name}: {change.before or 'none'} -> {change.after or 'none'}: {reason}"
        for change, reason in (
            *((change, _judge_debian(policy, change)) for change in list_debian(old, new)),
            *((change, _judge_python(policy, change, new.floors)) for change in list_python(old, new)),
            *_list_platform(old, new),
        )
        if reason
    ]


def _judge_debian(policy: Policy, change: Change) -> str:
    if policy == "none":
        return "the policy allows no change"
    return "a major version" if change.kind == "major" else ""


def _judge_python(policy: Policy, change: Change, floors: Mapping[str, str]) -> str:
    if policy == "none":
        return "the policy allows no change"
    if BY_HAND.fullmatch(change.name):
        return "torch and CUDA change only by hand"
    if change.kind == "major":
        return "a major version"
    if change.before and change.after and is_older(change.after, change.before):
        return "an older version"
    closes = bool(change.before) and is_below(change.before, floors.get(change.name, ""))
    if policy == "security" and not closes:
        return "closes no hole that security-floors.toml names"
    return ""


def _list_platform(old: Record, new: Record) -> Iterator[tuple[Change, str]]:
    """Give the change of CUDA or of the driver's branch; a lock alone does not tell the latter."""
    for name in shared_products(old, new):
        before, after = old.products[name], new.products[name]
        for label, one, other in (("CUDA", before.cuda, after.cuda), ("driver", before.driver, after.driver)):
            if one != other:
                yield Change(label, one, other, (name,)), "torch and CUDA change only by hand"
