"""Starts a command of the machine for a service, past the environment's Python: `service.py firstboot`.

It saves a third of a start of Python, and needs no /opt/venv: the code, and the page of the machine's window, are there
even when the environment is not.
"""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if __name__ == "__main__":
    module = sys.argv.pop(1)
    importlib.import_module(f"course_runtime.machine.{module}").main()
