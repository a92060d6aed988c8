"""Charts of letters."""

from collections.abc import Mapping


def draw(values: Mapping[str, float], width: int = 40) -> str:
    """Return a chart with one line for each of `values`, the longest bar `width` letters long."""
    most, names = max(values.values()), max(map(len, values))
    bars = {name: "#" * round(width * value / most) for name, value in values.items()}
    return "\n".join(f"{name:<{names}} {bar} {values[name]:g}" for name, bar in bars.items())
