"""A notebook as a page: its texts, its programs and, where it was run, what these printed and drew."""

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from practicum.course.site.markdown import Resolve, highlight, render
from practicum.course.site.page import Heading

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NUMBER = re.compile(r"^\d+\.\s+")
EXERCISES = "Try"
"""The section of a lecture that is no topic."""

_KIND = re.compile(r"^(Lecture|Practical) \d+: |^Mini-project: ")


@dataclass(frozen=True)
class Figure:
    """A picture that a notebook drew: the name of its file, its bytes (PNG), and words for who cannot see it."""

    name: str
    data: bytes
    words: str


@dataclass(frozen=True)
class Shown:
    """A notebook as HTML.

    title: of the notebook, "Lecture 1: tensors". lead: its first paragraph, as HTML. figures: in order.
    """

    title: str
    lead: str
    html: str
    headings: tuple[Heading, ...]
    figures: tuple[Figure, ...]

    @property
    def subject(self) -> str:
        """The title without what it is: "Tensors"."""
        subject = _KIND.sub("", self.title)
        return subject[:1].upper() + subject[1:]

    @property
    def topics(self) -> tuple[str, ...]:
        """The titles of its sections, without their numbers and without that of the exercises."""
        titles = (_NUMBER.sub("", heading.text) for heading in self.headings if heading.level == 2)
        return tuple(title for title in titles if title != EXERCISES)


def show(notebook: bytes, name: str, resolve: Resolve) -> Shown:
    """Return the notebook as HTML.

    notebook: the bytes of an .ipynb, format 4 (the format's specification is nbformat's). name: how the files of its
    pictures begin; the page and they are in one folder.
    """
    headings: list[Heading] = []
    figures: list[Figure] = []
    parts: list[str] = []
    for cell in json.loads(notebook)["cells"]:
        text = _join(cell["source"])
        if cell["cell_type"] == "markdown":
            body = render(text, resolve, headings, formulas=True)
            headings += body.headings
            parts.append(body.html)
        elif text.strip():
            parts.append(f'<div class="cell">{highlight(text, "python")}</div>\n')
            section = next((each.text for each in reversed(headings)), name)
            parts += _show_outputs(cell.get("outputs", ()), name, _NUMBER.sub("", section), figures)
    title = next((heading.text for heading in headings if heading.level == 1), name)
    lead = re.search(r"<p>(.*?)</p>", parts[0], re.DOTALL) if parts else None
    return Shown(title, lead[1] if lead else "", "".join(parts), tuple(headings), tuple(figures))


def _show_outputs(outputs: Any, name: str, section: str, figures: list[Figure]) -> Iterator[str]:
    for output in outputs:
        data: Mapping[str, Any] = output.get("data", {})
        if "image/png" in data:
            number = len(figures) + 1
            described = output.get("metadata", {}).get("image/png", {}).get("alt")
            words = described or f"Figure {number}, which the program above draws: {section}"
            figures.append(Figure(f"{name}-{number}.png", base64.b64decode(_join(data["image/png"])), words))
            yield f'<p><img src="{figures[-1].name}" alt="{html.escape(words)}" loading="lazy"></p>\n'
        elif text := _read_text(output):
            yield f'<pre class="output" tabindex="0"><samp>{html.escape(text)}</samp></pre>\n'


def _read_text(output: Mapping[str, Any]) -> str:
    """Return what an output says: a stream, a value, or an error with its traceback."""
    if output["output_type"] == "error":
        return _ESCAPES.sub("", "\n".join(output["traceback"]))
    text = output["text"] if output["output_type"] == "stream" else output.get("data", {}).get("text/plain", "")
    return _ESCAPES.sub("", _join(text)).rstrip("\n")


def _join(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
