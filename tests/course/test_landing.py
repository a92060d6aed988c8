"""JupyterLab opens the course's landing page at its first start, and what the student had at later ones."""

import json
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: its first page is not tested here")

from course_runtime.files.landing import open_landing_page
from jupyterlab.commands import get_app_dir
from jupyterlab_server.workspaces_handler import WorkspacesManager
from lab_server import ROLE, Lab

TOKEN = "a-token-of-a-test"
OPENED = {"markdownviewer-widget:ee559/index.md": {"data": {"path": "ee559/index.md", "factory": "Markdown Preview"}}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home into which the course has come."""
    (tmp_path / "ee559").mkdir()
    (tmp_path / "ee559/index.md").write_text("# Welcome\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("JUPYTERLAB_WORKSPACES_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_NO_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def find_workspaces(home: Path) -> list[Path]:
    return [path for path in (home / ".jupyter").rglob("*") if path.is_file()]


def read_opened(workspaces: Path) -> object:
    """What JupyterLab finds open."""
    return WorkspacesManager(str(workspaces)).load("default")["data"]


@pytest.mark.parametrize("product", ["appliance", "cpu"])
def test_the_first_start_opens_it_in_every_product(tmp_path: Path, product: str) -> None:
    lab = Lab(tmp_path, environ={"JUPYTER_TOKEN": TOKEN}, product=product)
    (lab.home / "ee559").mkdir()
    (lab.home / "ee559/index.md").write_text("# Welcome\n")
    with lab:
        status, told = lab.ask("lab/api/workspaces/default", token=TOKEN)
        assert (status, json.loads(told)["data"]) == (200, OPENED)
        assert lab.get("api/contents/ee559/index.md", token=TOKEN) == 200


def test_jupyterlab_has_the_viewer_that_is_named() -> None:
    """For the landing page, and for every Markdown file that a student opens."""
    overrides = json.loads((ROLE / "files/overrides.json").read_text())
    viewers = overrides["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers == {"markdown": "Markdown Preview"}
    programs = [path.read_text() for path in Path(get_app_dir(), "static").glob("jlab_core.*.js")]
    assert len(programs) == 1
    assert all(f'"{name}"' in programs[0] for name in ("Markdown Preview", "markdownviewer-widget"))


def test_jupyterlab_finds_it_where_it_looks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_landing_page(home, home / "ee559")
    assert read_opened(home / ".jupyter/lab/workspaces") == OPENED
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(home / "settings"))
    open_landing_page(home, home / "ee559")
    assert read_opened(home / "settings/lab/workspaces") == OPENED
    monkeypatch.setenv("JUPYTERLAB_WORKSPACES_DIR", str(home / "workspaces"))
    open_landing_page(home, home / "ee559")
    assert read_opened(home / "workspaces") == OPENED


def test_what_the_student_had_open_stays(home: Path) -> None:
    open_landing_page(home, home / "ee559")
    (workspace,) = find_workspaces(home)
    workspace.write_text("mine")
    open_landing_page(home, home / "ee559")
    assert workspace.read_text() == "mine"
    workspace.rename(workspace.with_name("other-1234.jupyterlab-workspace"))
    open_landing_page(home, home / "ee559")
    assert len(find_workspaces(home)) == 1, "he works with another workspace"


def test_one_that_a_power_cut_left_empty_is_written_again(home: Path) -> None:
    open_landing_page(home, home / "ee559")
    (workspace,) = find_workspaces(home)
    workspace.write_text("")
    open_landing_page(home, home / "ee559")
    assert read_opened(workspace.parent) == OPENED


def test_the_courses_own_copy_is_opened_where_that_is_served(home: Path) -> None:
    open_landing_page(home / "ee559", home / "ee559")
    assert [*read_opened(home / ".jupyter/lab/workspaces")] == ["markdownviewer-widget:index.md"]


def test_without_the_page_or_a_place_to_write_nothing_happens(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_landing_page(home, home)
    (home / ".jupyter").write_text("no folder")
    open_landing_page(home, home / "ee559")
    (home / ".jupyter").unlink()

    def fill_the_disk(path: Path, text: str) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    open_landing_page(home, home / "ee559")
    assert find_workspaces(home) == []


def test_the_start_does_not_wait_for_the_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []
    monkeypatch.setattr("os.sync", lambda: waits.append("sync"))
    monkeypatch.setattr("os.fsync", lambda descriptor: waits.append("fsync"))
    open_landing_page(home, home / "ee559")
    assert find_workspaces(home) and waits == []
