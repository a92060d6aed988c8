"""The targets of ci.mk: what each calls, for which products and semester, and that a failure ends it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pipelines import ROOT

STUB = """#!/usr/bin/env bash
echo "${{0##*/}} $* ${{PRODUCTS-}}" >>{folder}/calls
[[ "$*" != *"${{FAILS:-nothing}}"* ]]
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="as another user, the targets call sudo")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The makefiles and scripts, and stand-ins of the programs that the targets call."""
    for name in ("Makefile", "proof.mk", "ci.mk"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("make-stub", "python-stub"):
        (tmp_path / name).write_text(STUB.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    return tmp_path


def call(checkout: Path, *words: str, **environment: str) -> tuple[int, list[str]]:
    """Returns make's exit code and what it called."""
    programs = [f"{name.upper()}={checkout}/{name}-stub" for name in ("make", "python")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "TAG"))}
    done = subprocess.run(["make", *words, *programs], cwd=checkout, env={**kept, **environment}, check=False)
    file = checkout / "calls"
    return done.returncode, [line.strip() for line in file.read_text().splitlines()] if file.exists() else []


def shorten(calls: list[str]) -> list[str]:
    return [line.replace("make-stub --no-print-directory", "make").replace("python-stub", "python") for line in calls]


def test_build_looks_at_the_machine_then_builds_and_proves(checkout: Path) -> None:
    code, calls = call(checkout, "ci-build")
    assert code == 0 and shorten(calls) == [
        "make preflight FOR=ova docker archive",
        "make ova docker archive",
        "python scripts/ci/products.py note",
        "make test",
        "python scripts/ci/products.py check",
    ]


def test_release_of_a_tag_builds_its_semester_once(checkout: Path) -> None:
    (checkout / "build").mkdir()
    (checkout / "build/products.json").write_text("{}")
    code, calls = call(checkout, "ci-release", TAG="2027-spring-r1")
    assert code == 0 and shorten(calls) == [
        "make ova docker archive ARCH=all",
        "python scripts/ci/products.py check 2027-spring",
        "python scripts/ci/release.py 2027-spring-r1",
    ]


def test_tag_builds_and_proves_the_products_for_all_architectures(checkout: Path) -> None:
    code, calls = call(checkout, "ci-build", TAG="2027-spring-r1")
    assert code == 0 and shorten(calls) == [
        "make preflight FOR=ova docker archive ARCH=all",
        "make ova docker archive ARCH=all",
        "python scripts/ci/products.py note 2027-spring",
        "make test-arm64",
        "python scripts/ci/products.py check 2027-spring",
    ]


def test_release_by_hand_proves_first(checkout: Path) -> None:
    assert shorten(call(checkout, "ci-release", "TAG=2027-spring-r1")[1])[0] == "make ci-build"


@pytest.mark.parametrize(
    "goal, fails, last",
    [("ci-build", "preflight", "make preflight FOR=ova docker archive"), ("ci-build", "test", "make test")],
)
def test_a_failure_ends_the_target(checkout: Path, goal: str, fails: str, last: str) -> None:
    code, calls = call(checkout, goal, FAILS=fails)
    assert code != 0 and shorten(calls)[-1] == last


@pytest.mark.parametrize("products, expected", [("ova cpu", " --product cpu"), ("ova cpu cuda", "")])
def test_without_cuda_only_the_cpu_image_is_built_and_proved(products: str, expected: str) -> None:
    argv = [
        "make",
        "--dry-run",
        "--no-print-directory",
        "docker",
        "archive",
        "test-build-images",
        f"PRODUCTS={products}",
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    told = subprocess.run(argv, cwd=ROOT, env=kept, capture_output=True, text=True, check=True).stdout
    assert told.count(f"practicum docker{expected} ") + told.count(f"practicum docker{expected}\n") == 2, told
    assert f"practicum archive{expected} " in told or f"practicum archive{expected}\n" in told
    tested = [*argv[:3], "test-server", argv[-1]]
    told = subprocess.run(tested, cwd=ROOT, env=kept, capture_output=True, text=True, check=True).stdout
    assert ("--skip-missing-image --cuda-image=not-built" in told) == ("cuda" not in products)
