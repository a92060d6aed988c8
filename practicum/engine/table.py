"""The table of a build's stages on a terminal: which are done, how long the rest took the last time."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

MARKS = {"waiting": ("·", "dim"), "running": ("▸", "bold cyan"), "done": ("✓", "green"), "failed": ("✗", "bold red")}


@dataclass(frozen=True)
class Row:
    """One stage.

    state: one of MARKS. seconds: it ran, or runs for. note: what stands behind. likely: seconds that it took the last
    time, None where nobody knows.
    """

    name: str
    state: str
    seconds: float = 0.0
    note: str = ""
    likely: float | None = None

    def render(self) -> Text:
        """Return the row as it is shown, on one line whatever the width of the terminal is."""
        mark, style = MARKS[self.state]
        elapsed = "" if self.state == "waiting" else f"{self.seconds:.1f} s"
        likely = f"of {format_seconds(self.likely)}  " if self.state == "running" and self.likely else ""
        return Text(
            f" {mark} {self.name:<14}{elapsed:>10}  {likely}{self.note}", style, no_wrap=True, overflow="ellipsis"
        )


def fit(rows: Sequence[Row], height: int) -> list[Text]:
    """Return at most `height` lines of the table: around the stage that runs, and how many stages are left out."""
    if len(rows) <= height:
        return [row.render() for row in rows]
    shown = max(1, height - 2)
    running = next((place for place, row in enumerate(rows) if row.state in ("running", "waiting")), len(rows) - 1)
    first = min(max(0, running - shown // 2), len(rows) - shown)
    above, below = first, len(rows) - first - shown
    lines = [row.render() for row in rows[first : first + shown]]
    return [
        *([_count("✓", above, "before")] if above else []),
        *lines,
        *([_count("·", below, "to come")] if below else []),
    ][:height]


def _count(mark: str, stages: int, words: str) -> Text:
    return Text(f" {mark} {stages} {words}", style="dim", no_wrap=True, overflow="ellipsis")


def conclude(rows: Sequence[Row]) -> list[Text]:
    """Return what stays on the terminal at the end: the stages that ran. What was cached was told before."""
    return [row.render() for row in rows if row.state != "waiting" and not (row.state == "done" and row.note)]


def count(rows: Sequence[Row]) -> str:
    """Return which stage of how many it is, "stage 7/20"."""
    over = sum(row.state in ("done", "failed") for row in rows)
    return f"stage {min(len(rows), over + any(row.state == 'running' for row in rows))}/{len(rows)}"


def estimate(rows: Sequence[Row]) -> str:
    """Return how long the rest will take, by what it took the last time; "" where nobody knows of any stage."""
    rest = [row for row in rows if row.state in ("waiting", "running")]
    known = [max(0.0, row.likely - row.seconds) for row in rest if row.likely is not None]
    if not known:
        return ""
    return f"{'about' if len(known) == len(rest) else 'more than'} {format_seconds(sum(known))} left"


def format_seconds(seconds: float) -> str:
    """Return a duration for people: "40 s", "6 min", "1 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
