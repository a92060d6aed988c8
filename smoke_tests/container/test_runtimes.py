"""One image, every way a laptop, a cluster or a hub starts it: JupyterLab answers and a kernel computes in each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import Container, docker
from smoke_tests.jupyter import Jupyter

TMPFS = "--tmpfs=/tmp"
HOME_TMPFS = "--tmpfs=/home/jovyan:mode=0775,uid=1000,gid=0"
HARDENED = ("--cap-drop=ALL", "--security-opt=no-new-privileges")

WAYS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "unknown user, group 0": ("--user=123456:0",),
    "unknown user and group": ("--user=123456:234567",),
    "root": ("--user=0",),
    "root without capabilities": ("--user=0", *HARDENED),
    "no rights to gain": HARDENED,
    "read-only root": ("--read-only", TMPFS, HOME_TMPFS),
    "read-only root and home": ("--read-only", TMPFS),
    "everything at once": (
        *("--user=54321:0", "--read-only", *HARDENED, "--pids-limit=256", "--memory=2g"),
        *("--tmpfs=/tmp:noexec", "--tmpfs=/home/jovyan:mode=0775,uid=1000,gid=0"),
    ),
    "HOME empty": ("--env=HOME=",),
    "HOME is /": ("--env=HOME=/",),
    "HOME missing": ("--env=HOME=/nowhere/at/all",),
    "HOME of somebody else": ("--env=HOME=/root", "--user=123456:234567"),
    "a scratch folder": ("--env=HOME=/", "--env=SCRATCH_HOME=/scratch", "--tmpfs=/scratch:mode=1777"),
    "proxies": tuple(
        f"--env={name}=http://127.0.0.1:9"
        for lower in ("http_proxy", "https_proxy", "all_proxy")
        for name in (lower, lower.upper())
    ),
    "a small /dev/shm": ("--shm-size=16m",),
    "no network": ("--network=none",),
    "the semester before in the environment": ("--env=PYTHONPATH=/nowhere", "--env=JUPYTER_CONFIG_DIR=/nowhere"),
}

CELL = (
    "import getpass, os, torch; home = os.environ['HOME'];"
    "print(getpass.getuser(), home, os.path.isfile(f'{home}/ee559/index.md'), int(torch.arange(7).sum()))"
)


def compute(container: Container) -> tuple[str, str]:
    """Runs a cell; the user's name and HOME, as the kernel sees them."""
    with Jupyter(container.url, container.token).start_kernel() as kernel:
        outcome = kernel.execute(CELL, timeout=120)
    assert outcome.status == "ok", outcome.error
    user, home, course, total = outcome.text.split()
    assert (course, total) == ("True", "21"), "the course is in every home"
    return user, home


@pytest.mark.parametrize("way", WAYS)
def test_jupyter_answers_and_a_kernel_computes(run_container: RunContainer, way: str) -> None:
    container = run_container(*WAYS[way])
    if way == "no network":  # not even a published port
        code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8888/api/status?token={container.token}').status)"
        assert container.exec(["python", "-c", code]).stdout.strip() == "200"
        return
    assert container.get("/api/status").status_code == 200
    assert container.get("/lab").status_code == 200
    user, home = compute(container)
    # A root start becomes the user, unless it may not.
    assert user == ("root" if way == "root without capabilities" else "jovyan")
    written = container.exec(f"test -w {home} && echo yes", user=find_user(WAYS[way])).stdout
    assert written == "yes\n", f"HOME={home} cannot be written"


def find_user(options: tuple[str, ...]) -> str | None:
    return next((option.partition("=")[2] for option in options if option.startswith("--user=")), None)


def test_nothing_is_written_outside_home_and_tmp(run_container: RunContainer) -> None:
    container = run_container()
    compute(container)
    container.stop()
    changed = {line.split(" ", 1)[1] for line in docker("diff", container.id).stdout.splitlines()}
    assert any(path.startswith("/home/jovyan/") for path in changed)
    outside = {path for path in changed if not path.startswith(("/home/jovyan/", "/tmp/"))}
    assert outside <= {"/home", "/home/jovyan", "/tmp"}


def test_message_names_the_place_and_the_cure(run_container: RunContainer) -> None:
    container = run_container("--user=123456:234567")
    (line,) = [line for line in container.logs().splitlines() if "cannot be written" in line]
    assert "/tmp/home-123456" in line and "-u 123456:0" in line


def test_unknown_user_has_a_name(run_container: RunContainer) -> None:
    """ssh and git over ssh refuse a user id that passwd does not know."""
    command = ["bash", "-c", "whoami; ssh -G example.org | sed -n 's/^user //p'; getent passwd $(id -u) | cut -d: -f6"]
    container = run_container("--user=123456:0", command=command, ready=False)
    assert container.wait_ended() == 0
    assert container.logs().splitlines()[-3:] == ["jovyan", "jovyan", "/home/jovyan"]


# ---- homes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[int, int, int], Path]:
    """An empty folder of this machine with an owner and a mode, for mounting."""

    def make(uid: int, gid: int, mode: int) -> Path:
        home = tmp_path / "home"
        home.mkdir()
        home.chmod(mode)
        os.chown(home, uid, gid)
        tmp_path.chmod(0o755)
        return home

    return make


@pytest.mark.skipif(os.geteuid() != 0, reason="folders of other owners need root")
@pytest.mark.parametrize("owner, user", [((1000, 100), None), ((4711, 4711), "4711:4711"), ((0, 0), "4711:0")])
def test_empty_home_of_the_cluster(
    run_container: RunContainer, folder: Callable[[int, int, int], Path], owner: tuple[int, int], user: str | None
) -> None:
    home = folder(*owner, 0o770)
    container = run_container(f"--volume={home}:/home/jovyan", *([f"--user={user}"] if user else []))
    assert compute(container)[1] == "/home/jovyan"
    assert (home / "ee559/index.md").is_file(), "the course comes into a home that hides the image's"


@pytest.mark.skipif(os.geteuid() != 0, reason="folders of other owners need root")
def test_home_that_belongs_to_somebody_else(
    run_container: RunContainer, folder: Callable[[int, int, int], Path]
) -> None:
    home = folder(0, 0, 0o755)
    container = run_container(f"--volume={home}:/home/jovyan")
    assert compute(container)[1] == "/tmp/home-1000"
    assert not list(home.iterdir()) and home.stat().st_uid == 0, "never change what a host's folder belongs to"


# ---- the entry point bypassed --------------------------------------------------------------------------------------

LAB = ["lab", "--no-browser"]


@pytest.mark.parametrize("user", ["1000", "123456:0", "123456:234567"])
def test_entry_point_bypassed(run_container: RunContainer, user: str) -> None:
    """As pyxis, `apptainer exec` and Kubernetes' `command` do."""
    container = run_container("--entrypoint=jupyter", f"--user={user}", command=LAB)
    assert container.get("/api/status").status_code == 200
    home = compute(container)[1]
    assert home == ("/tmp/home-123456" if user == "123456:234567" else "/home/jovyan")


@pytest.mark.parametrize("user", ["1000", "123456:234567"])
def test_login_shell_finds_the_courses_python(run_container: RunContainer, user: str) -> None:
    """enroot starts one, and /etc/profile overwrites PATH."""
    command = ["-lc", 'command -v python; command -v pip; echo "$HOME"; cd; pwd; touch here']
    container = run_container("--entrypoint=bash", f"--user={user}", command=command, ready=False)
    assert container.wait_ended() == 0, container.logs()
    home = "/home/jovyan" if user == "1000" else "/tmp/home-123456"
    assert container.logs().splitlines()[-4:] == ["/opt/venv/bin/python", "/opt/venv/bin/pip", home, home]


def test_exec_finds_the_courses_python(server: Container) -> None:
    for user in ("1000", "0", "123456:234567"):
        told = server.exec(["python", "-c", "import sys; print(sys.executable)"], user=user).stdout
        assert told.strip() == "/opt/venv/bin/python"


def test_any_command_runs(run_container: RunContainer) -> None:
    container = run_container(command=["python", "-c", "print(6 * 7)"], ready=False)
    assert container.wait_ended() == 0
    assert container.logs().splitlines()[-1] == "42"


# ---- addresses and tokens ------------------------------------------------------------------------------------------


def test_token_from_the_environment_is_not_in_the_log(run_container: RunContainer) -> None:
    container = run_container("--env=JUPYTER_TOKEN=my-own-secret-token")
    assert "my-own-secret-token" not in container.logs()
    assert container.get("/api/status", "").status_code == 403
    assert container.get("/api/status", "my-own-secret-token").status_code == 200


@pytest.mark.parametrize("end", ["", "\n"])
def test_token_from_a_file(run_container: RunContainer, tmp_path: Path, end: str) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"secret-of-a-file{end}")
    container = run_container(f"--volume={secret}:/run/secrets/token:ro", "--env=JUPYTER_TOKEN_FILE=/run/secrets/token")
    assert "secret-of-a-file" not in container.logs()
    assert container.get("/api/status", "").status_code == 403
    assert container.get("/api/status", "secret-of-a-file").status_code == 200


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_token_file_that_holds_none_keeps_the_server_from_starting(
    run_container: RunContainer, tmp_path: Path, content: str | None
) -> None:
    """Jupyter itself would switch authentication off."""
    secret = tmp_path / "token"
    if content is not None:
        secret.write_text(content)
    volume = [f"--volume={secret}:/secret:ro"] if content is not None else []
    container = run_container(*volume, "--env=JUPYTER_TOKEN_FILE=/secret", ready=False)
    assert container.wait_ended(60) != 0
    assert re.search(r"/secret.*(empty|no such|missing|blank)", container.logs(), re.IGNORECASE), container.logs()


def test_empty_token_leaves_authentication_on(run_container: RunContainer) -> None:
    container = run_container("--env=JUPYTER_TOKEN=")
    assert container.get("/api/status", "").status_code == 403
    assert container.get("/api/status").status_code == 200


@pytest.mark.parametrize(
    "options, command",
    [
        ((), ["start-notebook.py", "--ServerApp.base_url=/some/base/"]),
        (("--env=NB_PREFIX=/some/base",), []),
    ],
)
def test_base_url(run_container: RunContainer, options: tuple[str, ...], command: list[str]) -> None:
    container = run_container(*options, command=command)
    assert container.address["base"] == "/some/base"
    assert container.get("/api/status").status_code == 200
    container.wait_healthy()


def test_another_port(run_container: RunContainer) -> None:
    container = run_container("--env=JUPYTER_PORT=9999", "--publish=127.0.0.1::9999")
    assert container.address["port"] == "9999"
    assert container.get("/api/status").status_code == 200
    container.wait_healthy()


def test_certificate_on_request(run_container: RunContainer) -> None:
    container = run_container("--env=GEN_CERT=yes")
    assert container.address["scheme"] == "https"
    assert container.get("/api/status").status_code == 200
    container.wait_healthy()
