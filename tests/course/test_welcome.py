"""The last lines of a container's log."""

import asyncio
import logging
import secrets
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: its log is not tested here")

from content_releases import Product, serve
from course_runtime.start import welcome
from fake_machine import Fixture, make_machine, run_python
from lab_server import Lab
from waiting import wait_until


def check(monkeypatch: pytest.MonkeyPatch, code: str) -> list[tuple[int, str]]:
    """What the log would say of a GPU check that runs `code`."""
    monkeypatch.setattr(welcome, "CHECK", (sys.executable, "-c", code))
    return asyncio.run(welcome.look_for_gpu())


def test_the_log_ends_with_one_address_that_works(tmp_path: Path) -> None:
    with Lab(tmp_path) as lab:
        lines = lab.read_log().splitlines()
        url = urlsplit(lines[-1].strip())
        assert (url.scheme, url.netloc, url.path) == ("http", f"127.0.0.1:{lab.port}", "/lab")
        assert lab.get("api/contents", token=parse_qs(url.query)["token"][0]) == 200
        assert lab.read_log().count("token=") == 1
        assert lab.read_log().count("http://") == 1
        assert "file://" not in lab.read_log()
        assert f"docker run -p 127.0.0.1:{lab.port}:{lab.port}" in lines[-2]
        assert lines[-3].endswith("gpu: a test")
        assert not [*lab.runtime.glob("*.html")], "a page that holds the token"


def test_a_content_release_comes_once_the_server_answers(tmp_path: Path) -> None:
    with serve() as web:
        product = Product(tmp_path, web)
        product.publish({"a.py": "2"}, 2)
        lab = Lab(tmp_path)
        product.describe(user="jovyan")
        with lab:
            wait_until(lambda: product.files().get("a.py") == "2", "the content release")
            wait_until(lambda: "course-sync: " in lab.read_log().partition("release 2 came")[2], "its line in the log")
            log = lab.read_log()
            assert log.index("JupyterLab is ready") < log.index("course-update: content release 2 came\n")


@pytest.mark.parametrize(
    ("address", "updates", "asks"),
    [("", True, False), ("https://example.org", False, False), ("https://example.org", True, True)],
)
def test_only_a_course_with_an_address_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, updates: bool, asks: bool
) -> None:
    fixture: Fixture = make_machine(tmp_path / "root", address=address, updates=updates)
    monkeypatch.setattr(welcome, "Machine", lambda: fixture.machine)
    monkeypatch.setattr(welcome, "UPDATE", ("touch", str(tmp_path / "asked")))
    asyncio.run(welcome.ask_for_content())
    assert (tmp_path / "asked").exists() == asks


def test_an_update_that_cannot_start_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = make_machine(tmp_path / "root", address="https://example.org")
    monkeypatch.setattr(welcome, "Machine", lambda: fixture.machine)
    monkeypatch.setattr(welcome, "UPDATE", ("/nowhere",))
    asyncio.run(welcome.ask_for_content())
    fixture.path("/etc/course/course.json").unlink()
    asyncio.run(welcome.ask_for_content())


def test_a_hub_shows_its_own_address(tmp_path: Path) -> None:
    with Lab(tmp_path, environ={"JUPYTERHUB_API_TOKEN": "x"}, waits_for="gpu: a test") as lab:
        assert lab.get("api") == 200
        assert "http://" not in lab.read_log()


def test_another_extension_of_the_students_does_not_take_its_place(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    (lab.home / ".jupyter").mkdir()
    (lab.home / ".jupyter/jupyter_server_config.json").write_text(
        '{"ServerApp": {"jpserver_extensions": {"x": false}}}'
    )
    with lab:
        assert lab.read_log().count("token=") == 1


def test_a_server_that_whispers_still_says_where_it_is(tmp_path: Path) -> None:
    with Lab(tmp_path, ("--ServerApp.log_level=ERROR",)) as lab:
        assert lab.read_log().count("token=") == 1
        assert "gpu:" not in lab.read_log()


def test_what_the_check_finds_is_one_line_each_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = (
        '{"checks": [{"name": "gpu", "status": "warning", "detail": "none", "cure": "buy one"},'
        '{"name": "shm", "status": "ok", "detail": "2048 MB", "cure": ""}]}'
    )
    assert check(monkeypatch, f"print('''{findings}''')") == [(logging.WARNING, "gpu: none. Cure: buy one")]
    assert check(monkeypatch, f"print('''{findings}'''.replace('ok', 'warning'))")[1] == (
        logging.WARNING,
        "shm: 2048 MB",
    )


@pytest.mark.parametrize(
    "code",
    ["", "print('no JSON')", "print('[]')", "print('{}')", "import os; os.abort()", "raise SystemExit(3)"],
)
def test_a_check_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    ((level, line),) = check(monkeypatch, code)
    assert level == logging.WARNING
    assert line.startswith("gpu: unknown, the check failed (")
    assert "\n" not in line


def test_a_check_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(welcome, "CHECK", ("/nowhere/python",))
    assert len(asyncio.run(welcome.look_for_gpu())) == 1


def list_commands() -> list[str]:
    """The command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return lines


def test_a_driver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(welcome, "DEADLINE", 0.2)
    mark = secrets.token_hex()
    ((_, line),) = check(monkeypatch, f"import signal; signal.pause()  # {mark}")
    assert "did not answer in 0.2 s" in line
    wait_until(lambda: not any(mark in command for command in list_commands()), "the end of the check that hangs")


@pytest.mark.parametrize(
    ("identity", "how", "query"),
    [
        (SimpleNamespace(token="a&b", token_is_random=True, auth_enabled=True), ":\n", "?token=a%26b"),
        (SimpleNamespace(token="x", token_is_random=False, auth_enabled=True), ", with your token:\n", ""),
        (SimpleNamespace(token="", auth_enabled=True), ", with your password:\n", ""),
        (SimpleNamespace(token="", auth_enabled=False), ":\n", ""),
    ],
)
def test_the_address_shows_a_token_that_nobody_chose(identity: SimpleNamespace, how: str, query: str) -> None:
    app = SimpleNamespace(identity_provider=identity, port=80, local_url="https://127.0.0.1:80/b/lab?token=...")
    text = welcome.describe_address(app, {})
    assert text.endswith(f"browser{how}    https://127.0.0.1:80/b/lab{query}")


def test_a_job_s_log_shows_the_tunnel_and_keeps_the_token_from_it(tmp_path: Path) -> None:
    job = {"SLURM_JOB_ID": "4711", "SLURM_SUBMIT_HOST": "login1", "SLURMD_NODENAME": "gpu7"}
    with Lab(tmp_path, environ=job, cold=True) as lab:  # a forked server ends without its last steps
        file = lab.home / ".course-token-4711"
        assert file.stat().st_mode & 0o777 == 0o600
        token, log = file.read_text().strip(), lab.read_log()
        assert token not in log and "docker" not in log
        assert f"    ssh -N -L {lab.port}:localhost:{lab.port} -J login1 gpu7\n" in log
        assert f"cat {file}" in log and log.splitlines()[-1].strip() == f"http://localhost:{lab.port}/lab"
        assert lab.get("api/contents", token=token) == 200
    assert not file.exists(), "the token outlives its server"


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        ({"SLURM_JOB_ID": "1", "SLURMD_NODENAME": "n1"}, "ssh -N -L 80:localhost:80 -J LOGIN_NODE n1"),
        (
            {"SLURM_JOB_ID": "1", "SLURMD_NODENAME": "n1", "SLURM_SUBMIT_HOST": "n1", "APPTAINER_CONTAINER": "/a"},
            "ssh -N -L 80:localhost:80 n1",
        ),
        ({"SINGULARITY_CONTAINER": "/a.sif"}, f"ssh -N -L 80:localhost:80 {socket.gethostname()}"),
    ],
)
def test_the_tunnel_leads_to_the_node(environ: dict[str, str], command: str) -> None:
    identity = SimpleNamespace(token="x", token_is_random=False, token_file=None, auth_enabled=True)
    app = SimpleNamespace(identity_provider=identity, port=80, local_url="http://10.0.0.7:80/lab?token=...")
    text = welcome.describe_address(app, environ)
    assert f"    {command}\n" in text
    assert text.endswith("browser there, with your token:\n    http://localhost:80/lab")


def test_the_server_itself_never_loads_what_the_check_needs() -> None:
    code = (
        "import sys, course_runtime.start.welcome;"
        "print([m for m in sys.modules if m in ('ctypes', 'torch') or 'nvidia' in m])"
    )
    assert run_python(code) == "[]\n"


def test_the_real_check_answers() -> None:
    """This machine is no container image, which is what it then says."""
    ((level, line), *_) = asyncio.run(welcome.look_for_gpu())
    assert line.startswith("gpu: ")
    assert level in (logging.INFO, logging.WARNING)
