"""Jupyter's token: where it comes from, and that no accident switches it off."""

import os
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: its token is not tested here")

from course_runtime.start.identity import CourseIdentityProvider, read_token
from jupyter_server.auth import passwd
from lab_server import Lab, run_to_the_end
from traitlets.config import Config

BAD_FILES = [
    (None, "No such file"),
    (b"", "is empty"),
    (b"\n", "is empty"),
    (b" \t \r\n", "is empty"),
    (b"\xff", "not text"),
]


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_wish_it_is_random() -> None:
    tokens = {CourseIdentityProvider().token for _ in range(50)}
    assert len(tokens) == 50
    assert {len(bytes.fromhex(token)) for token in tokens} == {24}


def test_a_random_one_is_ours_to_tell() -> None:
    provider = CourseIdentityProvider()
    assert provider.token and provider.token_is_random
    assert not provider.token_generated, "Jupyter would print its own addresses"


def test_an_empty_variable_leaves_the_authentication_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "")
    monkeypatch.setenv("JUPYTER_TOKEN_FILE", "")
    provider = CourseIdentityProvider()
    assert provider.auth_enabled and len(provider.token) == 48


def test_the_variable_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from the file")
    monkeypatch.setenv("JUPYTER_TOKEN_FILE", str(tmp_path / "token"))
    assert CourseIdentityProvider().token == "from the file"
    monkeypatch.setenv("JUPYTER_TOKEN", "from the variable")
    provider = CourseIdentityProvider()
    assert provider.token == "from the variable"
    assert not provider.token_is_random


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_line_break_of_an_editor_is_no_part_of_it(tmp_path: Path, end: str) -> None:
    (tmp_path / "token").write_bytes(f"s3cret{end}".encode())
    assert read_token({"JUPYTER_TOKEN_FILE": str(tmp_path / "token")}) == "s3cret"


@pytest.mark.parametrize(("content", "reason"), BAD_FILES)
def test_a_file_without_a_token_ends_the_start(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=reason) as caught:
        read_token({"JUPYTER_TOKEN_FILE": str(path)})
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read_ends_the_start(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret")
    path.chmod(0)
    if os.access(path, os.R_OK):
        path.unlink()
        path.mkdir()  # root may read every file
    with pytest.raises(SystemExit, match="cannot be read"):
        read_token({"JUPYTER_TOKEN_FILE": str(path)})


def test_what_the_user_configures_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "from the variable")
    assert CourseIdentityProvider(config=Config(IdentityProvider={"token": "mine"})).token == "mine"


def test_a_password_needs_no_token() -> None:
    hashed = passwd("a password", "sha1")
    provider = CourseIdentityProvider(config=Config(PasswordIdentityProvider={"hashed_password": hashed}))
    assert provider.token == ""
    assert provider.auth_enabled and not provider.token_is_random


@pytest.mark.parametrize("content", [None, b"", b"\n"])
def test_a_server_without_its_token_does_not_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    status, last = run_to_the_end(Lab(tmp_path, environ={"JUPYTER_TOKEN_FILE": str(path)}))
    assert status == 1
    assert last.startswith(f"JUPYTER_TOKEN_FILE={path} ")


def test_a_server_with_a_file_lets_in_who_knows_it_and_tells_nobody(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-of-a-test\n")
    with Lab(tmp_path, environ={"JUPYTER_TOKEN_FILE": str(tmp_path / "token")}) as lab:
        assert lab.get("api/contents", token="s3cret-of-a-test") == 200
        assert lab.get("api/contents", token="s3cret-of-a-test%0A") == 403
        assert lab.get("api/contents") == 403
        assert "s3cret" not in lab.read_log()
        assert "token=" not in lab.read_log()


@pytest.mark.parametrize("option", ["--IdentityProvider.token=mine", "--ServerApp.token=mine"])
def test_the_users_option_wins_over_the_environment(tmp_path: Path, option: str) -> None:
    with Lab(tmp_path, (option,), {"JUPYTER_TOKEN": "from-the-variable"}) as lab:
        assert lab.get("api/contents", token="mine") == 200
        assert lab.get("api/contents", token="from-the-variable") == 403
