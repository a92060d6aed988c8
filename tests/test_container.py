"""practicum.container: names, settings and labels of the images, and how they are given."""

import json
import re
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout

from practicum import container
from practicum.container import KINDS
from practicum.errors import PracticumError
from practicum.lock import Kind
from practicum.revision import Revision

REVISION = Revision("0123456789abcdef0123456789abcdef01234567", "2026-11-25T10:00:00Z")
TORCH = {"torch": "2.13.0+cu130", "cuda": "13.0", "architectures": ["sm_75", "sm_90"]}


def read_environment(settings: tuple[str, ...]) -> dict[str, str]:
    return dict(line.removeprefix("ENV ").split("=", 1) for line in settings if line.startswith("ENV "))


def read_setting(settings: tuple[str, ...], word: str) -> str:
    (line,) = [line for line in settings if line.startswith(f"{word} ")]
    return line.removeprefix(f"{word} ")


def test_names_are_one_that_moves_and_one_that_stays(checkout: Checkout) -> None:
    names = container.name_image(checkout.load(), "cuda", REVISION)
    assert names == container.Names(f"ee559:{SEMESTER}-cuda", f"ee559:{SEMESTER}-0123456789ab-cuda")
    dirty = container.name_image(checkout.load(), "cpu", Revision(REVISION.full, REVISION.date, dirty=True))
    assert dirty == container.Names(f"ee559:{SEMESTER}-cpu", ""), "files that no commit holds get no name that stays"


@pytest.mark.parametrize("kind", KINDS)
def test_names_fit_every_hub(checkout: Checkout, kind: Kind) -> None:
    """Zero to JupyterHub refuses image names of more than 63 characters."""
    assert len(container.name_image(checkout.load(), kind, REVISION).fixed) <= 63


@pytest.mark.parametrize("kind", KINDS)
def test_image_runs_anywhere(checkout: Checkout, kind: Kind) -> None:
    settings = container.settings(checkout.load(), kind)
    assert re.fullmatch(r"[1-9]\d*", read_setting(settings, "USER")), "Kubernetes cannot tell that a name is not root"
    assert not [line for line in settings if line.startswith(("VOLUME", "ONBUILD"))]
    assert json.loads(read_setting(settings, "ENTRYPOINT"))[:3] == ["/usr/bin/tini", "-g", "--"]
    assert json.loads(read_setting(settings, "CMD")) == ["start-notebook.py"]
    environment = read_environment(settings)
    assert not [name for name, value in environment.items() if "$" in value or "`" in value], "Apptainer evaluates them"
    assert environment["PATH"].startswith("/opt/venv/bin:")
    assert "LD_LIBRARY_PATH" not in environment, "the driver's folder must stay what the runtime says"


def test_only_cuda_asks_for_a_gpu_and_never_requires_one(checkout: Checkout) -> None:
    semester = checkout.load()
    cpu, cuda = (read_environment(container.settings(semester, kind)) for kind in KINDS)
    assert {name: cuda[name] for name in cuda.keys() - cpu.keys()} == {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }
    assert not [name for name in cuda if name.startswith("NVIDIA_REQUIRE")]


def test_labels_say_what_a_cluster_chooses_by(checkout: Checkout) -> None:
    labels = container.list_labels(checkout.load(), "cuda", REVISION, "practicum-base:1", "sha256:ab", TORCH)
    oci = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in labels.items()
        if "opencontainers" in name
    }
    assert set(oci) == {
        *("title", "description", "vendor", "version", "revision", "created", "licenses", "base.name", "base.digest")
    }
    assert (oci["revision"], oci["created"]) == (REVISION.full, REVISION.date)
    assert (oci["base.name"], oci["base.digest"]) == ("practicum-base:1", "sha256:ab")
    assert labels["practicum.torch"] == "2.13.0+cu130" and labels["practicum.cuda"] == "13.0"
    assert labels["practicum.architectures"] == "sm_75 sm_90"
    assert all(labels.values()), "an empty label says nothing"


def test_labels_of_the_twin(checkout: Checkout) -> None:
    torch = {"torch": "2.13.0+cpu", "cuda": None, "architectures": []}
    labels = container.list_labels(checkout.load(), "cpu", REVISION, "b:1", "sha256:ab", torch)
    assert (labels["practicum.cuda"], labels["practicum.architectures"]) == ("none", "none")
    assert "NVIDIA" not in labels["org.opencontainers.image.licenses"]


def test_image_without_torch_is_refused(checkout: Checkout) -> None:
    with pytest.raises(PracticumError, match=r"^image-cpu: python\.requires names no torch: add it"):
        container.list_labels(checkout.load(), "cpu", REVISION, "b:1", "s", {"torch": None})


def test_all_names_are_given_by_one_command_at_its_end() -> None:
    argv = container.label_argv(Path("/w"), ["a:1", "a:2"], {"x.y": "some words"})
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
