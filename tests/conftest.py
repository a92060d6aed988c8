"""What all tests share. tests/course runs in the students' Python, which has no practicum: imports stay in fixtures."""

from __future__ import annotations

import gc
import io
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from checkout import Checkout

    from practicum.engine.progress import Console


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: builds or installs for real; `make test-quick` leaves it out")
    # A shell without job control starts what it puts in the background with SIGINT ignored, and children inherit that:
    # the builds that tests interrupt would not notice before they have a handler of their own.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what the tests import, torch among it: it lives to the end, here and in forks."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: a copy of the checkout costs a tenth there."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="practicum-tests-", dir=place) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def unchanged(memory: Path) -> Checkout:
    """A copy of this checkout for others to be copied from."""
    from checkout import copy_checkout

    return copy_checkout(memory / "unchanged")


@pytest.fixture
def checkout(unchanged: Checkout, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """A copy of this checkout with an empty cache, whose modules count as the builder's own."""
    from practicum.engine import source

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    copied = unchanged.copy(memory / "checkout")
    monkeypatch.setattr(source, "ROOT", copied.root / "practicum")
    yield copied
    shutil.rmtree(copied.root)


@pytest.fixture(scope="session")
def first_keys() -> dict[str, str]:
    """The keys of an unchanged `checkout`, which lies in the same folder in each test: the first one fills them in."""
    return {}


@pytest.fixture
def old_keys(checkout: Checkout, first_keys: dict[str, str]) -> dict[str, str]:
    """The keys of `checkout` before it is changed."""
    if not first_keys:
        first_keys.update(checkout.keys())
    return dict(first_keys)


@pytest.fixture
def console() -> Console:
    """A console that shows nothing."""
    from practicum.engine.progress import Console

    return Console(stream=io.StringIO(), plain=True)


@pytest.fixture
def releases(tmp_path: Path) -> list[Path]:
    """Two releases of one semester, not signed."""
    from small_release import make_release

    for number in (1, 2):
        make_release(tmp_path / f"release{number}", number)
    return [tmp_path / "release1", tmp_path / "release2"]
