"""JupyterLab's settings in the machine, and what they do before it serves."""

from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: its settings are not tested here")

from course_runtime.files import sync
from course_runtime.start import appliance
from fake_machine import Fixture, write_content
from traitlets.config import Config


@pytest.fixture
def server(booted: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    """A booted machine, as the student's server sees it."""
    content = write_content(tmp_path / "content")
    monkeypatch.setattr(appliance, "Machine", lambda: booted.machine)
    monkeypatch.setattr(sync, "Machine", lambda: booted.machine)
    monkeypatch.setattr(sync.run, "__defaults__", (None, None, content))
    monkeypatch.setenv("HOME", str(booted.home))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(booted.home / ".jupyter"))
    monkeypatch.delenv("JUPYTER_TOKEN_FILE", raising=False)
    return booted


def test_a_server_of_the_machine(server: Fixture) -> None:
    c = Config()
    appliance.configure(c)
    assert (c.ServerApp.port, c.ServerApp.root_dir) == (8888, str(server.home))
    assert (c.ServerApp.allow_remote_access, c.ServerApp.local_hostnames) == (False, ["localhost"])
    assert c.ServerApp.allow_root is False
    assert c.FileContentsManager.preferred_dir == str(server.home / "ee559")
    assert (server.home / "ee559/index.md").read_text() == "welcome\n", "the course came before the server serves"
    assert list((server.home / ".jupyter/lab/workspaces").iterdir()), "and its first page opens by itself"
