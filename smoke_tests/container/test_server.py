"""The server of a container: who may enter, what survives, how it ends."""

from __future__ import annotations

import ast
import random
import time
from pathlib import Path

import httpx
import pytest

from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import ADDRESS, Container, docker, wait_until
from smoke_tests.jupyter import Jupyter, judge_answers_without_credential
from smoke_tests.saver import Saver, judge_saved, wait_for_saves

ATTEMPTS = 4  # kills of the server in the middle of saves
STOP_SECONDS = 3.0
HEALTHY_SECONDS = 20.0

# ---- who may enter -------------------------------------------------------------------------------------------------


def test_what_answers_without_a_credential(server: Container) -> None:
    judge_answers_without_credential(lambda path: server.get(path, ""))


@pytest.mark.parametrize("token", ["None", "0" * 48, "jovyan"])
def test_wrong_token_is_refused(server: Container, token: str) -> None:
    assert server.get("/api/contents", token).status_code == 403
    assert server.get(f"/api/contents?token={token}", "").status_code == 403


def test_address_of_the_log_opens_jupyterlab(server: Container) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60, follow_redirects=True) as browser:
        page = browser.get("/lab", params={"token": server.token})
        assert page.status_code == 200 and "jupyter-config-data" in page.text
        cookie = page.headers.get("set-cookie", "") or page.history[0].headers.get("set-cookie", "")
        assert "samesite=strict" in cookie.lower(), f"another site could use the login: {cookie}"


def test_log_ends_with_one_address_and_the_gpu(run_container: RunContainer) -> None:
    server = run_container()
    lines = server.logs().splitlines()
    addresses = [line for line in lines if ADDRESS.search(line)]
    assert len(addresses) == 1 and addresses[0] in lines[-4:], "\n".join(lines)
    assert len(server.token) == 48, "192 bits"
    assert any("gpu" in line.lower() for line in lines[-6:]), "\n".join(lines)
    assert not [line for line in lines if "file://" in line]


def test_every_container_has_a_token_of_its_own(server: Container, run_container: RunContainer) -> None:
    assert run_container().token != server.token


@pytest.mark.parametrize(
    "host, status", [("localhost:8888", 200), ("127.0.0.1:8888", 200), ("evil.example", 403), ("10.1.2.3:8888", 403)]
)
def test_host_header_must_be_known(server: Container, host: str, status: int) -> None:
    assert server.get("/api/contents", Host=host).status_code == status


def test_host_names_can_be_added(run_container: RunContainer) -> None:
    container = run_container("--env=COURSE_HOSTS=gpu7.cluster.example,other.example", "--hostname=node")
    for host, status in (("gpu7.cluster.example:8888", 200), ("node:8888", 200), ("evil.example", 403)):
        assert container.get("/api/contents", Host=host).status_code == status, host


def test_kubernetes_probes_by_the_pods_address(run_container: RunContainer) -> None:
    container = run_container("--env=KUBERNETES_SERVICE_HOST=10.0.0.1")
    assert container.get("/api", "", Host="10.1.2.3:8888").status_code == 200
    assert container.get("/api/contents", "", Host="10.1.2.3:8888").status_code == 403


def test_kernels_listen_on_no_port_of_the_network(server: Container) -> None:
    """Sockets in a private folder instead: other users of a cluster's node cannot reach them."""
    with Jupyter(server.url, server.token).start_kernel() as kernel:
        assert kernel.execute("1", timeout=60).status == "ok"
        code = (
            "rows = [line.split() for name in ('tcp', 'tcp6') for line in open(f'/proc/net/{name}').readlines()[1:]]\n"
            "print(sorted({row[1] for row in rows if row[3] == '0A'}))"
        )
        listeners = ast.literal_eval(server.exec(["python", "-c", code]).stdout)
        # The debugger's own, on 127.0.0.1 as /proc writes it, is the one that is left of a kernel's six.
        assert [place for place in listeners if not place.startswith("0100007F:")] == [f"00000000:{8888:04X}"]
        assert len(listeners) <= 2
    folder = server.host.file("/tmp/jupyter-1000")
    assert (folder.mode & 0o777, folder.user) == (0o700, "jovyan")


# ---- processes -----------------------------------------------------------------------------------------------------


def test_tini_is_first_and_the_server_its_child(server: Container) -> None:
    lines = server.exec("ps -eo pid=,ppid=,args= | sort -n").stdout.splitlines()
    processes = {int(pid): (int(parent), args) for pid, parent, args in (line.split(None, 2) for line in lines)}
    assert processes[1][1].startswith("/usr/bin/tini")
    servers = [args for parent, args in processes.values() if parent == 1]
    assert len(servers) == 1 and "jupyter-lab" in servers[0], processes


def test_server_itself_never_loads_torch(server: Container) -> None:
    """It would cost seconds at every start, and memory as long as the server runs."""
    assert server.host.process.filter(comm="jupyter-lab")
    mapped = "cat /proc/$(pgrep -f [j]upyter-lab)/maps"
    libraries = server.exec(mapped).stdout
    assert "libpython" in libraries or "python3" in libraries
    assert "torch" not in libraries and "libcuda" not in libraries


@pytest.mark.parametrize("kernel", ["none", "idle", "busy"])
def test_stop_is_quick_and_clean(run_container: RunContainer, kernel: str) -> None:
    """One of three stops must be quick: what else the machine does makes some slow."""
    assert any(stop(run_container(), kernel) <= STOP_SECONDS for _ in range(3))


def stop(container: Container, kernel: str) -> float:
    """Seconds that a container with a server and this kernel takes to stop, in good order."""
    if kernel != "none":
        with Jupyter(container.url, container.token).start_kernel() as running:
            assert running.execute("import signal, time, torch", timeout=60).status == "ok"
            if kernel == "busy":
                running.send("while True: pass")
                wait_until(lambda: running.state == "busy", 60, "a busy kernel")
            seconds, code = container.stop()
    else:
        seconds, code = container.stop()
    print(f"{seconds:.1f} s")
    assert code in (0, 143)
    log = container.logs()
    assert kernel == "none" or "hutting down 1 kernel" in log or "ernel shutdown" in log, log
    return seconds


def test_no_kernel_outlives_the_server(run_container: RunContainer) -> None:
    container = run_container("--env=RESTARTABLE=yes")
    with Jupyter(container.url, container.token).start_kernel() as kernel:
        assert kernel.execute("1", timeout=60).status == "ok"
        assert container.exec("pgrep -fc [i]pykernel_launcher").stdout.strip() == "1"
        container.exec("pkill -9 -f [j]upyter-lab")
        gone = "! pgrep -f [i]pykernel_launcher"
        wait_until(lambda: container.exec(gone, check=False).returncode == 0, 60, "the end of the orphan")


def test_start_is_within_the_promise(run_container: RunContainer) -> None:
    """Of the start path alone, what it does before Jupyter; bench.py measures the whole."""
    container = run_container(command=["sleep", "infinity"], ready=False)
    timed = "TIMEFORMAT=%R; time /usr/local/bin/start.sh true"
    container.exec(timed)  # the course came with the container's own start; this one finds it there
    seconds = min(float(container.exec(timed).stderr.split()[-1]) for _ in range(3))
    assert seconds < 1.0, "0.3 s on an idle machine"


def test_healthy_soon(run_container: RunContainer) -> None:
    begun = time.monotonic()
    container = run_container()
    container.wait_healthy()
    assert time.monotonic() - begun < HEALTHY_SECONDS


# ---- saves ---------------------------------------------------------------------------------------------------------


def test_no_acknowledged_save_is_lost_when_the_server_is_killed(run_container: RunContainer, tmp_path: Path) -> None:
    container = run_container("--env=RESTARTABLE=yes", "--env=JUPYTER_TOKEN=secret-of-the-test")
    saver = Saver(Jupyter(container.url, "secret-of-the-test"), "smoke-saves.ipynb")
    saver.start()
    phase = random.Random(559)
    try:
        for _ in range(ATTEMPTS):
            wait_for_saves(saver, 2, 60)
            time.sleep(phase.uniform(0, 0.2))  # another moment of the save each time
            safe = saver.acknowledged
            container.exec("pkill -9 -f [j]upyter-lab")
            docker("cp", f"{container.id}:/home/jovyan/smoke-saves.ipynb", str(tmp_path))
            judge_saved((tmp_path / "smoke-saves.ipynb").read_text(), safe, saver.attempted)
        wait_for_saves(saver, 1, 60)
    finally:
        saver.stopped.set()
        saver.join(60)
