# %% [markdown]
# # Lecture 8: under the hood
#
# What has a network learned, what does it look at, and how is it fooled? Its units as lines, its filters and
# activations as images, its layers in two dimensions, five ways to ask which pixels matter, inputs made to order,
# adversarial examples, and the receptive field of dilated convolutions. All networks are trained here.
#
# About a minute to run, an hour to read and play with.

# %%
import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch
from sklearn.manifold import TSNE
from torch import Tensor, nn
from torch.nn import functional as F

torch.manual_seed(0)
device = prologue.device
pick = prologue.pick  # pick(full, tiny): the second value in test mode
print(f"device {device}, data: {prologue.get_data_source('mnist')} MNIST")


def train(model: nn.Module, x: Tensor, y: Tensor, nb_epochs: int, lr: float) -> None:
    """Adam, cross-entropy, shuffled batches of 50; afterwards the model is in evaluation mode."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    for _ in range(nb_epochs):
        for batch in torch.randperm(x.size(0)).to(device).split(50):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    model.eval()


@torch.no_grad()
def compute_error(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return (model(x).argmax(dim=1) != y).float().mean().item()


def show_images(
    images: Tensor, words: str, title: str = "", per_row: int = 16, height: float = 0.55
) -> None:
    """N x H x W, each scaled to its own range, side by side; `words` say what is to be seen."""
    low, high = images.amin(dim=(1, 2), keepdim=True), images.amax(dim=(1, 2), keepdim=True)
    images = (
        F.pad((images - low) / (high - low).clamp(min=1e-9), (1, 1, 1, 1), value=1.0).detach().cpu()
    )
    rows = [torch.cat(list(row), dim=1) for row in images.split(per_row)]
    plt.figure(figsize=(height * per_row, height * len(rows) + 0.25))
    plt.imshow(torch.cat(rows).numpy(), cmap="gray")
    plt.title(title, fontsize=9)
    plt.axis("off")
    prologue.show(f"Images side by side: {words}")


# %% [markdown]
# ## 1. Units are lines
#
# A network 2 - 20 - 2 on points of the plane. Each hidden unit is a ReLU, which is zero on one side of a line. Look
# at the 20 lines before the training, and how they turn to where the classes meet. The border of the network (where
# the color of the ground changes) has a corner where it crosses a line, and nowhere else.

# %%
points = torch.rand(500, 2) * 2 - 1
labels = (points[:, 1] > 0.5 * torch.sin(4 * points[:, 0])).long()
points, labels = points.to(device), labels.to(device)
axis = torch.linspace(-1, 1, 100)
plane = torch.cartesian_prod(axis, axis).to(device)
plane_net = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 2)).to(device)

plane_errors = []
figure, axes = plt.subplots(1, 4, figsize=(10, 2.7), layout="constrained")
for ax, nb_epochs in zip(axes, (0, 5, 20, pick(200, 30)), strict=True):
    train(plane_net, points, labels, nb_epochs, lr=1e-2)
    plane_errors.append(compute_error(plane_net, points, labels))
    with torch.no_grad():
        margin = plane_net(plane).diff(dim=1).view(100, 100).t().cpu()
    ax.contourf(axis, axis, margin, levels=[-1000, 0, 1000], colors=["#cfe3ff", "#ffe0c2"])
    ax.scatter(*points.cpu().t(), c=labels.cpu(), s=2, cmap="coolwarm")
    for (u, v), bias in zip(plane_net[0].weight.tolist(), plane_net[0].bias.tolist(), strict=True):
        closest = -bias / (
            u**2 + v**2
        )  # the point of the line u x + v y + bias = 0 that is nearest to the origin
        ax.axline((closest * u, closest * v), slope=-u / v, color="k", linewidth=0.5)
    ax.set(
        xlim=(-1, 1),
        ylim=(-1, 1),
        xticks=[],
        yticks=[],
        title=f"{nb_epochs} more epochs: {plane_errors[-1]:.1%}",
    )
prologue.show(
    "The plane with points of two classes and the lines of 20 units, four times from no training "
    "to the end: lines gather at the border between the classes."
)

# %% [markdown]
# ## 2. Filters and activations
#
# The convnet of practical 4, on 1 000 digits. Look at the first layer's 5 x 5 filters: most look like noise. They began
# as noise, and the training changed them only as far as it needed; the number is the correlation of a filter with its
# start. Nothing in the loss asks for filters that mean something to the eye. What they do shows in their maps, further
# down. A filter of the second layer has 32 channels; three of them are shown.

# %%
data = prologue.load_data(cifar=False, normalize=True, flatten=False)
train_input, train_target, test_input, test_target = (tensor.to(device) for tensor in data)
first_layers = [
    nn.Conv2d(1, 32, 5),
    nn.MaxPool2d(3),
    nn.ReLU(),
    nn.Conv2d(32, 64, 5),
    nn.MaxPool2d(2),
    nn.ReLU(),
]
digit_net = nn.Sequential(
    *first_layers, nn.Flatten(), nn.Linear(256, 200), nn.ReLU(), nn.Linear(200, 10)
).to(device)
filters_before = digit_net[0].weight.detach().flatten(1).clone()
train(digit_net, train_input, train_target, nb_epochs=pick(25, 6), lr=2e-3)
digit_error = compute_error(digit_net, test_input, test_target)
pairs = torch.stack([filters_before, digit_net[0].weight.detach().flatten(1)], dim=1)
filter_correlation = torch.stack([pair.corrcoef()[0, 1] for pair in pairs]).mean().item()
print(
    f"test error {digit_error:.1%}, correlation of a filter with its start {filter_correlation:.2f}"
)

show_images(
    digit_net[0].weight[:, 0],
    "the 32 filters of the first layer, 5 x 5 pixels each: most look like noise.",
    "32 filters of the first layer",
)
show_images(
    digit_net[3].weight[:16, :3].transpose(0, 1).flatten(0, 1),
    "three rows of 16 filters of the second layer, 5 x 5 pixels each, which look like noise.",
    "second layer: 16 filters, 3 of their channels",
)

# %% [markdown]
# **What the layers make of one digit.** A forward hook keeps what a module gives, without a change to the network.
# Look at the maps of the first layer, which show bright and dark sides of the strokes, and at the shares of zeros: the
# rectifiers leave a good part of each layer at zero.

# %%
kept: dict[int, Tensor] = {}


def keep(index: int):
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept[index] = output.detach()

    return hook


handles = [digit_net[index].register_forward_hook(keep(index)) for index in (2, 5, 8)]
digit_net(test_input[:1])
for handle in handles:
    handle.remove()
show_images(
    kept[2][0],
    "the 32 maps of the first layer for one digit: its strokes, bright on one side or the other.",
    "first layer, after pooling and ReLU",
)
show_images(
    kept[5][0],
    "the 64 maps of the second layer for one digit, 2 x 2 pixels each; many pixels are black.",
    "second layer, after pooling and ReLU",
    per_row=32,
    height=0.28,
)
sparsity = {index: (activation == 0).float().mean().item() for index, activation in kept.items()}
print("zero activations:", {f"layer {index}": f"{share:.0%}" for index, share in sparsity.items()})

# %% [markdown]
# ## 3. Layers in two dimensions: t-SNE
#
# t-SNE places samples in the plane so that those which are close remain close; perplexity 50 means that each one
# cares for about 50 neighbors (L. van der Maaten and G. Hinton, *Visualizing data using t-SNE*, 2008). With
# probabilities $p_{ij}$ that fall with the distance of the samples like a Gaussian, and $q_{ij}$ that fall with the
# distance of their places $y_i$ in the plane, the places minimize
#
# $$\sum_{i \neq j} p_{ij} \log \frac{p_{ij}}{q_{ij}}, \quad
#   q_{ij} = \frac{(1 + \| y_i - y_j \|^2)^{-1}}{\sum_{k \neq l} (1 + \| y_k - y_l \|^2)^{-1}} .$$
#
# Look at the maps from left to right: the classes (colors) become clouds with gaps between them. The number is the
# proportion of samples whose nearest neighbor in the map has another class. It falls from the pixels to the second
# layer. In the hidden layer it need not fall further: what the network takes for another class lies in the cloud of
# that class, so the number stays near the test error of section 2.

# %%
nb_samples = pick(1000, 100)
layers = {
    "pixels": 0,
    "first layer": 3,
    "second layer": 6,
    "hidden layer": 9,
}  # the number of modules to go through
map_errors = {}
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained")
for ax, (name, nb_modules) in zip(axes, layers.items(), strict=True):
    with torch.no_grad():
        values = digit_net[:nb_modules](test_input[:nb_samples]).flatten(1).cpu()
    tsne = TSNE(perplexity=pick(50, 20), init="pca", random_state=0, max_iter=pick(1000, 250))
    position = torch.from_numpy(tsne.fit_transform(values.numpy()))
    nearest = (torch.cdist(position, position) + torch.eye(nb_samples) * 1e9).argmin(dim=1)
    classes = test_target[:nb_samples].cpu()
    map_errors[name] = (classes[nearest] != classes).float().mean().item()
    ax.scatter(*position.t(), c=classes, cmap="tab10", s=3)
    ax.set(xticks=[], yticks=[], title=f"{name}: {map_errors[name]:.1%}")
prologue.show(
    "Four maps of the test digits, from the pixels to the hidden layer, one color a class: "
    "a mixed crowd at the left, separate clouds at the right."
)

# %% [markdown]
# ## 4. Which pixels matter?
#
# A task where we know the answer: one shape somewhere in a noisy image, 40 x 40; the network must say which. Look at
# the images: a good explanation should point to the shape, wherever it is.

# %%
SHAPES = ("disc", "square", "cross")


def draw_shapes(nb: int, size: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """Images (nb x 1 x size x size), classes (nb), places of shapes (nb x size x size, bool)."""
    pixel = torch.arange(size) + 0.5
    radius = torch.empty(nb, 1, 1).uniform_(5, 8)
    center = radius + (size - 2 * radius) * torch.rand(nb, 1, 2)
    u = (pixel.view(1, 1, -1) - center[..., :1]).abs() / radius
    v = (pixel.view(1, -1, 1) - center[..., 1:]).abs() / radius
    disc, square, cross = (
        u.square() + v.square() < 1,
        u.maximum(v) < 0.9,
        (u.maximum(v) < 1) & (u.minimum(v) < 0.3),
    )
    classes = torch.randint(3, (nb,))
    inside = torch.stack([disc, square, cross], dim=1)[torch.arange(nb), classes]
    images = F.interpolate(
        torch.randn(nb, 1, 8, 8), size=size, mode="bicubic"
    ) * 0.4 + 0.3 * torch.randn(nb, 1, size, size)
    return (images + 1.5 * inside[:, None]).to(device), classes.to(device), inside.to(device)


shape_input, shape_target, _ = draw_shapes(pick(4000, 600))
images, classes, inside = draw_shapes(200)
convolutions = [
    nn.Conv2d(1, 16, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
]
more = [nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 25, 3)]
shape_net = nn.Sequential(*convolutions, *more).to(device)
train(shape_net, shape_input, shape_target, nb_epochs=pick(10, 7), lr=3e-3)
shape_error = compute_error(shape_net, images, classes)
print(f"test error {shape_error:.1%}; the shape covers {inside.float().mean():.1%} of the pixels")
show_images(
    images[:12, 0],
    "twelve gray noisy ones, each with one brighter shape: a disc, a square or a cross.",
    ", ".join(SHAPES[number] for number in classes[:12].tolist()),
    per_row=12,
    height=0.8,
)

# %% [markdown]
# **Occlusion** needs no gradient: put a gray square of 9 x 9 on each place, and note how far the score of the class
# falls. **Saliency** is the gradient $\nabla_x f_k(x)$ of the score of class $k$ with respect to the pixels: cheap and
# noisy (K. Simonyan, A. Vedaldi and A. Zisserman, *Deep inside convolutional networks*, 2013). **SmoothGrad** averages
# it over noisy copies of the image, $\mathbb{E} \, \nabla_x f_k(x + \epsilon)$ with $\epsilon \sim \mathcal{N}(0,
# \sigma^2 I)$ (D. Smilkov, N. Thorat, B. Kim, F. Viégas and M. Wattenberg, *SmoothGrad*, 2017).


# %%
def compute_saliency(image: Tensor, number: int) -> Tensor:
    """The gradient of the score of class `number` for images N x 1 x H x W."""
    image = image.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(shape_net(image)[:, number].sum(), image)
    return gradient


@torch.no_grad()
def compute_occlusion(image: Tensor, number: int, width: int = 9) -> Tensor:
    """How far the score falls when a square around a pixel is hidden (1 x 1 x H x W, as image)."""
    size = image.size(2)
    pixel = torch.arange(size, device=image.device)
    hidden = (
        pixel.view(-1, 1) - pixel.view(1, -1)
    ).abs() <= width // 2  # center x pixel, in one dimension
    mask = (hidden[:, None, :, None] & hidden[None, :, None, :]).view(-1, 1, size, size)
    scores = torch.cat(
        [shape_net(image.masked_fill(part, 0.0))[:, number] for part in mask.split(200)]
    )
    return (shape_net(image)[0, number] - scores).view(1, 1, size, size)


def compute_smooth_saliency(
    image: Tensor, number: int, nb_copies: int = 50, std: float = 0.5
) -> Tensor:
    noisy = image + std * torch.randn(nb_copies, *image.shape[1:], device=image.device)
    return compute_saliency(noisy, number).mean(dim=0, keepdim=True)


# %% [markdown]
# **Deconvolution** and **guided back-propagation** change one thing on the way back, what a ReLU lets through. The
# gradient passes where the *activation* was positive; deconvolution passes what is positive in the *gradient*; guided
# back-propagation demands both. With the input $s$ of a ReLU and the gradient $g$ with respect to its output, the
# three give
#
# $$g \, 1_{\{s > 0\}}, \quad g \, 1_{\{g > 0\}}, \quad g \, 1_{\{s > 0\}} \, 1_{\{g > 0\}} .$$
#
# (M. Zeiler and R. Fergus, *Visualizing and understanding convolutional networks*, 2014; J. Springenberg, A.
# Dosovitskiy, T. Brox and M. Riedmiller, *Striving for simplicity*, 2014.)
#
# A backward hook on each ReLU does it: look at its return value, which replaces the gradient.


# %%
def compute_with_rule(rule, image: Tensor, number: int) -> Tensor:
    """The saliency with `rule(gradient of the input, of the output)` for that of the ReLUs."""
    relus = [module for module in shape_net if isinstance(module, nn.ReLU)]
    hooks = [
        relu.register_full_backward_hook(lambda _, before, after: (rule(before[0], after[0]),))
        for relu in relus
    ]
    result = compute_saliency(image, number)
    for hook in hooks:
        hook.remove()
    return result


methods = {
    "occlusion": compute_occlusion,
    "saliency": compute_saliency,
    "SmoothGrad": compute_smooth_saliency,
    "deconvolution": lambda image, number: compute_with_rule(
        lambda before, after: F.relu(after), image, number
    ),
    "guided": lambda image, number: compute_with_rule(
        lambda before, after: F.relu(before), image, number
    ),
}

# %% [markdown]
# **Compared.** Look at the columns: image, occlusion, saliency, SmoothGrad, deconvolution, guided. The number is the
# share of each map's energy that falls on the shape or right beside it (3 pixels), against the share of the image
# which that is. Deconvolution points the least: it ignores which units were active for this image.

# %%
nb_explained = pick(20, 3)
near = F.max_pool2d(inside[:nb_explained, None].float(), kernel_size=7, stride=1, padding=3)
maps = {name: [] for name in methods}
for k in range(nb_explained):
    for name, compute in methods.items():
        maps[name].append(compute(images[k : k + 1], classes[k].item()).abs())
energy_share = {}
for name in methods:
    energy = torch.cat(maps[name]).square()
    energy_share[name] = (
        ((energy * near).sum(dim=(1, 2, 3)) / energy.sum(dim=(1, 2, 3))).mean().item()
    )
    print(f"{name:13s} {energy_share[name]:.0%} of the energy near the shape")
area_share = near.mean().item()
print(f"{'by chance':13s} {area_share:.0%}")
for k in range(3):
    title = "image, " + ", ".join(methods) if k == 0 else ""
    row = torch.cat([images[k], *(maps[name][k][0] for name in methods)])
    words = (
        "one with a shape and its five maps; occlusion marks the shape, saliency, SmoothGrad "
        "and guided are bright near it, deconvolution is bright in much of the image."
    )
    show_images(row, words, title, per_row=6, height=1.2)

# %% [markdown]
# ## 5. Inputs made to order
#
# Start from a gray image and climb the gradient of one class's log-probability in the digit network. Look at the
# two rows.
# Without more, the network is certain, and you see mostly noise. With a blur after each step, which takes away what
# only the network can see, the strokes of several digits come out.


# %%
def make_inputs(blur: bool, nb_steps: int = pick(200, 60)) -> Tensor:
    """One image for each of the ten classes (10 x 1 x 28 x 28)."""
    kernel = (
        torch.tensor([[1.0, 2.0, 1.0], [2.0, 12.0, 2.0], [1.0, 2.0, 1.0]], device=device).view(
            1, 1, 3, 3
        )
        / 24
    )
    wanted = torch.arange(10, device=device)
    x = torch.zeros(10, 1, 28, 28, device=device)
    for _ in range(nb_steps):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(digit_net(x), wanted, reduction="sum"), x)
        x = x - 0.5 * gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
        if blur:
            x = F.conv2d(x, kernel, padding=1)
    return x.detach()


made, confidence = {}, {}
for name, blur in (("free", False), ("blurred", True)):
    made[name] = make_inputs(blur)
    with torch.no_grad():
        confidence[name] = digit_net(made[name]).softmax(dim=1).diagonal()
    print(
        f"{name:7s}: probability of the wanted class",
        f"{confidence[name].min():.3f} to {confidence[name].max():.3f}",
    )
    words = (
        f"ten inputs made for the digits 0 to 9, {name}: gray images with bright and dark spots."
    )
    show_images(made[name][:, 0], words, name, per_row=10, height=0.9)

# %% [markdown]
# ## 6. Adversarial examples
#
# A step of the same size $\epsilon$ for each pixel, in the direction that raises the loss $\ell$: the sign of the
# gradient,
#
# $$x' = x + \epsilon \, \mathrm{sign}(\nabla_x \, \ell(f(x), y)) .$$
#
# (I. Goodfellow, J. Shlens and C. Szegedy, *Explaining and harnessing adversarial examples*, 2014.)
#
# Look at the table: random signs of the same size do little. It is the direction that hurts, not the size.

# %%
x, y = test_input[:200], test_target[:200]
attacked = x.detach().requires_grad_()
(gradient,) = torch.autograd.grad(F.cross_entropy(digit_net(attacked), y), attacked)
attack_errors = {}
print("epsilon  |change| / |image|  random signs  gradient's signs (error)")
for epsilon in (0.0, 0.1, 0.2, 0.4):
    random_signs, worst_signs = epsilon * torch.randn_like(x).sign(), epsilon * gradient.sign()
    attack_errors[epsilon] = (
        compute_error(digit_net, x + random_signs, y),
        compute_error(digit_net, x + worst_signs, y),
    )
    print(
        "{:7.1f} {:19.2f} {:13.1%} {:17.1%}".format(
            epsilon, worst_signs.norm() / x.norm(), *attack_errors[epsilon]
        )
    )

# %% [markdown]
# **The smallest change.** For single digits, go on in small steps until the answer changes. Look at the second row:
# you still read the first row's digits (C. Szegedy and others, *Intriguing properties of neural networks*, 2013). The
# third row, the change itself on its own gray scale, does not look like
# the digit that the network now reads.

# %%
with torch.no_grad():
    right = (digit_net(test_input).argmax(dim=1) == test_target).nonzero().flatten()[:10]
original = test_input[right]
fooling = original.clone()
for _ in range(200):
    fooling = fooling.detach().requires_grad_()
    scores = digit_net(fooling)
    still_right = scores.argmax(dim=1) == test_target[right]
    if not still_right.any():
        break
    (gradient,) = torch.autograd.grad(
        F.cross_entropy(scores, test_target[right], reduction="sum"), fooling
    )
    step = 0.2 * gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
    fooling = fooling + step * still_right.view(-1, 1, 1, 1)
fooling = fooling.detach()
with torch.no_grad():
    fooled_answers = digit_net(fooling).argmax(dim=1)
relative_change = (fooling - original).flatten(1).norm(dim=1) / original.flatten(1).norm(dim=1)
print("digit          ", test_target[right].tolist())
print("read as        ", fooled_answers.tolist())
print("relative change", [f"{value:.2f}" for value in relative_change.tolist()])
show_images(
    torch.cat([original, fooling, fooling - original])[:, 0],
    "ten digits, the same ones changed a little so that the network errs, and the changes alone, "
    "which look like spots.",
    per_row=10,
    height=0.9,
)

# %% [markdown]
# ## 7. Dilated convolutions
#
# To see far, a network must be deep, have large filters, or pool, which loses the position. A dilated filter leaves
# holes between its pixels instead (F. Yu and V. Koltun, *Multi-scale context aggregation by dilated convolutions*,
# 2015). Layers of kernel $k$, stride 1 and dilations $d_l$ have a receptive field of width $1 + (k - 1) \sum_l d_l$.
# Look at the receptive field, measured as the pixels where the gradient of one
# output is not zero: four layers of 3 x 3 filters see 9 x 9 pixels; with dilations 1, 2, 4, 8 they see **31 x 31,
# with the same number of parameters**.


# %%
def measure_receptive_field(dilations: tuple[int, ...]) -> Tensor:
    """Where one output of these 3 x 3 convolutions depends on the input (41 x 41, Boolean)."""
    layers = [nn.Conv2d(1, 1, 3, padding=dilation, dilation=dilation) for dilation in dilations]
    for layer in layers:
        nn.init.ones_(layer.weight)
    x = torch.zeros(1, 1, 41, 41, requires_grad=True)
    nn.Sequential(*layers)(x)[0, 0, 20, 20].backward()
    return x.grad[0, 0] != 0


fields = {
    dilations: measure_receptive_field(dilations)
    for dilations in ((1, 1, 1, 1), (1, 2, 4, 8), (2, 2, 2, 2))
}
field_width, field_pixels = {}, {}
for dilations, field in fields.items():
    columns = field.any(dim=0).nonzero().flatten()
    field_width[dilations] = int(columns.max() - columns.min()) + 1
    field_pixels[dilations] = int(field.sum())
    print(
        f"dilations {dilations}: {field_width[dilations]} pixels wide,",
        f"{field_pixels[dilations]} pixels seen",
    )
show_images(
    torch.stack(list(fields.values())).float(),
    "three receptive fields, a small full square, a large full square, and a square of dots with "
    "black pixels between them.",
    per_row=3,
    height=1.6,
)

# %% [markdown]
# ## Try
#
# 1. Hide squares of 3 x 3 and of 19 x 19 in the occlusion. What changes, and which one would you trust?
# 2. Give `shape_net` random weights again. Which of the five maps still show the shape? What do they explain then?
# 3. Train `digit_net` on digits changed by the gradient's signs, made anew for each batch. What happens to the
#    errors on clean digits and under the gradient's signs?
