"""practicum.release.sbom: valid CycloneDX 1.6, the same bytes twice, and equal to what the product says of itself."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, SEMESTER
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from test_release_contents import CPU, needs_image

from practicum.release import contents
from practicum.release.contents import Answers
from practicum.release.record import Product
from practicum.release.sbom import render_sbom

LOCK = ROOT / f"semesters/{SEMESTER}/python-cpu.lock"
SMALL = Answers(
    debian={"vim-tiny": ("2:9.0.1378-2+deb12u2", "amd64"), "adduser": ("3.134", "all")},
    python={"torch": "2.13.0+cpu", "torchvision": "0.28.0+noops", "course-tools": "2027.1"},
    content={"lectures/lecture 01.ipynb": "a" * 64},
    cuda="",
    driver="",
)


def describe(answers: Answers) -> Product:
    return Product(
        file="ee559-2027-spring-cpu.oci.tar",
        sha256="b" * 64,
        debian={name: version for name, (version, _) in answers.debian.items()},
        python=dict(answers.python),
        content=dict(answers.content),
        data={"mnist": "stand-in"},
    )


def write(answers: Answers, release: str = "2027-spring-r1") -> str:
    return render_sbom(release, "2026-11-29T17:09:17Z", "cpu", describe(answers), answers, LOCK, "bookworm")


def find(text: str, prefix: str) -> dict[str, dict[str, Any]]:
    components = json.loads(text)["components"]
    return {each["bom-ref"].removeprefix(prefix): each for each in components if each["bom-ref"].startswith(prefix)}


def test_sbom_is_valid_cyclonedx() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(write(SMALL)) is None


def test_two_writes_give_the_same_bytes_and_two_releases_do_not() -> None:
    turned = Answers(dict(reversed(SMALL.debian.items())), dict(reversed(SMALL.python.items())), SMALL.content, "", "")
    assert write(SMALL) == write(turned)
    numbers = {json.loads(write(SMALL, name))["serialNumber"] for name in ("2027-spring-r1", "2027-spring-r2")}
    assert len(numbers) == 2
    assert json.loads(write(SMALL))["metadata"]["timestamp"] == "2026-11-29T17:09:17+00:00"


def test_package_urls_are_those_that_scanners_look_for() -> None:
    purls = {each["purl"] for each in find(write(SMALL), "deb/").values()}
    assert purls == {
        "pkg:deb/debian/adduser@3.134?arch=all&distro=bookworm",
        "pkg:deb/debian/vim-tiny@2:9.0.1378-2%2Bdeb12u2?arch=amd64&distro=bookworm",
    }
    assert find(write(SMALL), "pypi/")["course-tools"]["purl"] == "pkg:pypi/course-tools@2027.1"


def test_python_packages_have_the_hash_of_their_locked_wheel() -> None:
    packages = find(write(SMALL), "pypi/")
    (torch,) = (line for line in LOCK.read_text().splitlines() if line.startswith("torch=="))
    assert [each["content"] for each in packages["torch"]["hashes"]] == [torch.partition("sha256:")[2]]
    assert "hashes" not in packages["course-tools"], "it is in no lock"
    (ancestor,) = packages["torchvision"]["pedigree"]["ancestors"]
    assert ancestor["version"] == "0.28.0" and ancestor["hashes"], "the wheel before it was repacked"


def test_data_and_content_are_listed() -> None:
    text = write(SMALL)
    assert find(text, "data/")["mnist"]["properties"] == [{"name": "practicum:data", "value": "stand-in"}]
    (file,) = find(text, "content/").values()
    assert (file["name"], file["hashes"][0]["content"]) == ("lectures/lecture 01.ipynb", "a" * 64)


@needs_image
@pytest.mark.skipif(os.geteuid() != 0, reason="the container's lifeline needs root")
def test_sbom_equals_what_the_product_says_inside(tmp_path: Path) -> None:
    """Asked once more by hand, with the options that a person would type."""
    text = write(contents.ask(CPU, tmp_path))
    inside = ["docker", "run", "--rm", "--network=none", "--entrypoint=sh", CPU, "-c"]

    def say(command: str) -> str:
        return subprocess.run([*inside, command], capture_output=True, text=True, check=True).stdout

    debian = dict(line.split("\t") for line in say("dpkg-query --show").splitlines())
    # Of a library that may be installed for two architectures, dpkg-query tells "name:amd64".
    assert {name.partition(":")[0]: version for name, version in debian.items()} == {
        name: each["version"] for name, each in find(text, "deb/").items()
    }
    python = json.loads(say("/opt/venv/bin/python -m pip list --format=json 2>/dev/null"))
    normal = {each["name"].lower().replace("_", "-").replace(".", "-"): each["version"] for each in python}
    assert normal == {name: each["version"] for name, each in find(text, "pypi/").items()}
    without = [name for name, each in find(text, "pypi/").items() if not each.get("hashes", each.get("pedigree"))]
    assert without == ["course-runtime", "course-tools", "python-apt"], "the commands, and one of Debian's packages"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
