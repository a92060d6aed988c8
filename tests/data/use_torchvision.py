"""Uses of torchvision a course makes; prints what it found as JSON. Run by tests/test_torchvision.py."""

import json
from importlib.metadata import version
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torchvision import datasets, io, models, ops, transforms, utils
from torchvision.transforms import v2


def attempt(action):
    try:
        return str(action())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


image = Image.new("RGB", (32, 24), "orange")
old = transforms.Compose([transforms.Resize(16), transforms.RandomCrop(8), transforms.ToTensor()])
new = v2.Compose([v2.ToImage(), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])
assert old(image).shape == (3, 8, 8)
assert new(image).shape == (3, 24, 32) and new(image).max() <= 1
assert new(torch.zeros(3, 5, 5, dtype=torch.uint8)).dtype == torch.float32
assert transforms.functional.rotate(torch.rand(3, 8, 8), 30).shape == (3, 8, 8)

fake = datasets.FakeData(size=4, image_size=(3, 32, 32), num_classes=2, transform=transforms.ToTensor())
batch, labels = next(iter(torch.utils.data.DataLoader(fake, batch_size=4)))
assert batch.shape == (4, 3, 32, 32) and labels.shape == (4,)
assert issubclass(datasets.MNIST, datasets.VisionDataset) and issubclass(datasets.CIFAR10, datasets.VisionDataset)

model = models.resnet18(num_classes=2)
loss = torch.nn.functional.cross_entropy(model(batch), labels % 2)
loss.backward()
assert model.conv1.weight.grad is not None and torch.isfinite(loss)
assert models.vgg11(num_classes=2).eval()(torch.rand(1, 3, 32, 32)).shape == (1, 2)
assert utils.make_grid(batch).shape[0] == 3
utils.save_image(batch, "grid.png")
assert Path("grid.png").stat().st_size > 0
Image.new("RGB", (8, 8)).save("small.png")

print(
    json.dumps(
        {
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "installed": version("torchvision"),
            "nms": attempt(lambda: ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([1.0]), 0.5).tolist()),
            "read_image": attempt(lambda: list(io.decode_image("small.png").shape)),
        }
    )
)
