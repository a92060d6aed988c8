"""What binds compiled Python to its source in the products: a hash, not a time."""

LIST_DATED = """
from pathlib import Path
for root in ("/opt/venv", "/opt/course", "/usr"):
    for path in Path(root).rglob("*.pyc"):
        if path.read_bytes()[4:8] != b"\\1\\0\\0\\0":  # the flags of an unchecked hash: PEP 552
            print(path)
"""
"""A program that prints which compiled files are not bound to their source by a hash."""
