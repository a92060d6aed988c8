"""The page that `course-submit` prints."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from course_tools.submit.submission import format_size

LONGEST_PAGE = 60
WIDTH = 118
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def format_page(found: dict[str, Any]) -> list[str]:
    """Return at most LONGEST_PAGE lines; the output of the programs gets the room that the findings leave."""
    for room in range(16, -1, -1):
        for most in (12, 8, 5, 3, 1):
            lines = list(format_all(found, room, most))
            if len(lines) <= LONGEST_PAGE:
                return lines
            if room > 4:  # first the output gets shorter
                break
    return lines[: LONGEST_PAGE - len(found["runs"]) - 1] + lines[-len(found["runs"]) - 1 :]


def format_all(found: dict[str, Any], room: int, most: int) -> Iterator[str]:
    """Yield the page with `room` lines for each output, and at most so many problems and notes each."""
    yield f"course-submit {found['source']}"
    packed = f", {format_size(found['zip_size'])} as a zip archive" if found["zip_size"] is not None else ""
    files = f"{found['files']} file{'s' * (found['files'] != 1)}"
    yield from line("copied", f"{files}, {format_size(found['size'])}{packed}")
    yield from lines("left out", found["left_out"], min(most, 5))
    for run in found["runs"]:
        yield from format_run(run, room, most)
    yield from lines("PROBLEM", found["problems"], most)
    yield from lines("note", found["notes"], most)
    yield ""
    yield from (run["verdict"] for run in found["runs"])
    if found["verdict"]:
        yield found["verdict"]


def format_run(run: dict[str, Any], room: int, most: int) -> Iterator[str]:
    """Yield the part of the page about one test.py."""
    yield ""
    where = f" in {run['folder']}" if run["folder"] != "." else ""
    project = f", the {run['project']} project" if run["project"] else ""
    yield from line("ran", f"{run['command']}{where}{project}")
    network = f"no network ({run['isolation']})"
    data = f", data in {run['data']}" if run["data"] else ""
    yield from line("machine", f"{network}, no packages of yours, an empty home, no keyboard{data}")
    end = f"ended after {run['time_limit']:g} s, the limit" if run["timed_out"] else f"exit status {run['status']}"
    yield from line("end", f"{end}; {run['seconds']:.1f} s, peak memory {format_size(run['peak_memory'])}")
    if run["tiny"]:
        yield from line("note", "COURSE_TINY is set: sizes are small, a grader's run takes longer")
    printed = [CONTROL.sub("", text)[: WIDTH - 6] for text in re.split(r"\r?\n|\r", run["output"])]
    printed = [text for text in printed if text.strip()]
    if room:
        shown = printed[-room:]
        total = f", {format_size(run['output_size'])} in all" if len(shown) < len(printed) else ""
        yield from line("output", f"the last {len(shown)} lines{total}" if shown else "nothing")
        yield from (f"    | {text}" for text in shown)
    yield from lines("wrote", run["wrote"], min(most, 5))
    yield from lines("PROBLEM", run["problems"], most)
    yield from lines("note", run["notes"], most)


def lines(label: str, texts: list[str], most: int) -> Iterator[str]:
    """Yield one line for each text, at most so many."""
    shown = texts if len(texts) <= most else texts[: most - 1]
    for text in shown:
        yield from line(label, text)
    if len(texts) > len(shown):
        yield from line(label, f"... and {len(texts) - len(shown)} more")


def line(label: str, text: str) -> list[str]:
    """Return a labelled line, at most two lines long."""
    clean = CONTROL.sub("", text.replace("\n", " "))
    wrapped = textwrap.wrap(clean, WIDTH - 11, max_lines=2, placeholder=" ...") or [""]
    return [f"{label:<9}  {wrapped[0]}", *(f"{'':<9}  {rest}" for rest in wrapped[1:])]
