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
