"""run_lecture.py NOTEBOOK TARGET: runs a notebook, and writes it with what it prints and draws.

A program of the products' Python, which has Jupyter; it imports nothing of ours. The figures are the largest part of a
page, so they are written with few colors.
"""

import base64
import io
import sys
from pathlib import Path
from typing import Any

COLORS = 48
"""Of a figure: a quarter of the bytes, and no difference to see in a diagram."""


def run(source: Path, target: Path) -> None:
    """Run the notebook `source` in its own folder, and write it to `target`.

    Raises nbclient.exceptions.CellExecutionError when a cell fails; nothing is written then.
    """
    import nbclient
    import nbformat

    notebook: Any = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]
    place = {"metadata": {"path": str(source.parent)}}
    # Without a time: the same outputs give the same bytes.
    nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=None, record_timing=False, resources=place
    ).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = shrink(output.data["image/png"])
    nbformat.write(notebook, target)  # type: ignore[no-untyped-call]


def shrink(figure: str) -> str:
    """Return a PNG, in base64, with COLORS colors; the figure itself where that is no smaller."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(figure))) as image:
        small = image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    written = io.BytesIO()
    small.save(written, format="PNG", optimize=True)
    return min(base64.b64encode(written.getvalue()).decode(), figure, key=len)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
