"""practicum.semester.products: which wheel lies in which layer of the products."""

import pytest
from checkout import SEMESTER, Checkout

from practicum.engine.errors import PracticumError
from practicum.semester import products
from practicum.semester.locks import Variant, find_lock
from practicum.wheels import lockfile as lock


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_every_locked_package_lies_in_one_layer(checkout: Checkout, kind: Variant) -> None:
    semester = checkout.load()
    groups = products.split_wheels(semester, kind)
    packages = [package for group in groups.values() for package in group]
    assert sorted(packages, key=str) == sorted(lock.read_lock(find_lock(semester, kind)), key=str)


def test_common_layer_is_the_same_for_both(checkout: Checkout) -> None:
    semester = checkout.load()
    cpu, cuda = products.split_wheels(semester, "cpu"), products.split_wheels(semester, "cuda")
    assert cpu["python"] == cuda["python"] and len(cpu["python"]) > 100
    assert list(cpu) == ["python", "torch-cpu"]
    assert list(cuda) == ["python", "cuda-cudnn", "cuda-math", "cuda-rest", "torch-cuda"]


def test_cuda_layers_hold_libraries_of_cuda_alone(checkout: Checkout) -> None:
    groups = products.split_wheels(checkout.load(), "cuda")
    for name, _ in products.CUDA_GROUPS:
        assert all(package.name.startswith(("nvidia-", "cuda-")) for package in groups[name])
    assert {package.name for package in groups["torch-cuda"]} == {"torch", "torchvision", "triton"}


def test_chain_ends_with_the_layer_that_proves_the_set(checkout: Checkout) -> None:
    semester = checkout.load()
    for kind, names in (
        ("cpu", "base system python data torch-cpu"),
        ("cuda", "base system python data cuda-cudnn cuda-math cuda-rest torch-cuda"),
    ):
        chain = products.list_environment(semester, kind)  # type: ignore[arg-type]
        assert [stage.name for stage in chain] == names.split()
        proving = [stage.name for stage in chain if "check.txt" in stage.outputs]
        assert proving == [chain[-1].name] and "torch.json" in chain[-1].outputs


def test_missing_lock_of_the_other_product_is_told_with_the_cure(checkout: Checkout) -> None:
    (checkout.folder / "python-cuda.lock").unlink()
    with pytest.raises(PracticumError, match=rf"python-cuda\.lock: not there yet; run: practicum lock {SEMESTER}$"):
        products.list_environment(checkout.load(), "cpu")


def test_description_without_data_sets_has_no_layer_for_them(checkout: Checkout) -> None:
    checkout.replace('sets = ["mnist", "cifar10"]', "sets = []")
    assert [stage.name for stage in products.list_environment(checkout.load(), "cpu")] == [
        "base",
        "system",
        "python",
        "torch-cpu",
    ]
