# %% [markdown]
# # Lecture 7: computer vision
#
# What is in the image, where is it, and which pixels belong to it: classification, a classifier made convolutional,
# detection as regression (YOLO), segmentation (FCN), feeding data, layers taken over from another task, and the use of
# pretrained weights. Everything is trained here, on drawn shapes: nothing is downloaded.
#
# About two minutes to run, an hour to read and play with.

# %%
import tempfile
import time
from pathlib import Path

import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
device = prologue.device
pick = prologue.pick  # pick(full, tiny): the second value in test mode
print(
    f"device {device}, data: {prologue.get_data_source('mnist')} MNIST,",
    f"{prologue.get_data_source('cifar10')} CIFAR10",
)

# %% [markdown]
# ## 1. A world of 20 classes
#
# Five shapes in four colors, on a cloudy background. A scene is divided into `grid` x `grid` squares, and at most one
# object lies in each, so that none hides another. Everything that a course on vision needs comes with it: the class
# of each object, its box, and the class of each pixel.

# %%
SHAPES = ("disc", "square", "triangle", "cross", "ring")
COLORS = {
    "red": (0.9, 0.2, 0.2),
    "green": (0.2, 0.8, 0.3),
    "blue": (0.25, 0.35, 0.95),
    "yellow": (0.9, 0.85, 0.2),
}
NAMES = [f"{color} {shape}" for shape in SHAPES for color in COLORS]


def draw_scenes(
    nb: int, size: int, nb_objects: int, grid: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (nb x 3 x size x size), classes (nb x objects), boxes, labels of pixels.

    A box (nb x objects x 4) is center x, y, width, height, in pixels. The label of a pixel (nb x
    size x size) is its class plus one, 0 for the background.
    """
    slot = torch.rand(nb, grid * grid).argsort(dim=1)[:, :nb_objects]
    pitch = size / grid
    radius = pitch * (0.26 + 0.2 * torch.rand(nb, nb_objects))
    room = pitch - 2 * radius
    x = (slot % grid) * pitch + radius + room * torch.rand(nb, nb_objects)
    y = (slot // grid) * pitch + radius + room * torch.rand(nb, nb_objects)
    classes = torch.randint(len(NAMES), (nb, nb_objects))

    images = F.interpolate(0.25 + 0.5 * torch.rand(nb, 3, 5, 5), size=size, mode="bicubic")
    labels = torch.zeros(nb, size, size, dtype=torch.long)
    pixel = torch.arange(size) + 0.5
    for k in range(nb_objects):
        u = (pixel.view(1, 1, -1) - x[:, k].view(-1, 1, 1)) / radius[:, k].view(-1, 1, 1)
        v = (pixel.view(1, -1, 1) - y[:, k].view(-1, 1, 1)) / radius[:, k].view(-1, 1, 1)
        distance, largest, smallest = (
            u.square() + v.square(),
            u.abs().maximum(v.abs()),
            u.abs().minimum(v.abs()),
        )
        shapes = [
            distance < 1,
            largest < 0.9,
            (v < 1) & (v > 2 * u.abs() - 1),
            (largest < 1) & (smallest < 0.3),
        ]
        shapes.append((distance < 1) & (distance > 0.36))
        inside = torch.stack(shapes, dim=1)[torch.arange(nb), classes[:, k] // len(COLORS)]
        color = torch.tensor(list(COLORS.values()))[classes[:, k] % len(COLORS)].view(nb, 3, 1, 1)
        images = torch.where(inside[:, None], color, images)
        labels = torch.where(inside, classes[:, k].view(-1, 1, 1) + 1, labels)
    images = images * (0.7 + 0.6 * torch.rand(nb, 1, 1, 1)) + 0.06 * torch.randn_like(images)
    return 2 * images - 1, classes, torch.stack([x, y, 2 * radius, 2 * radius], dim=2), labels


def show_image(ax, image: Tensor, title: str = "") -> None:
    ax.imshow((0.5 + 0.5 * image.cpu()).clamp(0, 1).permute(1, 2, 0).numpy())
    ax.set_title(title, fontsize=8)
    ax.axis("off")


images, classes, _, _ = draw_scenes(16, size=32, nb_objects=1, grid=1)
figure, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
for ax, image, class_number in zip(axes.flat, images, classes[:, 0], strict=True):
    show_image(ax, image, NAMES[class_number])
prologue.show(
    "Sixteen images on cloudy backgrounds, each with one colored shape and its name above."
)

# %% [markdown]
# ## 2. Classification
#
# The architecture of AlexNet in miniature: convolutions, rectifiers and max-pooling, then linear layers
# (A. Krizhevsky, I. Sutskever and G. Hinton, *ImageNet classification with deep convolutional neural networks*, 2012).
#
# A convolution or pooling with kernel $k$, stride $s$ and padding $p$ makes of a width $n$ the width
#
# $$n' = \left\lfloor \frac{n + 2 p - k}{s} \right\rfloor + 1 .$$
#
# The *receptive field* of a unit, the width of the pixels that it depends on, grows from layer to layer,
#
# $$r_l = r_{l-1} + (k_l - 1) \prod_{i < l} s_i, \quad r_0 = 1 .$$
#
# Look at the widths and at the receptive fields of the layers.

# %%
features = [
    nn.Conv2d(3, 64, 7, stride=2),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(64, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
]
width, field, step = 32, 1, 1  # of the map, in pixels, and the pixels from one unit to the next
for layer in features:
    if isinstance(layer, nn.ReLU):
        continue
    kernel, stride = (
        size[0] if isinstance(size, tuple) else size for size in (layer.kernel_size, layer.stride)
    )
    width, field, step = (width - kernel) // stride + 1, field + (kernel - 1) * step, step * stride
    print(f"{type(layer).__name__:9s} width {width:2d}, receptive field {field:2d}, step {step}")

# %% [markdown]
# The last layer gives a score $f_k(x)$ for each class, and the training minimizes the cross-entropy with the class $y$,
#
# $$-\log \frac{\exp f_y(x)}{\sum_k \exp f_k(x)} .$$
#
# Look at the test error, and below at the errors: where the network errs, the right answer is usually its second one,
# and usually it takes one shape for another, not one color.

# %%
train_images, train_classes, _, _ = draw_scenes(pick(6000, 600), size=32, nb_objects=1, grid=1)
test_images, test_classes, _, _ = draw_scenes(pick(1000, 300), size=32, nb_objects=1, grid=1)
train_images, train_classes = train_images.to(device), train_classes[:, 0].to(device)
test_images, test_classes = test_images.to(device), test_classes[:, 0].to(device)

classifier = nn.Sequential(
    *features, nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 20)
).to(device)


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    nb_epochs: int,
    lr: float = 2e-3,
    compute_loss=F.cross_entropy,
    batch_size: int = 50,
) -> float:
    """Train what requires a gradient with Adam, in shuffled batches; the last mean loss."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    model.train()
    for _ in range(nb_epochs):
        losses = []
        for batch in torch.randperm(x.size(0)).to(device).split(batch_size):
            optimizer.zero_grad()
            loss = compute_loss(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    model.eval()
    return sum(losses) / len(losses)


@torch.no_grad()
def compute_error(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return (model(x).argmax(dim=1) != y).float().mean().item()


train(classifier, train_images, train_classes, nb_epochs=pick(12, 6))
classifier_error = compute_error(classifier, test_images, test_classes)
print(f"test error {classifier_error:.1%} (by chance: 95 %)")


# %%
@torch.no_grad()
def find_errors(x: Tensor, y: Tensor) -> tuple[Tensor, float, float]:
    """Where the classifier errs; the shares where its second answer is right, where its color."""
    best = classifier(x).topk(2, dim=1).indices
    wrong = (best[:, 0] != y).nonzero().flatten()
    first, second = best[wrong].unbind(dim=1)
    right_color = first % len(COLORS) == y[wrong] % len(COLORS)
    return wrong, (second == y[wrong]).float().mean().item(), right_color.float().mean().item()


wrong, share_second, share_color = find_errors(test_images, test_classes)
print(f"of {len(wrong)} errors, the second answer is right in {share_second:.0%}", end=", ")
print(f"the color is right in {share_color:.0%}")
with torch.no_grad():
    probabilities = classifier(test_images[wrong[:4]]).softmax(dim=1).cpu()
figure, axes = plt.subplots(1, 4, figsize=(6, 1.6), layout="constrained")
for ax, index, values in zip(axes, wrong.tolist(), probabilities, strict=False):
    show_image(ax, test_images[index], NAMES[test_classes[index]])
    best = zip(*values.topk(3), strict=True)
    print(f"{NAMES[test_classes[index]]:15s}:", *(f"{NAMES[n]} {p:.2f} " for p, n in best))
prologue.show("Four images on which the network errs, each with the name of its right class above.")

# %% [markdown]
# ## 3. From a classifier to a map
#
# A linear layer that reads a map of C x h x w is a convolution whose kernel covers the whole map, and the linear
# layers after it are 1 x 1 convolutions:
#
# $$y_k = b_k + \sum_{c, u, v} W_{k, c, u, v} \, x_{c, u, v} \quad \text{becomes} \quad
#   y_{k, i, j} = b_k + \sum_{c, u, v} W_{k, c, u, v} \, x_{c, i + u, j + v} .$$
#
# (P. Sermanet, D. Eigen, X. Zhang, M. Mathieu, R. Fergus and Y. LeCun, *OverFeat*, 2013.)
#
# `convolutionize` rewrites a list of layers for a given input size and copies
# the parameters. Look at the printed layers: the same numbers, but the network now takes images of any size.


# %%
def convolutionize(layers: list[nn.Module], input_size: tuple[int, ...]) -> list[nn.Module]:
    """The same layers with convolutions in place of the linear ones; `input_size` is C x H x W."""
    result = []
    x = torch.zeros(1, *input_size, device=device)
    for layer in layers:
        if isinstance(layer, nn.Flatten):
            continue
        if isinstance(layer, nn.Linear):
            convolution = nn.Conv2d(x.size(1), layer.out_features, kernel_size=x.shape[2:])
            convolution.to(device)
            state = {"weight": layer.weight.view_as(convolution.weight), "bias": layer.bias}
            convolution.load_state_dict(state)
            layer = convolution
        result.append(layer)
        x = layer(x)
    return result


dense_classifier = nn.Sequential(*convolutionize(list(classifier), input_size=(3, 32, 32)))
print(dense_classifier[6:])

# %% [markdown]
# **Every window at once.** On a scene of 96 x 96 the new network gives a map of 9 x 9 answers: what the classifier
# would say for the 81 windows of 32 x 32 at every eighth pixel, the step that section 2 printed. Look at the two times:
# neighboring windows share most of the work.

# %%
scenes, scene_classes, scene_boxes, _ = draw_scenes(1, size=96, nb_objects=3, grid=3)
scene = scenes.to(device)
with torch.no_grad():
    dense_classifier(scene)  # a first time, to warm up
    start = time.perf_counter()
    score_map = dense_classifier(scene).cpu()  # on a GPU, this waits for the result
    middle = time.perf_counter()
    windows = (
        scene.unfold(2, 32, 8).unfold(3, 32, 8)[0].permute(1, 2, 0, 3, 4).flatten(0, 1)
    )  # 81 x 3 x 32 x 32
    window_scores = classifier(windows).cpu().view(9, 9, 20).permute(2, 0, 1)
    end = time.perf_counter()
largest_difference = (score_map[0] - window_scores).abs().max().item()
print(
    "score map",
    tuple(score_map.shape),
    f"- largest difference to the 81 windows {largest_difference:.1e}",
)
print(
    f"{(middle - start) * 1e3:.1f} ms for the map, {(end - middle) * 1e3:.1f} ms window by window"
)

present = scene_classes[0].tolist()
figure, axes = plt.subplots(1, 4, figsize=(9, 2.3), layout="constrained")
show_image(axes[0], scene[0])
for ax, number in zip(axes[1:], present, strict=True):
    ax.imshow(score_map[0].softmax(dim=0)[number].cpu().numpy(), vmin=0, vmax=1)
    ax.set_title(f'probability of "{NAMES[number]}"', fontsize=8)
prologue.show(
    "A scene of three shapes, and for the class of each a map of 9 x 9 probabilities, bright where "
    "the network sees this class."
)

# %% [markdown]
# ## 4. Detection as regression: YOLO
#
# The image is divided into S x S cells. The cell that contains the center of an object is responsible for it. Each
# cell answers with B boxes of 5 numbers (x, y in the cell, width and height relative to the image, confidence) and C
# scores of classes (J. Redmon, S. Divvala, R. Girshick and A. Farhadi, *You only look once*, 2015).
#
# With **S = 7, B = 2, C = 20**, that makes **30 numbers per cell** and a target of **7 x 7 x 30**.

# %%
S, B, C = 7, 2, 20
cell_length = 5 * B + C


def make_yolo_target(classes: Tensor, boxes: Tensor, size: int) -> Tensor:
    """nb x S x S x 30: in the cells that hold a center the box, twice, and 1 for its class."""
    nb, nb_objects = classes.shape
    target = torch.zeros(nb, S, S, cell_length)
    position = boxes[..., :2] / size * S  # in cells
    column, row = position.long().unbind(dim=2)
    box = torch.cat([position % 1, boxes[..., 2:] / size, torch.ones(nb, nb_objects, 1)], dim=2)
    sample = torch.arange(nb).view(-1, 1).expand(nb, nb_objects)
    target[sample, row, column, : 5 * B] = box.repeat(1, 1, B)
    target[sample, row, column, 5 * B + classes] = 1.0
    return target


target = make_yolo_target(scene_classes, scene_boxes, size=96)
print(
    "target",
    tuple(target.shape),
    "- objects in the cells",
    (target[0, :, :, 4] == 1).nonzero().tolist(),
)
row, column = (target[0, :, :, 4] == 1).nonzero()[0]
for start in range(0, 10, 5):
    print(
        "  x, y, w, h, confidence:",
        [round(value, 2) for value in target[0, row, column, start : start + 5].tolist()],
    )
print("  classes:", target[0, row, column, 10:].int().tolist())

figure, ax = plt.subplots(figsize=(2.6, 2.6))
show_image(ax, scene[0])
for line in range(S + 1):
    ax.axhline(line * 96 / S - 0.5, color="w", linewidth=0.5)
    ax.axvline(line * 96 / S - 0.5, color="w", linewidth=0.5)
for x, y, w, h in scene_boxes[0].tolist():
    ax.add_patch(plt.Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor="k"))
    ax.plot(x, y, "k.")
prologue.show("The scene under a grid of 7 x 7 cells, with the box and the center of each shape.")

# %% [markdown]
# **The loss** is a sum of squared errors. In a cell with an object, the box that fits best answers for it: its
# position and the square roots of its size (a pixel matters more for a small box) with a weight of 5, and its
# confidence, which should be the overlap (intersection over union) that it reaches. All other boxes should have
# confidence 0: weight 1/2, because they are many. The overlap of two boxes $A$ and $B$ is
#
# $$\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|} .$$
#
# With the true $x, y, w, h$ and class $k$ of an object in cell $i$, the answers $\hat x, \hat y, \hat w, \hat h$ and
# the confidence $\hat c$ of the box $j$ that answers for it, and the scores $\hat p$ of the cell, the loss is
#
# $$\begin{aligned}
# & 5 \sum_{(i, j)} \left[ (\hat x - x)^2 + (\hat y - y)^2 + (\sqrt{\hat w} - \sqrt{w})^2 +
#   (\sqrt{\hat h} - \sqrt{h})^2 \right] \\
# & + \sum_{(i, j)} \left( \hat c - \mathrm{IoU} \right)^2 + \frac{1}{2} \sum_{\text{other boxes}} \hat c^2 +
#   \sum_{i} \sum_{c} \left( \hat p_c - 1_{\{c = k\}} \right)^2 .
# \end{aligned}$$
#
# Look at the terms for a perfect answer, and for the answer 1/2 everywhere.


# %%
def compute_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (... x 4: center x, y, width, height, in the same unit)."""
    low = torch.maximum(a[..., :2] - a[..., 2:4] / 2, b[..., :2] - b[..., 2:4] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:4] / 2, b[..., :2] + b[..., 2:4] / 2)
    intersection = (high - low).clamp(min=0).prod(dim=-1)
    return intersection / (
        a[..., 2:4].prod(dim=-1) + b[..., 2:4].prod(dim=-1) - intersection
    ).clamp(min=1e-9)


def compute_yolo_terms(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The terms of the loss per image; output (from 0 to 1) and target are nb x S x S x 30."""
    occupied = target[..., 4] == 1
    guess, truth = output[occupied], target[occupied]  # one row of 30 per object
    guess_boxes, truth_box = guess[:, : 5 * B].view(-1, B, 5), truth[:, None, :5]
    unit = guess.new_tensor([1 / S, 1 / S, 1, 1])  # positions are in cells, sizes in images
    iou = compute_iou(guess_boxes[..., :4] * unit, truth_box[..., :4] * unit).detach()
    best = F.one_hot(iou.argmax(dim=1), B).bool()
    box, box_truth = guess_boxes[best], truth[:, :5]

    empty = output[~occupied][:, : 5 * B].reshape(-1, 5)[:, 4].square().sum()
    other = guess_boxes[~best][:, 4].square().sum()
    terms = {
        "position": 5 * (box[:, :2] - box_truth[:, :2]).square().sum(),
        "size": 5 * (box[:, 2:4].sqrt() - box_truth[:, 2:4].sqrt()).square().sum(),
        "confidence": (box[:, 4] - iou[best]).square().sum(),
        "no object": 0.5 * (empty + other),
        "class": (guess[:, 5 * B :] - truth[:, 5 * B :]).square().sum(),
    }
    return {name: value / output.size(0) for name, value in terms.items()}


perfect = target.clone()
perfect[..., 9] = 0  # the second box of each cell stays out
for name, answer in (("perfect answer", perfect), ("1/2 everywhere", torch.full_like(target, 0.5))):
    terms = compute_yolo_terms(answer, target)
    print(
        f"{name}: total {sum(terms.values()):.3f},",
        {term: round(value.item(), 3) for term, value in terms.items()},
    )
terms_of_perfect = compute_yolo_terms(perfect, target)
terms_of_half = compute_yolo_terms(torch.full_like(target, 0.5), target)

# %% [markdown]
# **A detector in one pass.** A small convnet turns scenes of 84 x 84 with three objects into 7 x 7 x 30 numbers. Look
# at the terms on new scenes after the training.


# %%
class Yolo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers, nb_in = [], 3
        for nb_out, kernel_size, stride in (
            (16, 5, 2),
            (32, 3, 2),
            (64, 3, 3),
            (64, 3, 1),
        ):  # 84, 42, 21, 7, 7
            layers += [
                nn.Conv2d(nb_in, nb_out, kernel_size, stride, kernel_size // 2),
                nn.BatchNorm2d(nb_out),
                nn.ReLU(),
            ]
            nb_in = nb_out
        self.layers = nn.Sequential(*layers, nn.Conv2d(nb_in, cell_length, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).sigmoid().permute(0, 2, 3, 1)


train_scenes, train_scene_classes, train_boxes, _ = draw_scenes(
    pick(4000, 200), size=84, nb_objects=3, grid=3
)
test_scenes, test_scene_classes, test_boxes, _ = draw_scenes(
    pick(500, 50), size=84, nb_objects=3, grid=3
)
train_grid = make_yolo_target(train_scene_classes, train_boxes, size=84).to(device)
test_grid = make_yolo_target(test_scene_classes, test_boxes, size=84).to(device)
yolo = Yolo().to(device)


def yolo_loss(output: Tensor, target: Tensor) -> Tensor:
    return sum(compute_yolo_terms(output, target).values())


with torch.no_grad():
    yolo_loss_before = yolo_loss(yolo(test_scenes.to(device)), test_grid).item()
train(
    yolo,
    train_scenes.to(device),
    train_grid,
    nb_epochs=pick(12, 2),
    lr=5e-3,
    compute_loss=yolo_loss,
)
with torch.no_grad():
    detections = yolo(test_scenes.to(device))
    terms = compute_yolo_terms(detections, test_grid)
yolo_loss_after = sum(terms.values()).item()
print(
    f"test loss {yolo_loss_before:.2f} -> {yolo_loss_after:.2f},",
    {name: round(t.item(), 3) for name, t in terms.items()},
)

# %% [markdown]
# **From the tensor to boxes.** The score of a box for a class is its confidence times the class's score. Several
# cells may report the same object: non-maximum suppression keeps the best box and drops those that overlap it. Look
# at the boxes and at the proportion of objects that were found: right class, and an overlap above one half.


# %%
def read_detections(
    output: Tensor, size: int, threshold: float = 0.25
) -> list[tuple[int, float, Tensor]]:
    """(class, score, box in pixels) of one image's S x S x 30, best first, without overlaps."""
    boxes = output[..., : 5 * B].reshape(S, S, B, 5)
    column = torch.arange(S).view(1, S, 1)
    x, y = (boxes[..., 0] + column) * size / S, (boxes[..., 1] + column.transpose(0, 1)) * size / S
    pixels = torch.stack([x, y, boxes[..., 2] * size, boxes[..., 3] * size], dim=-1).view(-1, 4)
    scores, numbers = (boxes[..., 4:] * output[:, :, None, 5 * B :]).reshape(-1, C).max(dim=1)
    kept = []
    for index in scores.argsort(descending=True):
        if scores[index] < threshold:
            break
        if all(compute_iou(pixels[index], box) < 0.5 for _, _, box in kept):
            kept.append((numbers[index].item(), scores[index].item(), pixels[index]))
    return kept


nb_found = nb_reported = 0
for output, true_classes, true_boxes in zip(
    detections.cpu(), test_scene_classes, test_boxes, strict=True
):
    reported = read_detections(output, size=84)
    nb_reported += len(reported)
    for number, true_box in zip(true_classes.tolist(), true_boxes, strict=True):
        nb_found += any(n == number and compute_iou(box, true_box) > 0.5 for n, _, box in reported)
recall, precision = nb_found / test_scene_classes.numel(), nb_found / max(1, nb_reported)
print(f"{recall:.1%} of the objects are found, {precision:.1%} of the boxes are right")

figure, axes = plt.subplots(1, 4, figsize=(9, 2.3), layout="constrained")
for ax, image, output in zip(axes, test_scenes, detections.cpu(), strict=False):
    show_image(ax, image)
    for number, score, (x, y, w, h) in read_detections(output, size=84):
        ax.add_patch(plt.Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor="w"))
        ax.text(
            x - w / 2, y - h / 2, f"{NAMES[number]} {score:.2f}", color="w", fontsize=6, va="bottom"
        )
prologue.show("Four new scenes with the boxes that the network reports, each with class and score.")

# %% [markdown]
# ## 5. A class for each pixel: FCN
#
# Convolutions all the way: down by strides, then up by transposed convolutions, with the scores of the finer map
# added on the way up (J. Long, E. Shelhamer and T. Darrell, *Fully convolutional networks for semantic segmentation*,
# 2014). A transposed convolution with kernel $k$, stride $s$ and padding $p$ makes of a width $n$ the width
# $s (n - 1) + k - 2 p$: here $2 (n - 1) + 4 - 2 = 2 n$. Lecture 9 shows how it computes.
#
# The target is the class of each pixel: 20, and the background. The loss is the mean cross-entropy of the pixels.
# With $n_{ab}$, the number of pixels of class $a$ that are called $b$, the *mean intersection over union* is
#
# $$\frac{1}{21} \sum_{a=0}^{20} \frac{n_{aa}}{\sum_b n_{ab} + \sum_b n_{ba} - n_{aa}} .$$
#
# Look at it: answering "background" everywhere has most pixels right, and a mean IoU of nearly nothing.


# %%
class FCN(nn.Module):
    def __init__(self, nb_classes: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2, padding=2), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.coarse = nn.Sequential(
            nn.Conv2d(32, 64, 5, stride=2, padding=2), nn.BatchNorm2d(64), nn.ReLU()
        )
        self.context = nn.Sequential(nn.Conv2d(64, 64, 5, padding=2), nn.BatchNorm2d(64), nn.ReLU())
        self.up_from_coarse = nn.ConvTranspose2d(64, nb_classes, 4, stride=2, padding=1)
        self.score_fine = nn.Conv2d(32, nb_classes, 1)
        self.up_from_fine = nn.ConvTranspose2d(nb_classes, nb_classes, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        return self.up_from_fine(
            self.up_from_coarse(self.context(self.coarse(fine))) + self.score_fine(fine)
        )


def compute_mean_iou(answer: Tensor, labels: Tensor, nb_classes: int) -> float:
    """Mean of the classes' intersection over union, over the pixels of all images."""
    pairs = torch.bincount((labels * nb_classes + answer).flatten(), minlength=nb_classes**2)
    counts = pairs.view(nb_classes, nb_classes).float()
    both = counts.diagonal()
    return (both / (counts.sum(dim=0) + counts.sum(dim=1) - both).clamp(min=1)).mean().item()


fcn_images, _, _, fcn_labels = draw_scenes(pick(1500, 100), size=48, nb_objects=2, grid=2)
new_images, _, _, new_labels = draw_scenes(pick(300, 40), size=48, nb_objects=2, grid=2)
fcn = FCN(nb_classes=21).to(device)
train(fcn, fcn_images.to(device), fcn_labels.to(device), nb_epochs=pick(8, 4), lr=1e-2)
with torch.no_grad():
    answers = fcn(new_images.to(device)).argmax(dim=1).cpu()

pixel_accuracy, mean_iou = {}, {}
for name, answer in (("background everywhere", torch.zeros_like(new_labels)), ("FCN", answers)):
    pixel_accuracy[name] = (answer == new_labels).float().mean().item()
    mean_iou[name] = compute_mean_iou(answer, new_labels, nb_classes=21)
    print(
        f"{name:22s}: {pixel_accuracy[name]:.1%} of the pixels right, mean IoU {mean_iou[name]:.3f}"
    )

figure, axes = plt.subplots(2, 6, figsize=(8, 2.8), layout="constrained")
for k in range(4):
    show_image(axes[k // 2, 3 * (k % 2)], new_images[k])
    for offset, picture in ((1, new_labels[k]), (2, answers[k])):
        axes[k // 2, 3 * (k % 2) + offset].imshow(picture.numpy(), vmin=0, vmax=20, cmap="tab20")
        axes[k // 2, 3 * (k % 2) + offset].axis("off")
prologue.show(
    "Four images, each with its map of true classes and the map that the network gives, "
    "one color a class."
)

# %% [markdown]
# ## 6. Feeding the network: DataLoader
#
# A `Dataset` says how many samples there are and makes one; a `DataLoader` shuffles, cuts into mini-batches and, with
# `num_workers`, prepares the next ones in other processes. Here each digit is normalized and shifted by up to two
# pixels, differently in each epoch. Look at the mean and the standard deviation: those of all 60 000 training images of
# MNIST are **0.1307 and 0.3081**, with pixels from 0 to 1.


# %%
class ShiftedDigits(Dataset):
    def __init__(self, images: Tensor, targets: Tensor) -> None:
        self.images, self.targets = images.float() / 255, targets
        self.mean, self.std = self.images.mean(), self.images.std()

    def __len__(self) -> int:
        return self.images.size(0)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        shift = torch.randint(-2, 3, (2,)).tolist()
        return ((self.images[index] - self.mean) / self.std).roll(shift, dims=(1, 2)), self.targets[
            index
        ]


train_digits, train_targets, test_digits, test_targets = prologue.read_mnist()
digits = ShiftedDigits(train_digits[: pick(20000, 1000)], train_targets[: pick(20000, 1000)])
loader = DataLoader(digits, batch_size=100, shuffle=True)
batch, batch_targets = next(iter(loader))
digits_mean, digits_std = digits.mean.item(), digits.std.item()
print(f"mean {digits_mean:.4f} (MNIST 0.1307), std {digits_std:.4f} (MNIST 0.3081)")
print(
    f"{len(loader)} batches of {tuple(batch.shape)}, the first one has mean {batch.mean():.2f}",
    f"and std {batch.std():.2f}",
)

# %% [markdown]
# **One epoch** with the loader. Look at the loop: the batches move to the device inside it, so that only one at a
# time needs room there.

# %%
lenet_features = [
    nn.Conv2d(1, 16, 5, stride=2),
    nn.ReLU(),
    nn.Conv2d(16, 32, 5, stride=2),
    nn.ReLU(),
    nn.Flatten(),
]
lenet = nn.Sequential(*lenet_features, nn.Linear(512, 100), nn.ReLU(), nn.Linear(100, 10)).to(
    device
)
optimizer = torch.optim.Adam(lenet.parameters(), lr=2e-3)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(lenet(x.to(device)), y.to(device)).backward()
    optimizer.step()
normalized_test = (test_digits[:2000].float() / 255 - digits.mean) / digits.std
digits_error = compute_error(lenet, normalized_test.to(device), test_targets[:2000].to(device))
print(f"test error after one epoch of {len(digits)} digits: {digits_error:.1%}")

# %% [markdown]
# ## 7. A monster: layers taken over
#
# The first layer of the classifier of shapes, grafted onto eight residual blocks of 64 channels, for CIFAR10, trained
# with Adam and a rate of 1e-2. During the first half of the epochs the graft is **frozen**: `requires_grad_(False)`,
# and the optimizer does not get it. Then everything learns. A residual block computes $\mathrm{ReLU}(x + F(x))$ (K. He,
# X. Zhang, S. Ren and J. Sun, *Deep residual learning for image recognition*, 2015). Look at what moves when.


# %%
class Block(nn.Module):
    def __init__(self, nb_channels: int) -> None:
        super().__init__()
        layers = [
            nn.Conv2d(nb_channels, nb_channels, 3, padding=1),
            nn.BatchNorm2d(nb_channels),
            nn.ReLU(),
        ]
        self.layers = nn.Sequential(
            *layers, nn.Conv2d(nb_channels, nb_channels, 3, padding=1), nn.BatchNorm2d(nb_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))


class Monster(nn.Module):
    def __init__(self, first: nn.Conv2d, nb_blocks: int = 8, nb_classes: int = 10) -> None:
        super().__init__()
        self.first = first
        self.blocks = nn.Sequential(*(Block(first.out_channels) for _ in range(nb_blocks)))
        self.fc = nn.Linear(first.out_channels, nb_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.first(x)), kernel_size=2)  # 64 x 6 x 6
        return self.fc(self.blocks(x).mean(dim=(2, 3)))


data = prologue.load_data(cifar=True, normalize=True, flatten=False)
train_input, train_target, test_input, test_target = (tensor.to(device) for tensor in data)
first = nn.Conv2d(3, 64, 7, stride=2).to(device)
first.load_state_dict(classifier[0].state_dict())
monster = Monster(first, nb_blocks=pick(8, 2)).to(device)

first_layer_moved, monster_errors, monster_losses = {}, {}, {}
for phase, learns in (("frozen", False), ("free", True)):
    monster.first.requires_grad_(learns)
    before = monster.first.weight.detach().clone()
    monster_losses[phase] = train(monster, train_input, train_target, nb_epochs=pick(6, 1), lr=1e-2)
    first_layer_moved[phase] = (monster.first.weight - before).norm().item()
    monster_errors[phase] = compute_error(monster, test_input, test_target)
    print(f"{phase:6s}: the first layer moved by {first_layer_moved[phase]:.3f},", end=" ")
    print(f"train loss {monster_losses[phase]:.3f}, test error {monster_errors[phase]:.1%}")

kernels = monster.first.weight.detach().cpu()
kernels = F.pad(kernels / kernels.abs().amax(dim=(1, 2, 3), keepdim=True), (0, 1, 0, 1), value=1.0)
figure, ax = plt.subplots(figsize=(8, 2.2))
show_image(
    ax, kernels.view(4, 16, 3, 8, 8).permute(2, 0, 3, 1, 4).reshape(3, 32, 128)
)  # 4 rows of 16
prologue.show(
    "The 64 kernels of the first layer in color, 7 x 7 pixels each: edges and spots of two colors "
    "among much noise."
)

# %% [markdown]
# ## 8. Pretrained weights
#
# Networks that were trained on many images are published as files of weights. Whoever has few samples of another task
# begins with such a file instead of random numbers: only the last layer is new. There are two ways to go on. *Frozen*:
# only the last layer learns. *Fine-tuned*: everything learns. (J. Yosinski, J. Clune, Y. Bengio and H. Lipson, *How
# transferable are features in deep neural networks?*, 2014.)
#
# Here is such a file, made in a few seconds: a network learns the digits 0 to 5, and its `state_dict` is saved.
# With `weights_only=True`, `torch.load` accepts tensors and refuses programs; `map_location` puts them on the CPU,
# from where `load_state_dict` copies them to the model's device. Look at the names of the tensors.


# %%
def make_digit_net(nb_classes: int) -> nn.Sequential:
    layers = [nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU()]
    hidden = [nn.Flatten(), nn.Linear(512, 100), nn.ReLU()]
    return nn.Sequential(*layers, *hidden, nn.Linear(100, nb_classes)).to(device)


def choose_digits(images: Tensor, targets: Tensor, first: int, end: int) -> tuple[Tensor, Tensor]:
    """The normalized images (N x 1 x 28 x 28) of the digits from `first` to before `end`."""
    chosen = (targets >= first) & (targets < end)
    x = (images[chosen].float() / 255 - digits.mean) / digits.std
    return x.view(-1, 1, 28, 28).to(device), targets[chosen].to(device) - first


nb_digits = pick(10000, 1500)
many_x, many_y = choose_digits(train_digits[:nb_digits], train_targets[:nb_digits], 0, 6)
pretrained = make_digit_net(6)
train(pretrained, many_x, many_y, nb_epochs=2)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "digits-0-to-5.pt"
torch.save(pretrained.state_dict(), path)
state = torch.load(path, map_location="cpu", weights_only=True)
print(f"{path.stat().st_size / 1000:.0f} kB: {', '.join(state)}")

# %% [markdown]
# The other task: tell 6, 7, 8 and 9 apart, with **five samples of each**. `load_state_dict(..., strict=False)` leaves
# alone what the file does not have, the new last layer. Look at the errors for five draws of the samples: which way is
# the best on average? What learns when frozen is 404 numbers of 65 000.

# %%
few_x, few_y = choose_digits(
    train_digits[-pick(5000, 500) :], train_targets[-pick(5000, 500) :], 6, 10
)
new_x, new_y = choose_digits(
    test_digits[: pick(2000, 1000)], test_targets[: pick(2000, 1000)], 6, 10
)


def learn_from_few(way: str, seed: int) -> float:
    """The test error after a training on 20 samples that the seed draws."""
    torch.manual_seed(seed)
    order = torch.randperm(len(few_y)).to(device)
    samples = torch.cat([order[few_y[order] == digit][:5] for digit in range(4)])
    model = make_digit_net(4)
    if way != "from scratch":
        kept = {name: tensor for name, tensor in state.items() if not name.startswith("7.")}
        model.load_state_dict(kept, strict=False)
    if way == "frozen":
        model[:7].requires_grad_(False)
    train(model, few_x[samples], few_y[samples], nb_epochs=40, batch_size=10)
    return compute_error(model, new_x, new_y)


errors_of_few = {}
for way in ("from scratch", "frozen", "fine-tuned"):
    errors_of_few[way] = [learn_from_few(way, seed) for seed in range(5)]
    mean = sum(errors_of_few[way]) / 5
    print(f"{way:12s}", *(f"{error:6.1%}" for error in errors_of_few[way]), f" mean {mean:.1%}")
folder.cleanup()

# %% [markdown]
# ## Try
#
# 1. Put two centers into one cell of the target of section 4. What is lost? Which S would have saved it?
# 2. Train the classifier with a 21st class, windows without an object, and look at the maps of section 3 again.
# 3. In section 8, give the networks 10 and 20 samples of each digit in place of 5. What is the pretraining worth then?
