"""The server of a container: who may enter, what survives, how it ends."""

from __future__ import annotations

import ast
import random
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import ADDRESS, Container, docker, started
from smoke_tests.jupyter import Jupyter, judge_answers_without_credential
from smoke_tests.saver import Saver, judge_saved, wait_for_saves
from smoke_tests.waiting import PATIENCE

ATTEMPTS = 4  # kills of the server in the middle of saves
STOP_SECONDS = 3.0
"""What a server with kernels may take to stop, by the processor time of a busy process beside it."""

CLOCK = """
import time
with open("/tmp/clock", "w") as file:
    while True:
        file.seek(0)
        file.write(f"{time.process_time():.3f}")
        file.flush()
"""
"""A process that is always busy and writes how long. A busy machine slows it as much as it slows the server."""

# ---- who may enter -------------------------------------------------------------------------------------------------


def test_what_answers_without_a_credential(server: Container) -> None:
    judge_answers_without_credential(lambda path: server.get(path, ""))


@pytest.mark.parametrize("token", ["None", "0" * 48, "jovyan"])
def test_wrong_token_is_refused(server: Container, token: str) -> None:
    assert server.get("/api/contents", token).status_code == 403
    assert server.get(f"/api/contents?token={token}", "").status_code == 403


def test_address_of_the_log_opens_jupyterlab(server: Container) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE, follow_redirects=True) as browser:
        page = browser.get("/lab", params={"token": server.token})
        assert page.status_code == 200 and "jupyter-config-data" in page.text
        cookie = page.headers.get("set-cookie", "") or page.history[0].headers.get("set-cookie", "")
        assert "samesite=strict" in cookie.lower(), f"another site could use the login: {cookie}"


@pytest.fixture(scope="module")
def named(cpu_image: str) -> Iterator[Container]:
    """Return a server with names of its own."""
    options = ("--env=COURSE_HOSTS=gpu7.cluster.example,other.example", "--hostname=node")
    with started(cpu_image, *options) as container:
        container.wait_ready()
        yield container


def test_log_ends_with_one_address_and_the_gpu(named: Container) -> None:
    """Asked first: every request that is refused is one more line."""
    lines = named.logs().splitlines()
    addresses = [line for line in lines if ADDRESS.search(line)]
    assert len(addresses) == 1 and addresses[0] in lines[-4:], "\n".join(lines)
    assert len(named.token) == 48, "192 bits"
    assert any("gpu" in line.lower() for line in lines[-6:]), "\n".join(lines)
    assert not [line for line in lines if "file://" in line]


def test_every_container_has_a_token_of_its_own(server: Container, named: Container) -> None:
    assert named.token != server.token


@pytest.mark.parametrize(
    "host, status", [("localhost:8888", 200), ("127.0.0.1:8888", 200), ("evil.example", 403), ("10.1.2.3:8888", 403)]
)
def test_host_header_must_be_known(server: Container, host: str, status: int) -> None:
    assert server.get("/api/contents", Host=host).status_code == status


def test_host_names_can_be_added(named: Container) -> None:
    for host, status in (("gpu7.cluster.example:8888", 200), ("node:8888", 200), ("evil.example", 403)):
        assert named.get("/api/contents", Host=host).status_code == status, host


def test_kernels_listen_on_no_port_of_the_network(server: Container) -> None:
    """Sockets in a private folder instead: other users of a cluster's node cannot reach them."""
    with Jupyter(server.url, server.token).start_kernel() as kernel:
        assert kernel.execute("1").status == "ok"
        code = (
            "rows = [line.split() for name in ('tcp', 'tcp6') for line in open(f'/proc/net/{name}').readlines()[1:]]\n"
            "print(sorted({row[1] for row in rows if row[3] == '0A'}))"
        )
        listeners = ast.literal_eval(server.exec(["python", "-c", code]).stdout)
        # The debugger's own, on 127.0.0.1 as /proc writes it, is the one that is left of a kernel's six.
        others = [place for place in listeners if not place.startswith("0100007F:")]
        assert {*others} == {f"00000000:{8888:04X}", f"{0:032X}:{8888:04X}"}, "one of IPv4, one of IPv6"
        assert len(listeners) <= 3
    folder = server.host.file("/tmp/jupyter-1000")
    assert (folder.mode & 0o777, folder.user) == (0o700, "jovyan")


# ---- processes -----------------------------------------------------------------------------------------------------


def test_tini_is_first_and_the_server_its_child(server: Container) -> None:
    lines = server.exec("ps -eo pid=,ppid=,args= | sort -n").stdout.splitlines()
    processes = {int(pid): (int(parent), args) for pid, parent, args in (line.split(None, 2) for line in lines)}
    assert "/usr/bin/tini" in processes[1][1].split()[:2], "an emulator may stand before it"
    servers = [args for parent, args in processes.values() if parent == 1]
    assert len(servers) == 1 and "jupyter-lab" in servers[0], processes


def test_server_itself_never_loads_torch(server: Container) -> None:
    """It would cost seconds at every start, and memory as long as the server runs."""
    assert server.host.process.filter(comm="jupyter-lab")
    mapped = "cat /proc/$(pgrep -f [j]upyter-lab)/maps"
    libraries = server.exec(mapped).stdout
    assert "libpython" in libraries or "python3" in libraries
    assert "torch" not in libraries and "libcuda" not in libraries


def test_server_loads_the_proxy_only_when_it_is_asked_for(server: Container) -> None:
    """Its import costs a fifth of a start. Jupyter's log lists whatever is loaded, in whichever way it was named."""
    log = server.stderr
    assert "course_runtime.start.proxy | extension was successfully loaded" in log
    assert "jupyter_server_proxy" not in log


def test_stop_is_quick_and_clean(run_container: RunContainer, tmp_path: Path) -> None:
    """With an idle kernel and a busy one; without any, it is in test_start.py."""
    container = run_container()
    jupyter = Jupyter(container.url, container.token)
    with jupyter.start_kernel() as idle, jupyter.start_kernel() as busy:
        assert idle.execute("import signal, time, torch").status == "ok"
        busy.send("while True: pass")
        container.wait_until(lambda: busy.state == "busy", "a busy kernel")
        container.exec(f"nohup python -c '{CLOCK}' >/dev/null 2>&1 &")
        container.wait_until(lambda: container.exec("test -s /tmp/clock", check=False).returncode == 0, "the clock")
        begun = float(container.exec("cat /tmp/clock").stdout)
        _, status = container.stop()
    docker("cp", f"{container.id}:/tmp/clock", str(tmp_path))
    seconds = float((tmp_path / "clock").read_text()) - begun
    print(f"{seconds:.1f} s")
    assert 0 < seconds <= STOP_SECONDS
    assert status in (0, 143)
    assert "hutting down 2 kernels" in container.logs(), container.logs()


# ---- a server that is started again --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def started_again(cpu_image: str) -> Iterator[Container]:
    """Return a container whose server is started again when it ends: the tests kill it one after the other."""
    with started(cpu_image, "--env=RESTARTABLE=yes", "--env=JUPYTER_TOKEN=my-own-secret-token") as container:
        container.wait_ready()
        yield container


def list_kernels(container: Container) -> list[str]:
    """Return the process ids of all kernels."""
    return container.exec("pgrep -f [i]pykernel_launcher", check=False).stdout.split()


def wait_answer(container: Container) -> None:
    container.wait_until(lambda: container.exec(["course-health"], check=False).returncode == 0, "the server's answer")


def test_token_from_the_environment_is_not_in_the_log(started_again: Container) -> None:
    assert "my-own-secret-token" not in started_again.logs()
    assert started_again.get("/api/status", "").status_code == 403
    assert started_again.get("/api/status", "my-own-secret-token").status_code == 200


def test_killed_server_loses_no_acknowledged_save_and_leaves_no_kernel(
    started_again: Container, tmp_path: Path
) -> None:
    container, jupyter = started_again, Jupyter(started_again.url, "my-own-secret-token")
    saver = Saver(jupyter, "smoke-saves.ipynb")
    with jupyter.start_kernel() as kernel:
        assert kernel.execute("1").status == "ok"
        assert len(list_kernels(container)) == 1
        saver.start()
        phase = random.Random(559)
        try:
            for _ in range(ATTEMPTS):
                wait_for_saves(saver, 2)
                time.sleep(phase.uniform(0, 0.2))  # another moment of the save each time
                safe = saver.acknowledged
                container.exec("pkill -9 -f [j]upyter-lab")
                docker("cp", f"{container.id}:/home/jovyan/smoke-saves.ipynb", str(tmp_path))
                judge_saved((tmp_path / "smoke-saves.ipynb").read_text(), safe, saver.attempted)
                container.wait_until(lambda: not list_kernels(container), "the end of the kernel")
            wait_for_saves(saver, 1)
        finally:
            saver.stopped.set()
            saver.join(60)


def test_ended_server_is_started_again_until_the_container_stops(started_again: Container) -> None:
    wait_answer(started_again)
    find = "pgrep -f /opt/venv/bin/[p]ython.*jupyter-lab"
    first = started_again.exec(find).stdout.strip()
    started_again.exec(["kill", first])
    started_again.wait_until(
        lambda: started_again.exec(find, check=False).stdout.strip() not in ("", first), "another server"
    )
    wait_answer(started_again)
    assert "WARNING: the server ended with status 0 and is started again" in started_again.logs()
    assert started_again.stop()[1] in (0, 143)
