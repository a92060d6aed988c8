"""torchvision: data sets from the disk, transforms of both generations, models, operators."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy
import pytest
import torch
import torchvision
from PIL import Image
from torchvision import datasets, models, ops, tv_tensors, utils
from torchvision import transforms as v1
from torchvision.transforms import v2

MEAN, DEVIATION = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def write_idx(path: Path, array: numpy.ndarray) -> None:
    """`array` in the format of MNIST's files."""
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def make_photo(seed: int = 0) -> Image.Image:
    return Image.fromarray(numpy.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=numpy.uint8))


def test_mnist_from_the_disk(tmp_path: Path) -> None:
    images = numpy.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=numpy.uint8)
    labels = (numpy.arange(20) % 10).astype(numpy.uint8)
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        write_idx(raw / f"{part}-images-idx3-ubyte", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte", labels)
    data = datasets.MNIST(str(tmp_path), train=True, transform=v1.ToTensor())
    image, label = data[13]
    assert len(data) == 20 and label == 3
    assert torch.equal(image[0], torch.from_numpy(images[13]).float() / 255)


def test_a_folder_of_images(tmp_path: Path) -> None:
    for seed, name in enumerate(["cat/a.png", "cat/b.png", "dog/c.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make_photo(seed).save(tmp_path / name)
    data = datasets.ImageFolder(str(tmp_path))
    assert data.classes == ["cat", "dog"] and [label for _, label in data] == [0, 0, 1]
    assert numpy.array_equal(numpy.asarray(data[2][0]), numpy.asarray(make_photo(2)))


def test_both_generations_of_transforms_agree() -> None:
    old = v1.Compose([v1.Resize(32), v1.CenterCrop(24), v1.ToTensor(), v1.Normalize(MEAN, DEVIATION)])
    new = v2.Compose(
        [
            v2.Resize(32),
            v2.CenterCrop(24),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, DEVIATION),
        ]
    )
    image = old(make_photo())
    assert image.shape == (3, 24, 24)
    assert torch.allclose(image, new(make_photo()), atol=1e-6)


def test_boxes_and_masks_move_with_the_image() -> None:
    image = tv_tensors.Image(torch.arange(3 * 4 * 6).reshape(3, 4, 6))
    boxes = tv_tensors.BoundingBoxes([[0, 0, 2, 3]], format="XYXY", canvas_size=(4, 6))
    flipped, moved = v2.RandomHorizontalFlip(p=1.0)(image, boxes)
    assert torch.equal(flipped, image.flip(-1)) and moved.tolist() == [[4, 0, 6, 3]]


def test_transforms_run_on_the_device(device: torch.device) -> None:
    image = torch.randint(256, (3, 40, 60), dtype=torch.uint8)
    crop = v2.Compose([v2.CenterCrop(32), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)])
    assert torch.allclose(crop(image.to(device)).cpu(), crop(image), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters"), [("resnet18", 11_689_512), ("mobilenet_v3_small", 2_542_856), ("squeezenet1_1", 1_235_496)]
)
def test_models_are_made_without_a_download(name: str, parameters: int, device: torch.device) -> None:
    model = models.get_model(name, weights=None).eval()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        here = model(images)
        there = model.to(device)(images.to(device)).cpu()
    assert here.shape == (2, 1000)
    assert torch.allclose(there, here, rtol=1e-3, atol=1e-3 * here.abs().max().item())


def test_pictures_are_laid_in_a_grid() -> None:
    assert utils.make_grid(torch.rand(6, 3, 8, 8), nrow=3, padding=1).shape == (3, 19, 28)


def test_overlap_of_boxes(device: torch.device) -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3]], device=device)
    assert ops.box_iou(boxes, boxes).cpu().flatten().tolist() == pytest.approx([1, 1 / 7, 1 / 7, 1])


def test_detection_operators_work_or_say_that_they_are_not_there(device: torch.device) -> None:
    """The build without compiled operators calls itself +noops and is for CPUs; no other build has an excuse."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]], device=device)
    scores = torch.tensor([0.5, 0.9, 0.7], device=device)
    if torchvision.__version__.endswith("+noops"):
        assert torch.version.cuda is None, "this torch is a build for CUDA, and torchvision's operators are missing"
        with pytest.raises(RuntimeError, match="custom C\\+\\+ ops"):
            ops.nms(boxes, scores, 0.5)
    else:
        assert ops.nms(boxes, scores, 0.5).tolist() == [1, 2]
