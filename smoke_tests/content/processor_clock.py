"""python processor_clock.py PROGRAM [ARGUMENTS]: a program whose clock is the processor time of its process.

What it measures does not grow with what else the machine does.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    program = Path(sys.argv[1])
    sys.argv = sys.argv[1:]
    sys.path[0] = str(program.parent)
    time.perf_counter = time.process_time
    runpy.run_path(str(program), run_name="__main__")
