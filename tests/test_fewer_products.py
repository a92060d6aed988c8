"""A semester that names fewer products needs only their locks and their stages."""

import pytest
from checkout import Checkout

from practicum.architecture import AMD64
from practicum.commands import lock
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.semester import products
from practicum.semester.find import choose_images, require_product
from practicum.wheels.lockfile import read_lock


def describe_cuda_alone(checkout: Checkout) -> None:
    file = checkout.folder / "semester.toml"
    file.write_text(f'products = ["cuda"]\n{file.read_text()}')


def test_semester_of_the_cuda_image_alone_needs_no_lock_of_the_cpu(checkout: Checkout) -> None:
    describe_cuda_alone(checkout)
    for path in checkout.folder.glob("python-cpu*.lock"):
        path.unlink()
    semester = checkout.load()
    names = [stage.name for stage in products.list_all(semester, [AMD64])]
    assert names[:3] == ["base", "system", "python"] and names[-1] == "image-cuda"
    assert not [name for name in names if "cpu" in name or "appliance" in name or name in ("disk", "ova")]
    groups = products.split_wheels(semester, "cuda")
    packages = [package for group in groups.values() for package in group]
    assert sorted(packages, key=str) == sorted(read_lock(checkout.folder / "python-cuda.lock"), key=str)
    assert {package.name for package in groups["torch-cuda"]} == {"torch", "torchvision"}


def test_product_that_the_description_does_not_name_is_refused(checkout: Checkout) -> None:
    describe_cuda_alone(checkout)
    semester = checkout.load()
    assert choose_images(semester, None) == choose_images(semester, "cuda") == ("cuda",)
    with pytest.raises(
        PracticumError, match=r"products does not name cpu; add it there, or build what it names: cuda$"
    ):
        choose_images(semester, "cpu")
    with pytest.raises(PracticumError, match="products does not name appliance"):
        require_product(semester, "appliance")


def test_locks_are_those_of_the_products(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    describe_cuda_alone(checkout)
    asked: list[object] = []
    monkeypatch.setattr(lock, "ensure_docker", lambda: None)
    monkeypatch.setattr(lock, "resolve_python", lambda _, variant, architecture: asked.append(variant) or "")
    monkeypatch.setattr(lock, "make_root", lambda *_: None)
    monkeypatch.setattr(lock, "resolve_packages", lambda root, packages, *_: asked.append("openssh-server" in packages))
    monkeypatch.setattr(lock, "render_debian", lambda *_: "")
    [*lock.lock_semester(checkout.load(), Console(plain=True))]
    assert asked[:2] == ["cuda", False] and "cpu" not in asked
