"""The first thing that a student sees in JupyterLab: the course's landing page, in place of an empty launcher.

JupyterLab writes what is open into a file, its workspace, and opens that again at its next start. Jupyter's settings
call this, which writes the first workspace.
"""

import json
from contextlib import suppress
from pathlib import Path

from jupyterlab.commands import get_workspaces_dir
from jupyterlab_server.workspaces_handler import WORKSPACE_EXTENSION, slugify

from course_runtime.machine.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

LANDING_PAGE = "index.md"
WORKSPACE = "default"  # the one of the address /lab


def open_landing_page(root: Path, folder: Path) -> None:
    """Let JupyterLab, which serves `root`, open the landing page of `folder` when it starts for the first time.

    Do nothing when there is a workspace already, or no landing page, or no place to write.
    """
    page = folder / LANDING_PAGE
    workspaces = Path(get_workspaces_dir())
    with suppress(OSError):
        if page.is_file() and not has_workspace(workspaces):
            write_workspace(workspaces, describe_workspace(page.relative_to(root).as_posix()))


def has_workspace(workspaces: Path) -> bool:
    """Return whether JupyterLab has written a workspace; one that a power cut left empty does not count."""
    return any(file.stat().st_size for file in workspaces.glob(f"*{WORKSPACE_EXTENSION}"))


def describe_workspace(path: str) -> dict[str, object]:
    """Return a workspace in which the rendered Markdown file `path` is open; JupyterLab chooses the layout."""
    opened = {"path": path, "factory": "Markdown Preview"}
    return {"data": {f"markdownviewer-widget:{path}": {"data": opened}}, "metadata": {"id": WORKSPACE}}


def write_workspace(workspaces: Path, workspace: dict[str, object]) -> None:
    """Write the workspace, complete or not at all; it is not worth waiting for the disk."""
    name = slugify(WORKSPACE) + WORKSPACE_EXTENSION
    workspaces.mkdir(parents=True, exist_ok=True)
    temporary = workspaces / f"{TEMPORARY_PREFIX}{name}{TEMPORARY_SUFFIX}"
    try:
        temporary.write_text(json.dumps(workspace))
        temporary.replace(workspaces / name)
    finally:
        temporary.unlink(missing_ok=True)
