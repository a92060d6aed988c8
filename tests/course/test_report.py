"""The options that solutions share, and the results they leave."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: the report of solutions is not tested here")

from course_tools import report


def test_options_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_TINY", raising=False)
    options = report.parse(None, ["--cifar", "--tin", "--seed", "3", "--device", "cpu", "file"])
    assert (options.tiny, options.full, options.seed, options.device, options.json) == (False, False, 3, "cpu", None)


def test_environment_means_tiny_unless_full_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_TINY", "1")
    assert report.parse(None, []).tiny
    assert not report.parse(None, ["--full"]).tiny
    monkeypatch.setenv("COURSE_TINY", "")
    assert not report.parse(None, []).tiny


def test_results_are_written_whole_with_their_circumstances(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    report.write(report.parse(None, ["--json", str(path), "--tiny", "--device=cpu"]), practical=4, errors=[1, 2])
    results = json.loads(path.read_text())
    assert (results["practical"], results["errors"]) == (4, [1, 2])
    assert (results["device"], results["device_name"], results["tiny"], results["seed"]) == ("cpu", "CPU", True, 0)
    assert results["seconds"] >= 0
    assert [*tmp_path.iterdir()] == [path]


def test_nothing_is_written_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report.write(report.parse(None, []), practical=1)
    assert not [*tmp_path.iterdir()]


def test_a_missing_gpu_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"--device cuda: torch sees no GPU here .*: take --device cpu"):
        report.parse(None, ["--device", "cuda"])
