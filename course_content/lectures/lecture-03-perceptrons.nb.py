# %% [markdown]
# # Lecture 3: from the perceptron to back-propagation
#
# Linear classifiers and what they cannot do, features that help, gradient descent, and multi-layer perceptrons with their
# gradient written by hand.
#
# Runs in about a minute; an hour to read and play with.

# %%
# %matplotlib inline
import math
from itertools import pairwise

import dlc_practical_prologue as prologue
import torch
from matplotlib import pyplot as plt
from torch.nn import functional as F

torch.manual_seed(0)
print(f"MNIST: {prologue.get_data_source('mnist')}")

# %% [markdown]
# ## 1. The perceptron
#
# $f(x) = \mathrm{sign}(w \cdot x)$, with classes $y$ of -1 and +1. Whenever a sample is on the wrong side, $y\, x$ is added to
# $w$. The algorithm stops when a whole *epoch*, a pass over all samples, changes nothing. This happens if and only if a plane
# through the origin separates the classes; a 1 added to each sample lets the plane lie anywhere (`add_one`).


# %%
def train_perceptron(x, y, nb_epochs_max):
    """The weights (D) for samples x (N x D) of classes y (N, -1 or +1); changes in each epoch."""
    w = torch.zeros(x.size(1))
    changes = []
    for _ in range(nb_epochs_max):
        nb_changes = 0
        for sample, sign in zip(x, y, strict=True):
            if sample.dot(w) * sign <= 0:
                w += sample * sign
                nb_changes += 1
        changes.append(nb_changes)
        if nb_changes == 0:
            break
    return w, changes


def add_one(x):
    """A column of ones, whose weight is the offset of the plane."""
    return torch.cat((x, torch.ones(x.size(0), 1)), dim=1)


# %% [markdown]
# **In the plane.** Two classes with a gap between them. If all samples are within $R$ of the origin and a plane through it leaves a margin
# $\gamma$ on both sides, there are at most $(R / \gamma)^2$ changes, however many samples there are. Look at the line: it separates,
# and it is not the one in the middle of the gap. Look at the changes, too: far fewer than the bound, because one sample of a plane
# says much about all others. Samples at right angles to each other say nothing about each other: with the 188 unit vectors of 188
# dimensions as samples, $R = 1$ and $\gamma = 1 / \sqrt{188}$, and the bound is reached, whatever their classes.

# %%
best = torch.tensor([0.6, 0.8])  # the true border is orthogonal to this direction, a unit vector
cloud = torch.empty(400, 2).uniform_(-1, 1)
cloud = cloud[(cloud @ best).abs() > 0.1]
side = (cloud @ best).sign()
w_plane, changes_plane = train_perceptron(cloud, side, nb_epochs_max=100)
bound = (cloud.norm(dim=1).max() / (cloud @ best).abs().min()).square().item()
print(f"plane: changes {changes_plane}, {sum(changes_plane)} in all, at most {bound:.0f}")
_, changes_units = train_perceptron(torch.eye(188), side[:188], nb_epochs_max=100)
print(f"unit vectors: changes {changes_units}, at most 188")

figure, ax = plt.subplots(figsize=(3.5, 3.5))
ax.scatter(*cloud.t(), c=side, s=6, cmap="coolwarm")
ends = torch.tensor([-1.0, 1.0])
ax.plot(ends, -best[0] / best[1] * ends, "k--", label="middle of the gap")
ax.plot(ends, -w_plane[0] / w_plane[1] * ends, "k", label="perceptron")
ax.set(xlim=(-1, 1), ylim=(-1, 1))
ax.legend(loc="lower left", fontsize=8)
prologue.show(
    "Two classes of points with a gap between them, the line in the middle of the gap and the "
    "perceptron's, which separates them, too."
)

# %% [markdown]
# **Zeros and ones of MNIST.** A run on the real data that the course showed made the changes below in its epochs: the error on the
# training samples went from 0.23 % after the first epoch to 0.00 %, the one on the test samples from 0.19 % to 0.14 %. Look at how
# few changes these samples of 784 dimensions needed. (Another order or scale of the samples gives other numbers. The digits of a
# stand-in are harder to separate: there, 50 epochs are not enough.)

# %%
published_changes = [64, 24, 10, 6, 5, 4, 3, 2, 0]
train_input, train_target, test_input, test_target = prologue.read_mnist()
nb = prologue.pick(60_000, 4000)


def select(input, target):
    chosen = target < 2
    return input[chosen].flatten(1).float(), 2.0 * target[chosen] - 1


x, y = select(train_input[:nb], train_target[:nb])
x_test, y_test = select(test_input, test_target)
mean, std = x.mean(), x.std()
x, x_test = add_one((x - mean) / std), add_one((x_test - mean) / std)
w_digits, changes = train_perceptron(x, y, nb_epochs_max=50)
train_error = ((x @ w_digits) * y <= 0).float().mean().item()
test_error = ((x_test @ w_digits) * y_test <= 0).float().mean().item()
print(f"{len(x)} samples, changes {changes}, in the course {published_changes}")
print(f"train error {train_error:.2%}, test error {test_error:.2%}")

# %% [markdown]
# The weights are an image: dark where ink speaks for a zero, bright where it speaks for a one. On the right is the mean of the
# ones minus the mean of the zeros, a bright stroke in a dark ring. Look for both on the left: they are there, under a grain that
# comes from the single samples which were added. The cosine between the two images says how much they have in common.

# %%
stroke = x[y > 0, :-1].mean(0) - x[y < 0, :-1].mean(0)
cosine = F.cosine_similarity(w_digits[:-1], stroke, dim=0).item()
print(f"cosine {cosine:.2f}; two images at random: 0 on average, give or take {784**-0.5:.2f}")
figure, axes = plt.subplots(1, 2, figsize=(5, 2.2))
for ax, image in zip(axes, (w_digits[:-1], stroke), strict=True):
    ax.imshow(image.view(28, 28), cmap="gray")
    ax.axis("off")
prologue.show(
    "Two gray images: the perceptron's weights, grainy, and the mean of the ones minus the mean "
    "of the zeros, a bright stroke in a dark ring."
)

# %% [markdown]
# ## 2. Linear discriminant analysis
#
# Two Gaussian classes that share their covariance and are equally frequent are separated best by a plane, and it follows from
# means and covariance alone: $w = \Sigma^{-1} (\mu_1 - \mu_0)$, through the point halfway between the means. Look at what the covariance is good for:
# without it, the line is orthogonal to the connection of the means, and three to five times as often wrong.

# %%
root = torch.linalg.cholesky(torch.tensor([[1.0, 1.1], [1.1, 1.5]]))
points = torch.cat(
    [mu + torch.randn(500, 2) @ root.t() for mu in torch.tensor([[-0.9, -0.3], [0.9, 0.3]])]
)
classes = torch.arange(1000) // 500

mu_0, mu_1 = (points[classes == c].mean(0) for c in (0, 1))
sigma = (torch.cov(points[classes == 0].t()) + torch.cov(points[classes == 1].t())) / 2
middle, direction = (mu_0 + mu_1) / 2, torch.linalg.solve(sigma, mu_1 - mu_0)
lda_error = (((points - middle) @ direction > 0) != classes).float().mean().item()
naive_error = (((points - middle) @ (mu_1 - mu_0) > 0) != classes).float().mean().item()
print(f"errors: LDA {lda_error:.1%}, plane between the means {naive_error:.1%}")

# %% [markdown]
# ## 3. Gradient descent
#
# $w_{t+1} = w_t - \eta \nabla L(w_t)$. In a valley that is ten times as steep across as along, look at three steps $\eta$: too
# small and it creeps, near the limit it jumps from side to side, and beyond $\eta = 2 / 10$ it leaves.

# %%
curvature = torch.tensor([1.0, 10.0])  # L(w) = (w_0^2 + 10 w_1^2) / 2
paths = {}
figure, axes = plt.subplots(1, 3, figsize=(11, 2.4), layout="constrained")
u, v = torch.meshgrid(torch.linspace(-1.2, 2.2, 60), torch.linspace(-1.2, 1.2, 60), indexing="xy")
for ax, eta in zip(axes, (0.02, 0.18, 0.205), strict=True):
    position = torch.tensor([2.0, 0.5])
    path = [position]
    for _ in range(30):
        position = position - eta * curvature * position
        path.append(position)
    paths[eta] = torch.stack(path)
    ax.contour(u, v, (u.square() + 10 * v.square()) / 2, levels=12, alpha=0.5)
    ax.plot(*paths[eta].t(), "k.-", linewidth=0.7)
    ax.set(title=f"eta = {eta}", ylim=(-1.2, 1.2))
prologue.show(
    "Level lines of a valley and three paths of gradient descent: creeping with eta 0.02, "
    "jumping from side to side with 0.18, leaving with 0.205."
)
losses_gd = {
    eta: ((path.square() @ curvature) / 2)[[0, 10, 30]].tolist() for eta, path in paths.items()
}
for eta, values in losses_gd.items():
    print(f"eta {eta}: loss after 0, 10, 30 steps", [f"{value:.4f}" for value in values])

# %% [markdown]
# ## 4. Logistic regression
#
# The model $P(y = 1 \mid x) = \sigma(w \cdot x)$ with the sigmoid $\sigma(a) = 1 / (1 + e^{-a})$. The loss of a sample is
# $-\log \sigma(y\, w \cdot x)$, its gradient $-(1 - \sigma(y\, w \cdot x))\, y\, x$: unlike the perceptron's, it also counts
# samples on the right side, if they are near the border. Steps of $\eta = 0.1$; look at the line it finds, nearly LDA's.

# %%
signs = 2.0 * classes - 1
samples = add_one(points)
weights = torch.zeros(3)
losses = []
for _ in range(500):
    margin = signs * (samples @ weights)
    losses.append(-margin.sigmoid().log().mean().item())
    gradient = -((1 - margin.sigmoid()) * signs) @ samples / len(samples)
    weights -= 0.1 * gradient
logistic_error = ((samples @ weights) * signs <= 0).float().mean().item()
print(
    f"loss {losses[0]:.4f} (that is log 2) to {losses[-1]:.4f},",
    f"error {logistic_error:.1%}, LDA {lda_error:.1%}",
)

figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].plot(losses)
axes[0].set(xlabel="step", ylabel="loss")
axes[1].scatter(*points.t(), c=classes, s=3, cmap="coolwarm")
ends = torch.tensor([-3.0, 3.0])
for name, normal, shift in (
    ("LDA", direction, -middle @ direction),
    ("between the means", mu_1 - mu_0, -middle @ (mu_1 - mu_0)),
    ("logistic regression", weights[:2], weights[2]),
):
    axes[1].plot(ends, -(normal[0] * ends + shift) / normal[1], label=name)
axes[1].set(ylim=(-4, 4))
axes[1].legend(fontsize=7, loc="lower right")
prologue.show(
    "The loss of logistic regression, which falls with the steps, and two classes of points "
    "with three lines: LDA and logistic regression nearly agree, the line between the means "
    "cuts through both."
)

# %% [markdown]
# ## 5. What no plane separates, and features
#
# The four corners of "exclusive or". With the product of both coordinates as a third feature a plane separates them. Look at the
# changes: without the product the perceptron goes on for ever.

# %%
corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
xor = torch.tensor([-1.0, 1.0, 1.0, -1.0])
with_product = torch.cat((corners, corners.prod(1, keepdim=True)), dim=1)
_, changes_plain = train_perceptron(add_one(corners), xor, nb_epochs_max=100)
w_xor, changes_product = train_perceptron(add_one(with_product), xor, nb_epochs_max=100)
print(
    f"two coordinates: {changes_plain[:5]} ... {changes_plain[-1]} changes",
    f"in epoch {len(changes_plain)}",
)
print(f"and their product: {changes_product}, weights {w_xor.tolist()}")

# %% [markdown]
# **Thousands of products.** An "8" against all other digits, which is one digit in ten. Features: the 784 pixels and products of
# two pixels chosen at random; then least squares with a penalty (lecture 2), which is linear. Look at how both errors fall with the
# number of products. Features made by hand, or by chance, do much; from here on, networks learn theirs.

# %%
nb_train = nb_test = prologue.pick(4000, 1000)
a = train_input[:nb_train].flatten(1).float() / 255
b = test_input[:nb_test].flatten(1).float() / 255
sign_a, sign_b = (
    torch.where(target == 8, 1.0, -1.0)
    for target in (train_target[:nb_train], test_target[:nb_test])
)


def measure_features(nb_products):
    """The errors on training and test samples with this many products of pixels."""
    torch.manual_seed(0)
    i, j = torch.randint(0, 784, (2, nb_products))
    phi_a, phi_b = (add_one(torch.cat((z, z[:, i] * z[:, j]), dim=1)) for z in (a, b))
    # The weights are a sum of the samples, phi_a' alpha: N equations, for any number of features.
    alpha = torch.linalg.solve(phi_a @ phi_a.t() + 10 * torch.eye(nb_train), sign_a)
    weights = phi_a.t() @ alpha
    return tuple(
        ((phi @ weights) * s <= 0).float().mean().item()
        for phi, s in ((phi_a, sign_a), (phi_b, sign_b))
    )


feature_errors = {
    nb: measure_features(nb) for nb in prologue.pick((0, 1000, 3000, 10_000), (0, 3000))
}
for nb, (train, test) in feature_errors.items():
    print(f"{nb:5} products: train error {train:.2%}, test error {test:.2%}")

# %% [markdown]
# ## 6. Sums of ReLUs draw any function
#
# A hidden layer of ReLUs is a broken line with one bend for each unit. To follow a function from bend to bend, the weight of a unit
# has to be the change of slope there: no training, only subtraction. Look at the largest deviation: once the bends are close
# enough to follow each wave, it falls to about a quarter with twice the units.


# %%
def wave(t):
    return (6 * t).sin() + 0.5 * (14 * t).cos()


t = torch.linspace(-1, 1, 1001)
deviations = {}
figure, axes = plt.subplots(1, 4, figsize=(11, 2.3), sharey=True, layout="constrained")
for ax, nb_units in zip(axes, (6, 12, 24, 48), strict=True):
    bends = torch.linspace(-1, 1, nb_units + 1)
    slopes = wave(bends).diff() / bends.diff()
    output_weights = torch.cat((slopes[:1], slopes.diff()))
    broken_line = wave(bends[0]) + (t[:, None] - bends[:-1]).relu() @ output_weights
    deviations[nb_units] = (broken_line - wave(t)).abs().max().item()
    ax.plot(t, wave(t), "--", t, broken_line)
    ax.set_title(f"{nb_units} units: deviation {deviations[nb_units]:.3f}", fontsize=9)
prologue.show(
    "A wave and the broken lines of 6, 12, 24 and 48 ReLU units, the last of which covers it."
)

# %% [markdown]
# ## 7. Multi-layer perceptrons and back-propagation
#
# Layer by layer, $s_l = w_l x_{l-1} + b_l$ and $x_l = \sigma(s_l)$. Backward, from the gradient of the loss with respect to the
# output down to the first layer:
#
# $$\frac{\partial \ell}{\partial s_l} = \frac{\partial \ell}{\partial x_l} \odot \sigma'(s_l), \qquad
# \frac{\partial \ell}{\partial w_l} = \frac{\partial \ell}{\partial s_l} x_{l-1}^\top, \qquad
# \frac{\partial \ell}{\partial b_l} = \frac{\partial \ell}{\partial s_l}, \qquad
# \frac{\partial \ell}{\partial x_{l-1}} = w_l^\top \frac{\partial \ell}{\partial s_l} .$$
#
# Here a sample is a row, so that the products are the other way round, and the sum over the samples is part of one of them.
# In practical 3 you write it for one sample and two layers. Look at how alike both functions are: the way back repeats the way
# there.


# %%
def make_layers(*sizes):
    """Pairs (w, b) with w of outputs x inputs."""
    return [(torch.randn(m, n) / n**0.5, torch.zeros(m)) for n, m in pairwise(sizes)]


def forward(layers, x):
    """The activations x_0 to x_L, each N x (size of the layer)."""
    activations = [x]
    for w, b in layers:
        activations.append((activations[-1] @ w.t() + b).tanh())
    return activations


def backward(layers, activations, dl_dx):
    """Pairs of gradients, as the layers, from the gradient with respect to the output."""
    gradients = []
    for (w, _), output, input in zip(
        layers[::-1], activations[:0:-1], activations[-2::-1], strict=True
    ):
        dl_ds = dl_dx * (1 - output.square())  # tanh' = 1 - tanh^2
        gradients.insert(0, (dl_ds.t() @ input, dl_ds.sum(0)))
        dl_dx = dl_ds @ w
    return gradients


layers = make_layers(784, 50, 10)
nb_parameters = sum(w.numel() + b.numel() for w, b in layers)
print(
    "layers of 784, 50 and 10 units:",
    " -> ".join(str(tuple(x.shape)) for x in forward(layers, a[:7])),
)
print(nb_parameters, "parameters")

# %% [markdown]
# **Is it right?** Ask autograd, the subject of lecture 4. Look at the largest difference over all parameters of four layers.

# %%
layers = make_layers(5, 8, 7, 6, 2)
inputs, wanted = torch.randn(30, 5), torch.randn(30, 2)
activations = forward(layers, inputs)
gradients = backward(
    layers, activations, 2 * (activations[-1] - wanted)
)  # of the loss |x_L - wanted|^2

parameters = [parameter.clone().requires_grad_() for layer in layers for parameter in layer]
loss = (
    (forward(list(zip(parameters[::2], parameters[1::2], strict=True)), inputs)[-1] - wanted)
    .square()
    .sum()
)
loss.backward()
mine = [gradient for pair in gradients for gradient in pair]
difference = max(
    (parameter.grad - g).abs().max().item() for parameter, g in zip(parameters, mine, strict=True)
)
print(
    f"largest difference {difference:.1e}, largest gradient {max(g.abs().max() for g in mine):.1f}"
)

# %% [markdown]
# **Trained, with nothing but these two functions.** Two spirals that no line separates, 2 - 32 - 32 - 1 units, and thousands of steps
# of gradient descent. Look at the regions: the network made the features it needed. (The loss jumps up and down at first, because
# the steps are long. They are what gets it to the end in so few.)

# %%
torch.manual_seed(0)
angle = 3 * math.pi * torch.rand(400).sqrt()
spiral_class = torch.where(torch.arange(400) % 2 == 0, 1.0, -1.0)
radius = spiral_class * angle / (3 * math.pi)
spirals = torch.stack((radius * angle.cos(), radius * angle.sin()), dim=1) + 0.015 * torch.randn(
    400, 2
)

layers = make_layers(2, 32, 32, 1)
spiral_losses = []
for _ in range(prologue.pick(6000, 3000)):
    activations = forward(layers, 3 * spirals)
    residual = activations[-1] - 0.9 * spiral_class[:, None]  # 0.9: tanh never gets to 1
    spiral_losses.append(residual.square().mean().item())
    for (w, b), (dw, db) in zip(
        layers, backward(layers, activations, 2 * residual / 400), strict=True
    ):
        w -= 0.1 * dw
        b -= 0.1 * db
spiral_error = (activations[-1][:, 0] * spiral_class <= 0).float().mean().item()
print(f"loss {spiral_losses[0]:.3f} to {spiral_losses[-1]:.3f}, error {spiral_error:.1%}")

figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].semilogy(spiral_losses)
axes[0].set(xlabel="step", ylabel="loss")
grid = torch.cartesian_prod(torch.linspace(-1.1, 1.1, 120), torch.linspace(-1.1, 1.1, 120))
axes[1].contourf(
    *grid.t().view(2, 120, 120),
    forward(layers, 3 * grid)[-1].view(120, 120),
    cmap="coolwarm",
    alpha=0.6,
)
axes[1].scatter(*spirals.t(), c=spiral_class, s=4, cmap="coolwarm")
prologue.show(
    "The loss, which jumps and then falls smoothly, and the plane in two colors: the regions of "
    "the network follow two spirals of points."
)

# %% [markdown]
# ## Try
#
# 1. Which pair of digits takes the perceptron the longest? Does it stop for 3 and 5?
# 2. Give the perceptron of "exclusive or" the feature $x_1^2$ instead of the product. Why does it not help?
# 3. Write `forward` and `backward` for ReLUs in the hidden layers. What is their derivative, and where have they none?
