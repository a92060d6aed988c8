"""One image, every way a laptop, a cluster or a hub starts it: in each, torch computes in a home with the course."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import Container, docker
from smoke_tests.jupyter import Jupyter

TMPFS = "--tmpfs=/tmp"
HOME_TMPFS = "--tmpfs=/home/jovyan:mode=0775,uid=1000,gid=0"
HARDENED = ("--cap-drop=ALL", "--security-opt=no-new-privileges")

WAYS_OF_SERVERS: dict[str, tuple[str, ...]] = {
    "unknown user and group": ("--user=123456:234567",),
    "root without capabilities": ("--user=0", *HARDENED),
    "read-only root": ("--read-only", TMPFS, HOME_TMPFS),
    "everything at once": (
        *("--user=54321:0", "--read-only", *HARDENED, "--pids-limit=256", "--memory=2g"),
        *("--tmpfs=/tmp:noexec", "--tmpfs=/home/jovyan:mode=0775,uid=1000,gid=0"),
    ),
    "proxies": tuple(
        f"--env={name}=http://127.0.0.1:9"
        for lower in ("http_proxy", "https_proxy", "all_proxy")
        for name in (lower, lower.upper())
    ),
    "no network": ("--network=none",),
    "the semester before in the environment": ("--env=PYTHONPATH=/nowhere", "--env=JUPYTER_CONFIG_DIR=/nowhere"),
}
"""Those that a server may mind; the plain one is in test_nothing_is_written_outside_home_and_tmp."""

WAYS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "unknown user, group 0": (("--user=123456:0",), "/home/jovyan"),
    "root": (("--user=0",), "/home/jovyan"),
    "no rights to gain": (HARDENED, "/home/jovyan"),
    "read-only root and home": (("--read-only", TMPFS), "/tmp/home-1000"),
    "HOME empty": (("--env=HOME=",), None),
    "HOME is /": (("--env=HOME=/",), "/tmp/home-1000"),
    "HOME missing": (("--env=HOME=/nowhere/at/all",), "/tmp/home-1000"),
    "HOME of somebody else": (("--env=HOME=/root", "--user=123456:234567"), "/tmp/home-123456"),
    "a scratch folder": (("--env=HOME=/", "--env=SCRATCH_HOME=/scratch", "--tmpfs=/scratch:mode=1777"), "/scratch"),
}
"""Those that differ in who runs the command and where its home is: a server gets what the start commands make of both.

None for the home: some runtimes look it up in passwd.
"""

CELL = """
import getpass, os, torch
from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir
from pathlib import Path
home = Path.home()
for folder in map(Path, (home, jupyter_data_dir(), jupyter_runtime_dir())):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "written").touch()
    (folder / "written").unlink()
print(getpass.getuser(), home, (home / "ee559/index.md").is_file(), int(torch.arange(7).sum()))
"""


def read_answer(text: str) -> tuple[str, str]:
    """Return the user's name and HOME, of what CELL printed last."""
    user, home, course, total = text.splitlines()[-1].split()
    assert (course, total) == ("True", "21"), "the course is in every home"
    return user, home


def compute(container: Container) -> tuple[str, str]:
    """Run CELL on a kernel."""
    with Jupyter(container.url, container.token).start_kernel() as kernel:
        outcome = kernel.execute(CELL)
    assert outcome.status == "ok", outcome.error
    return read_answer(outcome.text)


def compute_without_server(run_container: RunContainer, options: Sequence[str]) -> tuple[str, str]:
    """Run CELL by the start commands, in the environment that they would leave to a server and its kernels."""
    container = run_container(*options, command=["python", "-c", CELL], ready=False)
    assert container.wait_ended() == 0, container.logs()
    return read_answer(container.stdout)


@pytest.mark.parametrize("way", WAYS_OF_SERVERS)
def test_jupyter_answers_and_a_kernel_computes(run_container: RunContainer, way: str) -> None:
    container = run_container(*WAYS_OF_SERVERS[way])
    if way == "no network":  # not even a published port
        code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8888/api/status?token={container.token}').status)"
        assert container.exec(["python", "-c", code]).stdout.strip() == "200"
        return
    assert container.get("/api/status").status_code == 200
    assert container.get("/lab").status_code == 200
    # A root start becomes the user, unless it may not.
    assert compute(container)[0] == ("root" if way == "root without capabilities" else "jovyan")


@pytest.mark.parametrize("way", WAYS)
def test_start_commands_find_user_and_home(run_container: RunContainer, way: str) -> None:
    options, wanted = WAYS[way]
    user, home = compute_without_server(run_container, options)
    assert user == "jovyan" and wanted in (home, None)


def test_nothing_is_written_outside_home_and_tmp(run_container: RunContainer) -> None:
    container = run_container()
    assert container.get("/api/status").status_code == 200
    assert container.get("/lab").status_code == 200
    assert compute(container) == ("jovyan", "/home/jovyan")
    container.stop()
    changed = {line.split(" ", 1)[1] for line in docker("diff", container.id).stdout.splitlines()}
    assert any(path.startswith("/home/jovyan/") for path in changed)
    outside = {path for path in changed if not path.startswith(("/home/jovyan/", "/tmp/"))}
    assert outside <= {"/home", "/home/jovyan", "/tmp"}


def test_message_names_the_place_and_the_cure(run_container: RunContainer) -> None:
    container = run_container("--user=123456:234567", command=["true"], ready=False)
    assert container.wait_ended() == 0, container.logs()
    (line,) = [line for line in container.stderr.splitlines() if "cannot be written" in line]
    assert "/tmp/home-123456" in line and "-u 123456:0" in line


def test_a_first_process_of_the_runtimes_own_is_no_complaint(run_container: RunContainer) -> None:
    """Apptainer, `--init` and pods that share their processes have one, which reaps orphans in tini's place."""
    container = run_container("--init", command=["true"], ready=False)
    assert container.wait_ended() == 0, container.logs()
    assert "tini" not in container.logs().lower()


def test_unknown_user_has_a_name(run_container: RunContainer) -> None:
    """ssh and git over ssh refuse a user id that passwd does not know."""
    command = ["bash", "-c", "whoami; ssh -G example.org | sed -n 's/^user //p'; getent passwd $(id -u) | cut -d: -f6"]
    container = run_container("--user=123456:0", command=command, ready=False)
    assert container.wait_ended() == 0
    assert container.stdout.splitlines() == ["jovyan", "jovyan", "/home/jovyan"]


# ---- homes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[int, int, int], Path]:
    """Return an empty folder of this machine with an owner and a mode, for mounting."""

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
    options = [f"--volume={home}:/home/jovyan", *([f"--user={user}"] if user else [])]
    assert compute_without_server(run_container, options)[1] == "/home/jovyan"
    assert (home / "ee559/index.md").is_file(), "the course comes into a home that hides the image's"


@pytest.mark.skipif(os.geteuid() != 0, reason="folders of other owners need root")
def test_home_that_belongs_to_somebody_else(
    run_container: RunContainer, folder: Callable[[int, int, int], Path]
) -> None:
    home = folder(0, 0, 0o755)
    assert compute_without_server(run_container, [f"--volume={home}:/home/jovyan"])[1] == "/tmp/home-1000"
    assert not list(home.iterdir()) and home.stat().st_uid == 0, "never change what a host's folder belongs to"


# ---- the entry point bypassed --------------------------------------------------------------------------------------

LAB = ["lab", "--no-browser"]


def test_entry_point_bypassed(run_container: RunContainer) -> None:
    """As pyxis, `apptainer exec` and Kubernetes' `command` do."""
    container = run_container("--entrypoint=jupyter", "--user=123456:234567", command=LAB)
    assert container.get("/api/status").status_code == 200
    assert compute(container)[1] == "/tmp/home-123456"


@pytest.mark.parametrize("user", ["1000", "123456:0"])
def test_python_finds_a_home_without_the_entry_point(run_container: RunContainer, user: str) -> None:
    code = "from pathlib import Path; (Path.home() / 'written').touch(); print(Path.home())"
    container = run_container("--entrypoint=python", f"--user={user}", command=["-c", code], ready=False)
    assert container.wait_ended() == 0, container.logs()
    assert container.stdout == "/home/jovyan\n"


@pytest.mark.parametrize("user", ["1000", "123456:234567"])
def test_login_shell_finds_the_courses_python(run_container: RunContainer, user: str) -> None:
    """enroot starts one, and /etc/profile overwrites PATH."""
    command = ["-lc", 'command -v python; command -v pip; echo "$HOME"; cd; pwd; touch here']
    container = run_container("--entrypoint=bash", f"--user={user}", command=command, ready=False)
    assert container.wait_ended() == 0, container.logs()
    home = "/home/jovyan" if user == "1000" else "/tmp/home-123456"
    assert container.stdout.splitlines() == ["/opt/venv/bin/python", "/opt/venv/bin/pip", home, home]


def test_exec_finds_the_courses_python(server: Container) -> None:
    for user in ("1000", "0", "123456:234567"):
        told = server.exec(["python", "-c", "import sys; print(sys.executable)"], user=user).stdout
        assert told.strip() == "/opt/venv/bin/python"


def test_any_command_runs(run_container: RunContainer) -> None:
    container = run_container(command=["python", "-c", "print(6 * 7)"], ready=False)
    assert container.wait_ended() == 0
    assert container.stdout == "42\n"


# ---- addresses and tokens ------------------------------------------------------------------------------------------


def test_token_from_a_file(run_container: RunContainer, tmp_path: Path) -> None:
    """With a line break at its end, as editors leave one; without, it is in test_kubernetes.py."""
    secret = tmp_path / "token"
    secret.write_text("secret-of-a-file\n")
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
    assert container.wait_ended() != 0
    assert re.search(r"/secret.*(empty|no such|missing|blank)", container.logs(), re.IGNORECASE), container.logs()


def test_address_and_empty_token(run_container: RunContainer) -> None:
    """An empty token leaves authentication on; base URL, port and certificate are in the address that the log tells."""
    container = run_container(
        *("--env=JUPYTER_TOKEN=", "--env=GEN_CERT=yes", "--env=JUPYTER_PORT=9999", "--publish=127.0.0.1::9999"),
        command=["start-notebook.py", "--ServerApp.base_url=/some/base/"],
    )
    assert container.address.group("scheme", "port", "base") == ("https", "9999", "/some/base")
    assert container.get("/api/status", "").status_code == 403
    assert container.get("/api/status").status_code == 200
    container.wait_healthy()


def test_base_url_from_the_environment(run_container: RunContainer) -> None:
    container = run_container("--env=NB_PREFIX=/some/base")
    assert container.address["base"] == "/some/base"
    assert container.get("/api/status").status_code == 200
    container.wait_healthy()
