# %% [markdown]
# # Lecture 7: computer vision
#
# From classifying a picture to finding what is where in it: a classifier made convolutional, detection with a grid of
# cells, a class for every pixel, and layers taken over from another task. The pictures are drawn here. Runs in about
# two minutes.

# %%
# %matplotlib inline
import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
device = prologue.device
NAMES = ("square", "disc", "cross")

# %% [markdown]
# ## Pictures with one shape

# %%
rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")


def draw_shape(kind, row, column, radius, size):
    y, x = (rows[:size, :size] - row).abs(), (columns[:size, :size] - column).abs()
    if kind == 0:
        return (torch.maximum(x, y) < radius * 0.8).float()
    if kind == 1:
        return (x.square() + y.square() < radius**2).float()
    return ((torch.minimum(x, y) < radius * 0.3) & (torch.maximum(x, y) < radius)).float()


def draw_picture(size, nb_shapes):
    picture, boxes = 0.3 * torch.rand(1, size, size), []
    for _ in range(nb_shapes):
        kind, radius = int(torch.randint(0, 3, ())), float(torch.empty(()).uniform_(7, 11))
        row, column = torch.empty(2).uniform_(radius, size - radius).tolist()
        picture[0] = torch.maximum(picture[0], draw_shape(kind, row, column, radius, size))
        boxes.append((kind, row, column, radius))
    return picture, boxes


def draw_set(nb):
    drawn = [draw_picture(32, 1) for _ in range(nb)]
    return torch.stack([picture for picture, _ in drawn]), torch.tensor([boxes[0][0] for _, boxes in drawn])


train_input, train_target = draw_set(prologue.pick(2000, 600))
test_input, test_target = draw_set(300)

# %% [markdown]
# ## A classifier
#
# Convolutional layers, then linear ones: the order of the large networks for photographs, for pictures of 32 x 32.

# %%
classifier = nn.Sequential(
    nn.Conv2d(1, 16, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 5 * 5, 64),
    nn.ReLU(),
    nn.Linear(64, 3),
).to(device)


def train(model, input, target, nb_epochs, rate=2e-3):
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=rate)
    model.train()
    for _ in range(nb_epochs):
        for x, t in zip(input.split(50), target.split(50), strict=True):
            loss = F.cross_entropy(model(x.to(device)), t.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()


def measure_error(model, input, target):
    with torch.no_grad():
        return (model(input.to(device)).argmax(1).cpu() != target).float().mean().item()


train(classifier, train_input, train_target, prologue.pick(10, 8))
classifier_error = measure_error(classifier, test_input, test_target)
print(f"test error {classifier_error:.1%}")

# %% [markdown]
# ## The same network on larger pictures
#
# A linear layer on a map of C x h x w is a convolution with filters of that size. Rewritten so, the network takes
# pictures of any size and gives a map of scores, with the computation shared between neighbouring windows.


# %%
def convolutionize(layers, input_size):
    result, x = [], torch.zeros((1, *input_size), device=device)
    for layer in layers:
        if isinstance(layer, nn.Flatten):
            continue
        if isinstance(layer, nn.Linear):
            shape = (layer.out_features, *x.shape[1:])
            convolution = nn.Conv2d(shape[1], shape[0], shape[2:]).to(device)
            with torch.no_grad():
                convolution.weight.copy_(layer.weight.view(shape))
                convolution.bias.copy_(layer.bias)
            layer = convolution
        result.append(layer)
        x = layer(x)
    return nn.Sequential(*result)


dense = convolutionize(classifier, (1, 32, 32))
scene, scene_boxes = draw_picture(96, 3)
with torch.no_grad():
    same_scores = torch.allclose(
        dense(test_input[:5].to(device)).flatten(1), classifier(test_input[:5].to(device)), atol=1e-4
    )
    score_map = dense(scene[None].to(device))
same_scores, score_map.shape

# %%
figure, axes = plt.subplots(1, 4, figsize=(11, 2.6))
for axis, image, name in zip(axes, (scene[0], *score_map[0].softmax(0).cpu()), ("scene", *NAMES), strict=True):
    axis.imshow(image, cmap="gray")
    axis.set_title(name)
    axis.axis("off")

# %% [markdown]
# ## Detection with a grid
#
# The picture is cut into S x S cells. The cell that holds the centre of an object answers for it: B boxes of (x, y,
# w, h, confidence), and a score for each of C classes. With S = 7, B = 2 and C = 20 that is a vector of 5 · 2 + 20 =
# 30 numbers for each cell, a tensor of 7 x 7 x 30.

# %%
S, B, C = 7, 2, 20
cell_size = 5 * B + C


def make_target(boxes, size):
    """The tensor that a detector should give: S x S x (5 B + C), boxes relative to their cell and to the picture."""
    target = torch.zeros(S, S, cell_size)
    for kind, row, column, radius in boxes:
        i, j = int(row * S / size), int(column * S / size)
        box = torch.tensor([column * S / size - j, row * S / size - i, 2 * radius / size, 2 * radius / size, 1.0])
        target[i, j, : 5 * B] = box.repeat(B)
        target[i, j, 5 * B + kind] = 1.0
    return target


target = make_target(scene_boxes, 96)
target.shape, int((target[:, :, 4] > 0).sum())

# %% [markdown]
# The loss adds four terms: places and sizes of the box that fits best (roots of sizes, so that a pixel matters more
# in a small box; weighted by 5), its confidence, the confidence of all boxes without an object (weighted by 0.5), and
# the classes.


# %%
def overlap(a, b):
    """Intersection over union of boxes (x, y, w, h)."""
    low = torch.maximum(a[..., :2] - a[..., 2:4] / 2, b[..., :2] - b[..., 2:4] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:4] / 2, b[..., :2] + b[..., 2:4] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (a[..., 2:4].prod(-1) + b[..., 2:4].prod(-1) - shared).clamp(min=1e-9)


def compute_loss_terms(output, target):
    guesses, wanted = output[..., : 5 * B].view(S, S, B, 5), target[..., : 5 * B].view(S, S, B, 5)
    occupied = target[..., 4] > 0
    quality = overlap(guesses * torch.tensor([1 / S, 1 / S, 1, 1, 1]), wanted * torch.tensor([1 / S, 1 / S, 1, 1, 1]))
    best = F.one_hot(quality.argmax(-1), B).bool() & occupied[..., None]
    place = (guesses[best][:, :2] - wanted[best][:, :2]).pow(2).sum()
    sizes = (guesses[best][:, 2:4].clamp(min=0).sqrt() - wanted[best][:, 2:4].sqrt()).pow(2).sum()
    sure = (guesses[best][:, 4] - quality[best]).pow(2).sum()
    empty = guesses[~best][:, 4].pow(2).sum()
    kinds = (output[occupied][:, 5 * B :] - target[occupied][:, 5 * B :]).pow(2).sum()
    return {"box": 5 * (place + sizes), "object": sure, "no object": 0.5 * empty, "class": kinds}


perfect = target.clone()
perfect[..., 9] = 0  # one box for each object is enough
terms_perfect = {name: value.item() for name, value in compute_loss_terms(perfect, target).items()}
terms_zero = {name: value.item() for name, value in compute_loss_terms(torch.zeros_like(target), target).items()}
terms_perfect, terms_zero

# %% [markdown]
# ## A class for every pixel
#
# Down with strided convolutions, up with transposed ones: the output has the size of the input, and each pixel its
# scores.


# %%
def draw_mask(boxes, size):
    mask = torch.zeros(size, size, dtype=torch.long)
    for kind, row, column, radius in boxes:
        mask[draw_shape(kind, row, column, radius, size) > 0] = kind + 1
    return mask


scenes = [draw_picture(48, 2) for _ in range(prologue.pick(400, 100))]
scene_input = torch.stack([picture for picture, _ in scenes])
scene_mask = torch.stack([draw_mask(boxes, 48) for _, boxes in scenes])
fcn = nn.Sequential(
    nn.Conv2d(1, 16, 5, stride=2, padding=2),
    nn.ReLU(),
    nn.Conv2d(16, 32, 5, stride=2, padding=2),
    nn.ReLU(),
    nn.Conv2d(32, 32, 5, padding=2),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
    nn.ReLU(),
    nn.ConvTranspose2d(16, 4, 4, stride=2, padding=1),
).to(device)
train(fcn, scene_input, scene_mask, prologue.pick(12, 25), rate=5e-3)
with torch.no_grad():
    pixel_classes = fcn(scene_input[:50].to(device)).argmax(1).cpu()
pixel_error = (pixel_classes != scene_mask[:50]).float().mean().item()
background_error = (scene_mask[:50] != 0).float().mean().item()
print(f"{pixel_error:.1%} of the pixels wrong; {background_error:.1%} if all were background")
figure, axes = plt.subplots(1, 3, figsize=(7, 2.4))
for axis, image in zip(axes, (scene_input[0, 0], scene_mask[0], pixel_classes[0]), strict=True):
    axis.imshow(image)
    axis.axis("off")

# %% [markdown]
# ## DataLoader
#
# It shuffles, cuts into mini-batches and, with workers, prepares the next ones meanwhile. Mean and standard deviation
# of the real MNIST, with pixels from 0 to 1, are 0.13 and 0.31: what you have, says the prologue.

# %%
digits, digit_classes, _, _ = prologue.load_data(flatten=False)
loader = DataLoader(TensorDataset(digits / 255, digit_classes), batch_size=100, shuffle=True)
pixel_sum = square_sum = nb_pixels = nb_batches = 0
for x, _ in loader:
    pixel_sum += x.sum().item()
    square_sum += x.pow(2).sum().item()
    nb_pixels += x.numel()
    nb_batches += 1
digits_mean = pixel_sum / nb_pixels
digits_std = (square_sum / nb_pixels - digits_mean**2) ** 0.5
print(f"{nb_batches} mini-batches, mean {digits_mean:.4f}, std {digits_std:.4f}")

# %% [markdown]
# ## Layers taken over
#
# The first layers of a trained network see edges and corners, which help with other pictures, too. Take those of the
# classifier, frozen at first, put new layers on top, and train on few samples of another task: is it a large shape or
# a small one?


# %%
def draw_by_size(nb):
    drawn = [draw_picture(32, 1) for _ in range(nb)]
    return torch.stack([picture for picture, _ in drawn]), torch.tensor([int(boxes[0][3] > 9) for _, boxes in drawn])


few_input, few_target = draw_by_size(100)
other_input, other_target = draw_by_size(300)
features = classifier[:6]
for parameter in features.parameters():
    parameter.requires_grad_(False)
monster = nn.Sequential(features, nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 9, 2)).to(device)
frozen = features[0].weight.clone()
train(monster, few_input, few_target, 15)
frozen_stayed = torch.equal(frozen, features[0].weight)
frozen_error = measure_error(monster, other_input, other_target)
for parameter in features.parameters():
    parameter.requires_grad_(True)
train(monster, few_input, few_target, 15, rate=5e-4)
tuned_moved = not torch.equal(frozen, features[0].weight)
print(
    f"test error {frozen_error:.1%} frozen, {measure_error(monster, other_input, other_target):.1%} after all layers learnt"
)

# %% [markdown]
# ## Try
#
# - Where does the map of scores light up between two shapes, and why?
# - How many numbers has a cell with three boxes and ten classes?
# - Train the last network from nothing, on the same 100 samples. How far does it come?
