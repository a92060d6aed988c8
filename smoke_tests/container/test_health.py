"""What docker is told of a container's health: right in every way to start it, cheap, and never too early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import ADDRESS, Container, daemon, inspect, started

MOST_SECONDS = 0.05
"""Processor time of one check."""

INTERVAL = 5e9
"""Nanoseconds between two checks, as docker writes them: what a student waits for "healthy" at most, once it is so."""

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


@pytest.mark.usefixtures("natively")
def test_check_costs_little(watched: Container) -> None:
    """In processor time: less than a Python start that imports something."""
    timed = "TIMEFORMAT='%U %S'; for lap in {1..20}; do time course-health || exit; done"
    laps = watched.exec(timed).stderr.splitlines()
    assert len(laps) == 20 and min(sum(map(float, lap.split())) for lap in laps) < MOST_SECONDS


def test_server_that_hangs_is_unhealthy_until_it_goes_on(watched: Container) -> None:
    watched.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    watched.wait_until(lambda: watched.health() == "unhealthy", "unhealthy")
    last = watched.state["Health"]["Log"][-1]
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
    assert container.get("/api/status").status_code == 200
    container.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    assert ask(container) == (1, "https://127.0.0.1:9999/one/two%20words/api: no answer within 3 s")


def test_unknown_user_with_a_runtime_folder_elsewhere(run_container: RunContainer) -> None:
    container = run_container("--user=123456:0", "--env=JUPYTER_RUNTIME_DIR=/tmp/else where", *PROXIES)
    container.wait_healthy()
    container.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    assert ask(container)[0] == 1


def test_healthy_at_the_first_check_after_the_server_answers(
    run_container: RunContainer, tmp_path: Path, cpu_image: str
) -> None:
    """And not before. Docker asks often enough for "healthy" to come soon."""
    assert inspect(cpu_image)["Config"]["Healthcheck"]["Interval"] <= INTERVAL
    hook = tmp_path / "wait.sh"
    hook.write_text("until [[ -e /tmp/go ]]; do sleep 0.1; done\n")
    container = run_container(f"--volume={hook}:/usr/local/bin/start-notebook.d/wait.sh:ro", ready=False)
    assert ask(container) == (1, "no Jupyter server is running yet")
    container.wait_until(lambda: list_checks(container), "the first check")
    container.exec("touch /tmp/go")
    container.wait_ready()
    lines = daemon().logs(container.id, timestamps=True).decode().splitlines()
    (answered,) = [datetime.fromisoformat(line.split()[0]) for line in lines if ADDRESS.search(line)]
    container.wait_until(lambda: list_checks(container)[-1][0] > answered, "a check of the server")
    checks = list_checks(container)
    assert checks[0][1] == 1 and next(status for begun, status in checks if begun > answered) == 0, checks
    assert container.health() == "healthy"


def list_checks(container: Container) -> list[tuple[datetime, int]]:
    """When each of docker's last checks began, and its exit status."""
    logged = container.state["Health"]["Log"] or []
    return [(datetime.fromisoformat(check["Start"]), check["ExitCode"]) for check in logged]


@pytest.mark.parametrize("command", [["sleep", "infinity"], ["python", "-c", "import time; time.sleep(600)"]])
def test_command_that_is_no_server_is_healthy(run_container: RunContainer, command: list[str]) -> None:
    container = run_container("--health-interval=1s", command=command, ready=False)
    container.wait_healthy()
    assert {status for _, status in list_checks(container)} == {0}


def test_server_started_by_hand_is_watched(run_container: RunContainer) -> None:
    container = run_container(command=["sleep", "infinity"], ready=False)
    container.exec("nohup jupyter lab --port=7777 >/dev/null 2>&1 &")
    container.wait_until(lambda: container.exec("curl -s 127.0.0.1:7777/api", check=False).returncode == 0, "a server")
    assert ask(container) == (0, "")
    container.exec("kill -STOP $(pgrep --full jupyter-la[b])")
    assert ask(container) == (1, "http://127.0.0.1:7777/api: no answer within 3 s")
