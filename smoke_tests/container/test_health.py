"""What docker is told of a container's health: right in every way to start it, cheap, and never too early."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import Container, inspect, started, wait_until

MOST_MILLISECONDS = 50
PROXIES = tuple(
    f"--env={name}=http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY")
)


def ask(container: Container) -> tuple[int, str]:
    """Exit status and line of the check, run as docker runs it."""
    done = container.exec(["course-health"], check=False)
    return done.returncode, done.stdout.strip()


@pytest.fixture(scope="module")
def watched(cpu_image: str) -> Iterator[Container]:
    """JupyterLab, asked for its health each second."""
    with started(cpu_image, "--health-interval=1s", "--health-retries=2") as container:
        container.wait_ready()
        container.wait_healthy()
        yield container


def test_check_costs_little(watched: Container) -> None:
    """In wall time, the quickest of many: less than a Python start that imports something."""
    lap = "begun=$(date +%s%N); course-health || exit; echo $((($(date +%s%N) - begun) / 1000))"
    laps = watched.exec(f"for lap in {{1..20}}; do {lap}; done").stdout.split()
    assert len(laps) == 20 and min(map(int, laps)) / 1000 < MOST_MILLISECONDS


def test_server_that_hangs_is_unhealthy_until_it_goes_on(watched: Container) -> None:
    watched.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    wait_until(lambda: watched.health() == "unhealthy", 30, "unhealthy")
    last = inspect(watched.id)["State"]["Health"]["Log"][-1]
    assert (last["ExitCode"], last["Output"].strip()) == (1, "http://127.0.0.1:8888/api: no answer within 3 s")
    watched.exec("kill -CONT $(pgrep --full jupyter-la[b])")
    watched.wait_healthy()


def test_records_of_ended_servers_count_for_nothing(watched: Container) -> None:
    """A killed server leaves its record; so does one that was stopped with the container."""
    watched.exec("cd /tmp/jupyter-1000 && sed 's/8888/1/' jpserver-*.json >jpserver-4194304.json")
    assert ask(watched) == (0, "")
    watched.exec("rm /tmp/jupyter-1000/jpserver-4194304.json")


def test_renamed_user_of_a_root_start_on_another_address(run_container: RunContainer, tmp_path: Path) -> None:
    """docker asks as root there, in the environment that the container was created with."""
    (tmp_path / ".curlrc").write_text("proxy = 127.0.0.1:9\nfail-early\n")
    container = run_container(
        *(
            "--user=root",
            "--env=NB_USER=callisto",
            "--env=NB_UID=1234",
            f"--volume={tmp_path}:/home/jovyan:ro",
            *PROXIES,
        ),
        *("--env=GEN_CERT=yes", "--env=JUPYTER_PORT=9999", "--publish=127.0.0.1::9999"),
        command=["start-notebook.py", "--ServerApp.base_url=/one/two%20words/"],
    )
    container.wait_healthy()
    container.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    assert ask(container) == (1, "https://127.0.0.1:9999/one/two%20words/api: no answer within 3 s")


def test_unknown_user_with_a_runtime_folder_elsewhere(run_container: RunContainer) -> None:
    container = run_container("--user=123456:0", "--env=JUPYTER_RUNTIME_DIR=/tmp/else where", *PROXIES)
    container.wait_healthy()
    container.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    assert ask(container)[0] == 1


def test_not_healthy_before_the_server_answers(run_container: RunContainer, tmp_path: Path) -> None:
    hook = tmp_path / "wait.sh"
    hook.write_text("until [[ -e /tmp/go ]]; do sleep 0.1; done\n")
    container = run_container(f"--volume={hook}:/usr/local/bin/start-notebook.d/wait.sh:ro", ready=False)
    assert ask(container) == (1, "no Jupyter server is running yet")
    container.exec("touch /tmp/go")
    container.wait_healthy()


@pytest.mark.parametrize("command", [["sleep", "infinity"], ["python", "-c", "import time; time.sleep(600)"]])
def test_command_that_is_no_server_is_healthy(run_container: RunContainer, command: list[str]) -> None:
    run_container("--health-interval=1s", command=command, ready=False).wait_healthy(timeout=20)


def test_server_started_by_hand_is_watched(run_container: RunContainer) -> None:
    container = run_container(command=["sleep", "infinity"], ready=False)
    container.exec("nohup jupyter lab --port=7777 >/dev/null 2>&1 &")
    wait_until(lambda: container.exec("curl -s 127.0.0.1:7777/api", check=False).returncode == 0, 60, "a server")
    assert ask(container) == (0, "")
    container.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    assert ask(container) == (1, "http://127.0.0.1:7777/api: no answer within 3 s")
