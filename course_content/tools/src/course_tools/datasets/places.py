"""Where programs look for the sets, and what they find there."""

import os
from pathlib import Path

from course_tools.datasets import store
from course_tools.datasets.catalogue import COURSE_FOLDER, HOME_FOLDER, DataSet
from course_tools.datasets.store import Found


def list_folders() -> list[Path]:
    """Return where the prologue looks for a set, in its order."""
    named = os.environ.get("PYTORCH_DATA_DIR")
    return [Path(named)] if named else [Path("data"), home_folder(), Path(COURSE_FOLDER)]


def find(dataset: DataSet) -> Found | None:
    """Return the set that programs get; None when there is none."""
    return next((found for folder in list_folders() if (found := store.read(dataset, folder))), None)


def home_folder() -> Path:
    """Return where a student's own sets lie."""
    return Path.home() / HOME_FOLDER
