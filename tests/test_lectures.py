"""How `practicum lectures` runs a lecture."""

from pathlib import Path

from practicum.commands.lectures import make_task


def test_a_lecture_runs_in_one_thread() -> None:
    """With as many threads as cores, its numbers would be those of one machine, and not those that its tests assert."""
    assert make_task("lecture-01-tensors", Path("given")).environment["OMP_NUM_THREADS"] == "1"
