"""The root file system of an image, as a folder of the host."""

import os
from collections.abc import Sequence
from pathlib import Path

from practicum.engine.run import run
from practicum.images.docker import running


def export_tree(image: str, tree: Path, work: Path, selection: Sequence[str] = ()) -> None:
    """Unpack the root file system of `image`, owners, modes and capabilities included, into the new folder `tree`.

    `selection` is given to tar: `--exclude=PATTERN`, or the names to take alone.
    """
    tree.mkdir()
    with running(image, work) as container:
        pipe = (
            'docker export "$1" | (shift; exec tar --extract --numeric-owner --same-owner --preserve-permissions '
            "--xattrs '--xattrs-include=*' --directory=\"$@\")"
        )
        run(
            ["bash", "-o", "pipefail", "-c", pipe, "export", container, os.fspath(tree), *selection],
            step="disk",
            log=work / "export.log",
        )
