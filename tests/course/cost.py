"""What something costs the processor: a promise about time that no other program of the machine can break."""

import resource
from collections.abc import Callable


def read_processor() -> float:
    """Seconds, user and system, of this process and of all its children that ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure_processor(act: Callable[[], object]) -> float:
    """Seconds of the processor that `act` takes, its children included."""
    before = read_processor()
    act()
    return read_processor() - before


def measure_least(act: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """Seconds of the processor that `act` takes, the least of three; `prepare` runs before each, uncounted.

    On a crowded host the same work costs up to twice its seconds: another program uses the other half of the core.
    """
    seconds = []
    for _ in range(3):
        prepare()
        seconds.append(measure_processor(act))
    return min(seconds)
