"""Which builds of torch are for CUDA: told by what they hold and need, because their names do not say it everywhere.

On the general Python index torch 2.10.0 for ARM is a CPU build, and 2.11.0 one for CUDA; neither version says so.
"""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from practicum.engine.errors import PracticumError

PACKAGE = re.compile(r"(nvidia|cuda)-")
"""Beginning of the canonical names of CUDA's own packages."""

LIBRARY = re.compile(r"torch/lib/lib(torch|c10)_cuda\b")
"""Beginning of the paths of torch's libraries for CUDA in its wheel."""


def names_cuda(packages: Iterable[str]) -> bool:
    """Whether a package of CUDA is among `packages`, canonical names."""
    return any(PACKAGE.match(name) for name in packages)


def is_cpu_build(wheel: Path) -> bool:
    """Whether torch's `wheel` neither has libraries for CUDA nor needs any; raises PracticumError if it is no wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            paths = archive.namelist()
            metadata = next(path for path in paths if path.endswith(".dist-info/METADATA"))
            needs = re.findall(r"^Requires-Dist: *([A-Za-z0-9._-]+)", archive.read(metadata).decode(), re.MULTILINE)
    except (OSError, zipfile.BadZipFile, StopIteration, UnicodeDecodeError) as error:
        reason = f"is not a readable wheel ({error or 'no METADATA'})"
        raise PracticumError(str(wheel), reason, "delete it and run again") from None
    return not names_cuda(name.lower().replace("_", "-") for name in needs) and not any(map(LIBRARY.match, paths))
