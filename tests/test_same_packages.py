"""The products for every architecture have the same packages in the same layers, but for what its value explains."""

import re

import pytest
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from practicum.architecture import Architecture
from practicum.semester import products
from practicum.semester.description import Semester, load
from practicum.semester.find import list_semesters
from practicum.semester.locks import Variant, find_lock, place_debian_lock
from practicum.wheels.debian_lock import read_debian
from practicum.wheels.lockfile import read_lock

each_variant = pytest.mark.parametrize("variant", products.VARIANTS)


@pytest.fixture(params=list_semesters(ROOT))
def semester(request: pytest.FixtureRequest) -> Semester:
    return load(ROOT / "semesters" / request.param)


def list_others(semester: Semester) -> tuple[Architecture, tuple[Architecture, ...]]:
    """The first architecture of the description, and the others."""
    first, *others = semester.built_for
    if not others:
        pytest.skip(f"{semester.id} is for {first.name} alone")
    return first, tuple(others)


@each_variant
def test_python_packages_differ_in_what_is_pinned(semester: Semester, variant: Variant) -> None:
    first, others = list_others(semester)
    wanted = {package.name: package.version for package in read_lock(find_lock(semester, variant, first))}
    for other in others:
        found = {package.name: package.version for package in read_lock(find_lock(semester, variant, other))}
        pins = {*semester.list_pins(first), *semester.list_pins(other)} if variant == "cpu" else set()
        assert found.keys() == wanted.keys()
        differing = {name for name in wanted if found[name] != wanted[name]}
        assert differing == {canonicalize_name(Requirement(pin).name) for pin in pins}


def test_debian_packages_differ_in_the_kernels_name(semester: Semester) -> None:
    first, others = list_others(semester)
    wanted = read_packages(semester, first)
    for other in others:
        assert read_packages(semester, other) == wanted


def read_packages(semester: Semester, architecture: Architecture) -> dict[str, str]:
    """Versions of the sources by name; the names of the kernel's packages are without the architecture.

    A package may have been built again for one architecture, which its version ends with: 1.2-3+b1.
    """
    packages = read_debian(place_debian_lock(semester, architecture))
    assert architecture.kernel in packages
    kernel = re.compile(rf"(linux-image-.+-|linux-image-){architecture.name}")
    return {kernel.sub(r"\1", name): re.sub(r"\+b\d+$", "", version) for name, version in packages.items()}


@each_variant
def test_layers_have_the_same_packages(semester: Semester, variant: Variant) -> None:
    first, others = list_others(semester)
    wanted = describe_layers(semester, variant, first)
    assert len(wanted) >= 2
    for other in others:
        assert describe_layers(semester, variant, other) == wanted
        assert name_layers(semester, variant, other) == name_layers(semester, variant, first)


def describe_layers(semester: Semester, variant: Variant, architecture: Architecture) -> dict[str, set[str]]:
    groups = products.split_wheels(semester, variant, architecture)
    return {layer: {package.name for package in packages} for layer, packages in groups.items()}


def name_layers(semester: Semester, variant: Variant, architecture: Architecture) -> list[str]:
    """The stages that make a layer, the lowest first, without the architecture that ends their names."""
    stages = products.list_image(semester, variant, architecture)
    return [name.removesuffix(architecture.suffix) for name in products.list_layers(stages)]
