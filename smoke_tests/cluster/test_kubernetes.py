"""The kustomizations of docker/kubernetes, as kubectl renders them, run by docker as the kubelet would run them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smoke_tests.cluster.documented import KUBERNETES, find_command
from smoke_tests.container.docker import LABEL, docker, started
from smoke_tests.container.pods import docker_options, render, require_restricted

pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(os.geteuid() != 0, reason="gives folders other owners")]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[str]:
    """Return a network in which containers find each other by name."""
    name = docker("network", "create", f"--label={LABEL}", f"practicum-{os.getpid()}").stdout.strip()
    yield name
    docker("network", "rm", name)


@pytest.mark.parametrize("name, kinds", [("lab", {"Pod", "PersistentVolumeClaim"}), ("train", {"Job"})])
def test_what_the_pages_lines_apply(name: str, kinds: set[str]) -> None:
    assert find_command(KUBERNETES, f"kubectl apply -k docker/kubernetes/{name}")
    assert render(name).keys() == kinds


def test_two_nodes_train_together(cpu_image: str, network: str, tmp_path: Path) -> None:
    """The kubelet would also give the pods their host names, their index, and the service's names."""
    assert find_command(KUBERNETES, "kubectl apply -k docker/kubernetes/nodes")
    rendered = render("nodes")
    job, service = rendered["Job"], rendered["Service"]
    pod = job["spec"]["template"]["spec"]
    require_restricted(pod)
    assert service["spec"]["selector"] == job["spec"]["template"]["metadata"]["labels"]
    assert service["metadata"]["name"] == pod["subdomain"]
    assert job["spec"]["completionMode"] == "Indexed"

    (container,) = pod["containers"]
    with contextlib.ExitStack() as stack:
        running = []
        for index in range(job["spec"]["completions"]):
            name = f"{job['metadata']['name']}-{index}"
            options = (
                *docker_options(pod, tmp_path),
                *(f"--hostname={name}", f"--network={network}", f"--network-alias={name}.{pod['subdomain']}"),
                f"--env=JOB_COMPLETION_INDEX={index}",
            )
            command = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in container["args"]]
            command += ["--epochs=1", "--json=losses.json"]
            running.append(stack.enter_context(started(cpu_image, *options, command=command)))
        ended = [one.wait_ended() for one in running]
        assert ended == [0] * len(running), "\n".join(one.logs() for one in running)
    losses: list[Any] = json.loads((tmp_path / "home/losses.json").read_text())["losses"]
    assert len(losses) == 10
