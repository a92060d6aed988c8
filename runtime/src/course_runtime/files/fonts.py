"""Matplotlib's list of the fonts that there are, which its first import in a home makes in more than a second.

The build makes it once, `python -m course_runtime.files.fonts FOLDER`; each start gives it to a home that has none.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from course_runtime.machine.atomic import write_atomically

FOLDER = "/opt/course/matplotlib"
"""Where the products have the list, under the name that their matplotlib looks for."""


def seed_font_list(home: Path, folder: Path = Path(FOLDER), environ: Mapping[str, str] = os.environ) -> None:
    """Put the list where matplotlib looks for it, if it is not there yet.

    Do nothing where the user has chosen matplotlib's folder, or where nothing can be written.
    """
    if environ.get("MPLCONFIGDIR"):
        return
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "matplotlib"
    with suppress(OSError):
        for made in folder.glob("fontlist-*.json"):
            if not (cache / made.name).exists():
                cache.mkdir(parents=True, exist_ok=True)
                write_atomically(cache / made.name, made.read_bytes(), mode=0o644)


def write_font_list(folder: Path) -> None:
    """Write the list into `folder`, in an order that does not change from build to build.

    Matplotlib takes the first of several fonts that fit equally well: its own, as without this.
    """
    from matplotlib import font_manager, get_data_path

    own, fonts = get_data_path(), font_manager.fontManager
    for found in (fonts.ttflist, fonts.afmlist):
        found.sort(key=lambda font: (not font.fname.startswith(own), font.fname, repr(font)))
    font_manager.json_dump(fonts, folder / f"fontlist-v{fonts.__version__}.json")


if __name__ == "__main__":
    write_font_list(Path(sys.argv[1]))
