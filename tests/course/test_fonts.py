"""Matplotlib finds its list of fonts at its first import, and need not make one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from course_runtime.files import fonts
from course_runtime.files.fonts import seed_font_list
from packages import PYTHONPATH

IMPORT = "import logging; logging.basicConfig(level='INFO'); import matplotlib.pyplot as p; p.figure().text(0, 0, 'a')"
MADE = "generated new fontManager"  # what matplotlib logs when it has made a list


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """A folder as the products have it."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/fontlist-v1.json").write_text("{}")
    return tmp_path / "lists"


def run(place: Path, *arguments: str, **environ: str) -> str:
    """Run Python with an empty cache in `place`; return what it logs."""
    base = {"HOME": str(place), "PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-P", *arguments], env={**base, **environ}, capture_output=True, text=True, check=True
    )
    return done.stderr


def test_the_first_import_takes_the_list_of_the_build(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed beside pytest")
    lists = []
    for seed in "12":  # matplotlib has the fonts in a set, whose order follows from this
        made = tmp_path / seed
        made.mkdir()
        run(made, "-m", fonts.__name__, str(made), MPLCONFIGDIR=str(made / "cache"), PYTHONHASHSEED=seed)
        lists += made.glob("*.json")
    first, second = (path.read_bytes() for path in lists)
    assert first == second and str(tmp_path).encode() not in first
    assert str(Path(sys.prefix)).encode() not in first

    seed_font_list(home, lists[0].parent, {})
    (seeded,) = (home / ".cache/matplotlib").iterdir()
    before = (seeded.stat().st_ino, seeded.stat().st_mtime_ns, seeded.read_bytes())
    assert MADE not in run(home, "-c", IMPORT)
    assert before == (seeded.stat().st_ino, seeded.stat().st_mtime_ns, first)

    assert MADE in run(home, "-c", IMPORT, MPLCONFIGDIR=str(home / "other")), "the check above can fail"


def test_the_cache_that_is_named_gets_it(tmp_path: Path, home: Path, lists: Path) -> None:
    seed_font_list(home, lists, {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert (tmp_path / "cache/matplotlib/fontlist-v1.json").read_text() == "{}"
    assert list(home.iterdir()) == []


def test_a_list_that_is_there_stays(home: Path, lists: Path) -> None:
    mine = home / ".cache/matplotlib/fontlist-v1.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    seed_font_list(home, lists, {})
    assert mine.read_text() == "mine"


def test_a_folder_of_the_users_own_choice_stays(home: Path, lists: Path) -> None:
    seed_font_list(home, lists, {"MPLCONFIGDIR": str(home / "chosen")})
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("missing", ["place", "lists"])
def test_nothing_is_said_where_nothing_can_be_done(
    missing: str, tmp_path: Path, home: Path, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".cache").write_text("a file where the folder would be, for root, too")
    seed_font_list(home, lists if missing == "place" else tmp_path / "missing", {})
    assert capsys.readouterr() == ("", "")
