"""Markdown as the repository and the notebooks have it: CommonMark with tables, links that are resolved, formulas.

Headings get the ids that the hosts of repositories give them, so that the links of docs/ work here, too. Formulas
become MathML, which browsers draw themselves.
"""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from practicum.course.site.page import Heading

Resolve = Callable[[str], str | None]
"""What becomes of the address in a link or picture: another address, or None for text without a link."""


@dataclass(frozen=True)
class Body:
    """The HTML of a text, and its headings in order."""

    html: str
    headings: tuple[Heading, ...]


def render(text: str, resolve: Resolve, taken: Sequence[Heading] = (), *, formulas: bool = False) -> Body:
    """Return `text` as HTML; HTML inside it is shown as text.

    taken: the headings above it on the same page, whose ids it does not use again. formulas: whether `$` begins one.
    """
    markdown = _make_parser(formulas)
    tokens = markdown.parse(text)
    headings: list[Heading] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            words = _plain(tokens[place + 1])
            name = _choose_id(words, {heading.id for heading in (*taken, *headings)})
            token.attrSet("id", name)
            headings.append(Heading(int(token.tag[1]), name, words))
        if token.children:
            token.children = _resolve(token.children, resolve)
    return Body(markdown.renderer.render(tokens, markdown.options, {}), tuple(headings))


def highlight(code: str, language: str) -> str:
    """Return program text as HTML; a long line can be scrolled by keyboard, too."""
    from pygments import highlight as paint
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language or "text")
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    painted = paint(code, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    return f'<div class="highlight"><pre class="program" tabindex="0">{painted}</pre></div>\n'


def slug(text: str) -> str:
    """Return the id that GitLab and GitHub give to a heading."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


@cache
def _make_parser(formulas: bool) -> Any:
    # Imported here: a build of unchanged content need not wait for them.
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    if formulas:
        markdown.use(dollarmath_plugin, allow_digits=False, double_inline=True)
    for name, rule in RULES.items():
        markdown.add_render_rule(name, rule)
    return markdown


def _render_program(_parser: Any, tokens: Sequence[Any], place: int, *_: Any) -> str:
    return highlight(tokens[place].content, tokens[place].info.split(" ")[0])


def _open_heading(_parser: Any, tokens: Sequence[Any], place: int, *_: Any) -> str:
    # A column's heading without a word would be announced as one.
    return '<th scope="col">' if tokens[place + 1].content else "<td>"


def _close_heading(_parser: Any, tokens: Sequence[Any], place: int, *_: Any) -> str:
    return "</th>" if tokens[place - 1].content else "</td>"


def _render_formula(_parser: Any, tokens: Sequence[Any], place: int, *_: Any) -> str:
    from latex2mathml.converter import convert

    shown: str = convert(tokens[place].content.strip())
    return shown


def _render_display(_parser: Any, tokens: Sequence[Any], place: int, *_: Any) -> str:
    from latex2mathml.converter import convert

    return f'<span class="formula" tabindex="0">{convert(tokens[place].content.strip(), display="block")}</span>\n'


RULES = {
    "fence": _render_program,
    "code_block": _render_program,
    # A wide table scrolls by itself, and not the whole page.
    "table_open": lambda *_: '<div class="wide" tabindex="0" role="group" aria-label="Table"><table class="plain">',
    "table_close": lambda *_: "</table></div>\n",
    "th_open": _open_heading,
    "th_close": _close_heading,
    "math_inline": _render_formula,
    "math_inline_double": _render_display,
    "math_block": _render_display,
}
"""How parts of a text become HTML in another way than markdown-it's."""


def _plain(inline: Any) -> str:
    return "".join(
        child.content for child in inline.children or () if child.type in ("text", "code_inline", "math_inline")
    )


def _choose_id(words: str, taken: set[str]) -> str:
    name = first = slug(words) or "section"
    number = 0
    while name in taken:
        number += 1
        name = f"{first}-{number}"
    return name


def _resolve(children: list[Any], resolve: Resolve) -> list[Any]:
    """Return the tokens of a line with resolved addresses; a link or picture without one becomes its text."""
    kept: list[Any] = []
    open_links: list[str | None] = []
    for token in children:
        if token.type == "image":
            address = resolve(str(token.attrGet("src")))
            if address is None:
                kept += token.children or ()
                continue
            token.attrSet("src", address)
            token.attrSet("loading", "lazy")
        elif token.type == "link_open":
            address = resolve(html.unescape(str(token.attrGet("href"))))
            open_links.append(address)
            if address is None:
                continue
            token.attrSet("href", address)
        elif token.type == "link_close" and open_links.pop() is None:
            continue
        kept.append(token)
    return kept
