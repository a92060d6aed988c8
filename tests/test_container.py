"""practicum.semester.settings and recipes.image: names, settings and labels of the images, and how they are given."""

import itertools
import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout
from survivors import HANG, wait_until

from practicum.architecture import ARCHITECTURES
from practicum.engine import run, tools
from practicum.engine.errors import PracticumError
from practicum.images import docker
from practicum.recipes.image import Image, label_argv
from practicum.semester import products, settings
from practicum.semester.locks import Variant
from practicum.semester.products import VARIANTS
from practicum.semester.revision import Revision, read_revision

REVISION = Revision("0123456789abcdef0123456789abcdef01234567", "2026-11-25T10:00:00Z")
TORCH = {"torch": "2.13.0+cu130", "cuda": "13.0", "architectures": ["sm_75", "sm_90"]}


def read_environment(start: tuple[str, ...]) -> dict[str, str]:
    return dict(line.removeprefix("ENV ").split("=", 1) for line in start if line.startswith("ENV "))


def read_setting(start: tuple[str, ...], word: str) -> str:
    (line,) = [line for line in start if line.startswith(f"{word} ")]
    return line.removeprefix(f"{word} ")


def test_names_are_one_that_moves_and_one_that_stays(checkout: Checkout) -> None:
    names = settings.name_image(checkout.load(), "cuda", REVISION)
    assert names == settings.Names(f"ee559:{SEMESTER}-cuda", f"ee559:{SEMESTER}-0123456789ab-cuda")
    dirty = settings.name_image(checkout.load(), "cpu", Revision(REVISION.full, REVISION.date, dirty=True))
    assert dirty == settings.Names(f"ee559:{SEMESTER}-cpu", ""), "files that no commit holds get no name that stays"


@pytest.mark.parametrize("kind", VARIANTS)
def test_names_fit_every_hub(checkout: Checkout, kind: Variant) -> None:
    """Zero to JupyterHub refuses image names of more than 63 characters."""
    assert len(settings.name_image(checkout.load(), kind, REVISION).fixed) <= 63


@pytest.mark.parametrize("kind", VARIANTS)
def test_image_runs_anywhere(checkout: Checkout, kind: Variant) -> None:
    start = settings.describe_start(checkout.load(), kind)
    assert re.fullmatch(r"[1-9]\d*", read_setting(start, "USER")), "Kubernetes cannot tell that a name is not root"
    assert not [line for line in start if line.startswith(("VOLUME", "ONBUILD"))]
    assert json.loads(read_setting(start, "ENTRYPOINT"))[:3] == ["/usr/bin/tini", "-g", "--"]
    assert json.loads(read_setting(start, "CMD")) == ["start-notebook.py"]
    environment = read_environment(start)
    assert not [name for name, value in environment.items() if "$" in value or "`" in value], "Apptainer evaluates them"
    assert environment["PATH"].startswith("/opt/venv/bin:")
    assert "LD_LIBRARY_PATH" not in environment, "the driver's folder must stay what the runtime says"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE", "spinning threads hinder each other where others compute too"


def test_only_cuda_asks_for_a_gpu_and_never_requires_one(checkout: Checkout) -> None:
    semester = checkout.load()
    cpu, cuda = (read_environment(settings.describe_start(semester, kind)) for kind in VARIANTS)
    assert {name: cuda[name] for name in cuda.keys() - cpu.keys()} == {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }
    assert not [name for name in cuda if name.startswith("NVIDIA_REQUIRE")]


def list_labels(checkout: Checkout, variant: Variant, torch: Mapping[str, object]) -> dict[str, str]:
    image = products.list_image(checkout.load(), variant)[-1]
    assert isinstance(image, Image)
    return image.list_labels(torch)


def test_labels_say_what_a_cluster_chooses_by(checkout: Checkout) -> None:
    labels = list_labels(checkout, "cuda", TORCH)
    oci = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in labels.items()
        if "opencontainers" in name
    }
    assert set(oci) == {*("title", "description", "vendor", "version", "revision", "created", "licenses")}
    revision = read_revision(checkout.root)
    assert (oci["revision"], oci["created"]) == (revision.label, revision.date)
    assert labels["practicum.torch"] == "2.13.0+cu130" and labels["practicum.cuda"] == "13.0"
    assert labels["practicum.architectures"] == "sm_75 sm_90"
    assert all(labels.values()), "an empty label says nothing"


def test_labels_of_the_twin(checkout: Checkout) -> None:
    torch = {"torch": "2.13.0+cpu", "cuda": None, "architectures": []}
    labels = list_labels(checkout, "cpu", torch)
    assert (labels["practicum.cuda"], labels["practicum.architectures"]) == ("none", "none")
    assert "NVIDIA" not in labels["org.opencontainers.image.licenses"]


def test_cuda_image_that_no_gpu_has_run_says_so(checkout: Checkout) -> None:
    checkout.describe_both()
    said = {}
    for variant, architecture in itertools.product(VARIANTS, ARCHITECTURES):
        image = products.list_image(checkout.load(), variant, architecture)[-1]
        assert isinstance(image, Image)
        said[image.name] = image.list_labels(TORCH).get("practicum.gpu")
    assert said == {
        **{"image-cpu": None, "image-cpu-arm64": None, "image-cuda": None},
        "image-cuda-arm64": "not run on a GPU yet",
    }


def test_image_without_torch_says_nothing_of_it(checkout: Checkout) -> None:
    labels = list_labels(checkout, "cpu", {"torch": None, "cuda": None, "architectures": []})
    assert "PyTorch" not in labels["org.opencontainers.image.description"]
    assert {name for name in labels if name.startswith("practicum.")} == {"practicum.debian", "practicum.python"}


def test_killed_naming_gives_all_names_or_none(tmp_path: Path) -> None:
    """And leaves no container: the command is killed at moments all along its way."""
    try:
        docker.ensure_docker()
    except PracticumError as error:
        pytest.skip(str(error))
    mark = f"practicum-test-{os.getpid()}"
    base, tags = f"{mark}:base", [f"{mark}:moving", f"{mark}:fixed"]
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    run.read(["docker", "import", str(tmp_path / "empty.tar"), base], step="test")
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\n")
    (tmp_path / "empty.tar").unlink()
    argv = [tools.find("docker") or "docker", *label_argv(tmp_path, tags, {"mark": mark})[1:]]
    containers = ["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={base}"]
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    outcomes = set()
    try:
        begun = time.monotonic()
        subprocess.run(argv, env=environment, check=True, capture_output=True)
        whole = time.monotonic() - begun
        for part in range(8):
            remove_images(tags)
            with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
                # The moments are the point, not a wait for something. The last one is late however slow the daemon is.
                time.sleep(whole * part / 6) if part < 7 else child.wait(HANG)
                child.kill()
            # The daemon may be at the last step still; then both names come.
            wait_until(lambda: len({*map(docker.find_id, tags)}) == 1, pause=0.1)
            outcomes.add(bool(docker.find_id(tags[0])))
            wait_until(lambda: not run.read(containers, step="test"), pause=0.1)
        assert outcomes == {True, False}, "too early or too late each time: nothing was proven"
    finally:
        remove_images([*tags, base])


def remove_images(tags: list[str]) -> None:
    for tag in filter(docker.find_id, tags):
        run.read(["docker", "image", "rm", "--force", tag], step="test")


def test_all_names_are_given_by_one_command_at_its_end() -> None:
    argv = label_argv(Path("/w"), ["a:1", "a:2"], {"x.y": "some words"})
    assert argv == [
        "docker",
        "build",
        "--quiet",
        "--force-rm",
        "--label=x.y=some words",
        "--tag=a:1",
        "--tag=a:2",
        "/w",
    ]
