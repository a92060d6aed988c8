"""course-check calls no right work wrong: variants in the idioms of 2018, 2022 and today, in tests/course/right."""

import importlib
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: nothing of a practical can be checked here")

from course_tools.check import child, practical_1, practical_5, practical_6
from course_tools.check.practicals import PRACTICALS
from forked_check import ForkedChild

RIGHT = Path(__file__).parent / "right"

SMALL = {
    5: (("250", "25"),),
    6: (("30, 10,", "4, 10,"), ("30, 100", "4, 6"), ("nb_residual_blocks=30", "nb_residual_blocks=4"), ("100", "6")),
}
"""Sizes in the files of a practical, and the smaller ones with which they are tried."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks expect the smaller sizes; their child is forked."""
    importlib.import_module("torchvision.datasets")
    for module, name, value in (
        (practical_1, "MATRIX_SIZE", 400),
        (practical_1, "SPEED_ROWS", 40),
        (practical_5, "NB_EPOCHS", 25),
        (practical_6, "NB_BLOCKS", 4),
        (practical_6, "NB_SAMPLES", 6),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("time.perf_counter", time.process_time)  # speeds are those of a machine without other work
    monkeypatch.setattr(child, "Child", ForkedChild)


@pytest.mark.parametrize("number", PRACTICALS)
def test_no_right_work_is_called_wrong(tmp_path: Path, number: int) -> None:
    paths = sorted((RIGHT / f"practical_{number}").glob("*.py"))
    assert len(paths) >= 8
    for year in ("2018", "2022", "today"):
        assert any(path.stem.endswith(year) for path in paths)
    found = {}
    for path in paths:
        text = path.read_text()
        for full, less in SMALL.get(number, ()):
            text = text.replace(full, less)
        (tmp_path / path.name).write_text(text)
        exercises = list(child.run(number, tmp_path / path.name))
        found[path.stem] = [line for exercise in exercises for line in exercise.lines]
        assert {exercise.label for exercise in exercises} >= {*PRACTICALS[number].names}
    assert found == {path.stem: [] for path in paths}
