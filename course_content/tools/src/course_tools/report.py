"""What every solution shares: the options --tiny, --full, --device, --seed and --json, and the JSON it leaves.

from course_tools import report

options = report.parse(__doc__)
report.write(options, practical=4, test_errors=[0.1, 0.09])
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """How a solution is to run, and when it began (seconds of time.perf_counter)."""

    tiny: bool
    full: bool
    device: str
    seed: int
    json: Path | None
    started: float


def parse(description: str | None, arguments: list[str] | None = None) -> Options:
    """Read the options from `arguments` (the command line, if left out); others are left alone.

    COURSE_TINY in the environment means --tiny, as it does for the prologue, unless --full is given.
    """
    import torch

    parser = argparse.ArgumentParser(
        description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="small sizes, done in seconds: shows that all works")
    parser.add_argument("--full", action="store_true", help="the whole data set instead of its first 1000 samples")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, or cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    given, _ = parser.parse_known_args(arguments)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit(f"--device {given.device}: torch sees no GPU here (course-doctor --gpu says why): take --device cpu")
    tiny = given.tiny or (bool(os.environ.get("COURSE_TINY")) and not given.full)
    return Options(tiny, given.full, given.device, given.seed, given.json, time.perf_counter())


def write(options: Options, **results: Any) -> None:
    """Write `results` (numbers, strings, lists and dictionaries of them) with what they were obtained on, if asked."""
    import torch

    if options.json is None:
        return
    cuda = options.device.startswith("cuda")
    circumstances = {
        "device": options.device,
        "device_name": torch.cuda.get_device_name(options.device) if cuda else "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "tiny": options.tiny,
        "full": options.full,
        "seed": options.seed,
        "seconds": round(time.perf_counter() - options.started, 3),
    }
    beside = options.json.with_name(options.json.name + ".part")
    beside.write_text(json.dumps({**circumstances, **results}, indent=1) + "\n")
    beside.replace(options.json)
