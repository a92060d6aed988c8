# %% [markdown]
# # Lecture 5: optimization
#
# Which loss to minimize, and how to get there: cross-entropy, mini-batches, momentum and Adam, penalties,
# initialization, what to look at while a network trains, and how to give autograd an operation of your own.
#
# About two minutes to run, an hour to read and play with.

# %%
import time
from copy import deepcopy

import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

torch.manual_seed(0)
device = prologue.device
pick = prologue.pick  # pick(full, tiny): the second value in test mode
print(
    f"device {device}, data: {prologue.get_data_source('mnist')} MNIST,",
    f"{prologue.get_data_source('cifar10')} CIFAR10",
)

# %% [markdown]
# ## 1. Cross-entropy
#
# The softmax turns scores into probabilities, and the cross-entropy is minus the logarithm of the probability given
# to the right class. Look at the two samples: the first is wrong and expensive, the second is right and nearly free.
# The loss is their mean, **2.5141**.

# %%
scores = torch.tensor([[-1.0, -3.0, 4.0], [-3.0, 3.0, -1.0]])
targets = torch.tensor([0, 1])

cross_entropy = nn.CrossEntropyLoss()(scores, targets)
by_hand = -(scores.exp() / scores.exp().sum(dim=1, keepdim=True))[[0, 1], targets].log()

print("nn.CrossEntropyLoss", f"{cross_entropy.item():.4f}")
print("sample by sample   ", [f"{value:.4f}" for value in by_hand], f"mean {by_hand.mean():.4f}")

# %% [markdown]
# **The quadratic loss punishes being too right.** Two outputs, the first one is the right class (code it 1, the other
# -1). Look at the lower right corner, where the answer is right with a large margin: there the squared error grows
# again, and the cross-entropy goes to zero. In the upper left corner, where the answer is badly wrong, the
# cross-entropy grows linearly.

# %%
axis = torch.linspace(-4, 4, 81)
right, wrong = torch.meshgrid(axis, axis, indexing="xy")
outputs = torch.stack([right, wrong], dim=-1)
mse_surface = (outputs - torch.tensor([1.0, -1.0])).square().mean(dim=-1)
ce_surface = F.cross_entropy(
    outputs.view(-1, 2), torch.zeros(81 * 81, dtype=torch.long), reduction="none"
).view(81, 81)

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for ax, surface, title in zip(
    axes, (mse_surface, ce_surface), ("mean squared error", "cross-entropy"), strict=True
):
    figure.colorbar(ax.contourf(axis, axis, surface, levels=20), ax=ax)
    ax.plot(axis, axis, "w--")  # below this line the answer is right
    ax.set(title=title, xlabel="output of the right class", ylabel="output of the wrong class")
prologue.show(
    "Two losses over the outputs for the right and the wrong class. The squared error grows "
    "again where the answer is right with a large margin; the cross-entropy goes to zero there."
)
print(f"outputs (4, -4): MSE {mse_surface[0, -1]:.3f}, CE {ce_surface[0, -1]:.5f}")
print(f"outputs (0,  0): MSE {mse_surface[40, 40]:.3f}, CE {ce_surface[40, 40]:.5f}")

# %% [markdown]
# ## 2. The size of a mini-batch
#
# **Stochastic gradient descent** (SGD) takes each step along the gradient of a *mini-batch*, a part of the samples. When each
# sample had its turn, an *epoch* is over.
#
# One epoch of the same network over the same samples, from the same start, with the same learning rate: only the
# number of samples behind each step changes. Look at the loss after one epoch, and at the price in seconds: one step
# with all samples barely moves, thousands of noisy steps go far. A single sample a step takes longest, and the noise of
# its steps can cost what their number gains.

# %%
train_input, train_target, _, _ = prologue.read_mnist()
nb_samples = pick(60000, 1000)
pixels = train_input[:nb_samples].to(device).float().flatten(1)
pixels = (pixels - pixels.mean()) / pixels.std()
digits = train_target[:nb_samples].to(device)

losses_by_batch_size, final_loss = {}, {}
for batch_size in pick((60000, 6000, 600, 100, 10, 1), (1000, 250, 50, 10, 1)):
    torch.manual_seed(1)
    mlp = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10)).to(device)
    optimizer = torch.optim.SGD(mlp.parameters(), lr=1e-2)
    curve, start = [], time.perf_counter()
    look_every = max(1, nb_samples // batch_size // 50)
    for step, (x, y) in enumerate(
        zip(pixels.split(batch_size), digits.split(batch_size), strict=True)
    ):
        if step % look_every == 0:
            curve.append(
                (step * batch_size, F.cross_entropy(mlp(pixels[:1000]), digits[:1000]).item())
            )
        optimizer.zero_grad()
        F.cross_entropy(mlp(x), y).backward()
        optimizer.step()
    final_loss[batch_size] = F.cross_entropy(mlp(pixels[:1000]), digits[:1000]).item()
    losses_by_batch_size[batch_size] = [*curve, (nb_samples, final_loss[batch_size])]
    seconds = time.perf_counter() - start
    print(
        f"batch size {batch_size:5d}: {step + 1:5d} steps, {seconds:6.2f} s,",
        f"loss {final_loss[batch_size]:.3f}",
    )

plt.figure(figsize=(6.5, 3), layout="constrained")
for batch_size, curve in losses_by_batch_size.items():
    plt.plot(*zip(*curve, strict=True), label=f"batch size {batch_size}")
plt.yscale("log")
plt.xlabel("samples seen")
plt.ylabel("training loss")
plt.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
prologue.show(
    "Training loss against the samples seen in one epoch, a curve for each batch size; the "
    "small batches get furthest."
)

# %% [markdown]
# ## 3. Momentum and Adam
#
# A valley 25 times steeper across than along. Look at the three paths: plain descent must take the small steps that
# the steep direction bears, and crawls along the valley; momentum adds up what its gradients agree on; Adam rescales
# each coordinate by the size of its own gradients.


# %%
def valley(point: Tensor) -> Tensor:
    return 0.5 * (point[0] ** 2 + 25 * point[1] ** 2)


optimizers = {
    "SGD": lambda p: torch.optim.SGD([p], lr=0.03),
    "momentum 0.8": lambda p: torch.optim.SGD([p], lr=0.03, momentum=0.8),
    "Adam": lambda p: torch.optim.Adam([p], lr=0.3),
}
paths, steps_needed = {}, {}
for name, make_optimizer in optimizers.items():
    point = torch.tensor([-4.0, 1.5], requires_grad=True)
    optimizer = make_optimizer(point)
    path, values = [], []
    for _ in range(200):
        path.append(point.detach().clone())
        optimizer.zero_grad()
        loss = valley(point)
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    paths[name] = torch.stack(path)
    steps_needed[name] = max(step for step, value in enumerate(values) if value > 1e-2) + 1
    print(f"{name:12s}: below 0.01 for good after {steps_needed[name]:3d} steps")

x, y = torch.meshgrid(torch.linspace(-5, 2, 71), torch.linspace(-2, 2, 41), indexing="xy")
figure, axes = plt.subplots(1, 3, figsize=(10, 2.4), layout="constrained", sharey=True)
for ax, (name, path) in zip(axes, paths.items(), strict=True):
    ax.contour(x, y, valley(torch.stack([x, y])), levels=[0.1, 1, 4, 10, 20, 40], colors="0.7")
    ax.plot(path[:60, 0], path[:60, 1], ".-", markersize=3)
    ax.set_title(name)
prologue.show(
    "Level lines of a narrow valley and three paths: gradient descent crawls along it, momentum "
    "swings and gets there, Adam takes a curve."
)

# %% [markdown]
# ## 4. Penalties: L2 and L1
#
# The convnet of practical 4 on 1 000 samples, SGD 0.1, 10 epochs of batches of 100. An **L2** penalty $\lambda
# \|w\|^2$ is added to the loss. An **L1** penalty is not differentiable at 0, so after each step every parameter
# moves by $\lambda$ towards 0, and stops there (soft threshold); with steps of rate $\eta = 0.1$, this is the penalty
# $(\lambda / \eta) \|w\|_1$. Look at the norms: both penalties make the parameters smaller. Then look at the last column of the second table: L1 makes many of them exactly zero. L2 makes none zero, so
# its table has no such column.


# %%
class ConvNet(nn.Module):
    def __init__(self, nb_hidden: int = 200) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5)
        self.fc1 = nn.Linear(256, nb_hidden)
        self.fc2 = nn.Linear(nb_hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=3))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


train_input, train_target, test_input, test_target = prologue.load_data(
    cifar=False, normalize=True, flatten=False
)
nb_samples = pick(1000, 300)
train_input, train_target = (
    train_input[:nb_samples].to(device),
    train_target[:nb_samples].to(device),
)
test_input, test_target = test_input.to(device), test_target.to(device)


def train_with_penalty(l2: float = 0.0, l1: float = 0.0) -> tuple[float, float, float]:
    """Test error, norm of all parameters, proportion of parameters that are exactly zero."""
    torch.manual_seed(0)
    model = ConvNet().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(pick(10, 2)):
        for x, y in zip(train_input.split(100), train_target.split(100), strict=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y) + l2 * sum(
                p.square().sum() for p in model.parameters()
            )
            loss.backward()
            optimizer.step()
            if l1 > 0:
                with torch.no_grad():
                    for p in model.parameters():
                        p.copy_(p.sign() * (p.abs() - l1).clamp(min=0))
    with torch.no_grad():
        error = (model(test_input).argmax(dim=1) != test_target).float().mean().item()
    weights = nn.utils.parameters_to_vector(model.parameters()).detach()
    return error, weights.norm().item(), (weights == 0).float().mean().item()


published = {
    "L2": {0.0: 0.064, 1e-3: 0.063, 2e-3: 0.064, 4e-3: 0.065, 1e-2: 0.075, 2e-2: 0.101},
    "L1": {
        0.0: 0.064,
        1e-5: 0.063,
        2e-5: 0.067,
        5e-5: 0.068,
        1e-4: 0.128,
        2e-4: 0.101,
        5e-4: 0.516,
    },
}
l2_lambdas = pick(list(published["L2"]), [0.0, 4e-3, 2e-2])
l1_lambdas = pick(list(published["L1"]), [0.0, 1e-4, 5e-4])
l2_results = {value: train_with_penalty(l2=value) for value in l2_lambdas}
l1_results = {value: train_with_penalty(l1=value) for value in l1_lambdas}

print("L2 lambda  published  here: test error, norm of the parameters")
for value, (error, norm, _) in l2_results.items():
    print(f"{value:9.5f}  {published['L2'][value]:9.3f}  {error:16.3f} {norm:11.2f}")
print("L1 lambda  published  here: test error, norm of the parameters, parameters at zero")
for value, (error, norm, zeros) in l1_results.items():
    print(f"{value:9.5f}  {published['L1'][value]:9.3f}  {error:16.3f} {norm:11.2f} {zeros:11.1%}")

# %% [markdown]
# ## 5. Initialization
#
# Five hidden layers of 300 tanh units, and nothing learned yet. If a layer's weights have variance $v$, its
# activations and its gradients are multiplied by $\sqrt{300 \, v}$ at each layer. PyTorch's default for linear layers
# has $v = 1 / (3 \cdot 300)$: a factor of 0.58 each time. Xavier's rule, $v = 2 / (n_{in} + n_{out})$, makes the
# factor 1. (For activations, both are a little smaller, because tanh makes large values smaller.) Look at the
# histograms: with the default, each layer's is little more than half as wide as the one before. With Xavier's rule the
# widths come to differ little.


# %%
def measure_scales(
    xavier: bool, nb_layers: int = 5, width: int = 300
) -> tuple[list[Tensor], list[float]]:
    """The activations of each layer, and the deviation of the gradient of each layer's weights."""
    torch.manual_seed(0)
    layers = [nn.Linear(width, width, bias=False) for _ in range(nb_layers)]
    if xavier:
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
    activations = [torch.randn(500, width)]
    for layer in layers:
        activations.append(torch.tanh(layer(activations[-1])))
    (activations[-1] * torch.randn(500, width)).sum().backward()
    return [a.detach() for a in activations[1:]], [
        layer.weight.grad.std().item() for layer in layers
    ]


figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
scales = {}
for ax, (name, xavier) in zip(axes, (("default", False), ("Xavier", True)), strict=True):
    activations, gradient_scales = measure_scales(xavier)
    scales[name] = [a.std().item() for a in activations]
    for number, a in enumerate(activations, start=1):
        count, edges = torch.histogram(a.flatten(), bins=60, range=(-1, 1), density=True)
        ax.plot(edges[:-1], count, label=f"layer {number}")
    ax.set(title=f"activations, {name}", ylim=(0, 6))
    print(f"{name:8s} std of the activations:", *(f"{value:.3f}" for value in scales[name]))
axes[1].legend()
prologue.show(
    "Histograms of the activations of five layers: ever narrower with the default "
    "initialization, similar with Xavier's."
)

# %% [markdown]
# **And the gradient?** The same factors act on the way back. Look at the numbers of twenty layers: with the default,
# the gradient that reaches the first layer is tens of thousands of times smaller than the last one's. With Xavier's
# rule it is about five times smaller.

# %%
vanishing = {}
for name, xavier in (("default", False), ("Xavier", True)):
    layers = [nn.Linear(300, 300, bias=False) for _ in range(20)]
    activation = torch.randn(500, 300, requires_grad=True)
    signals = [activation]
    for layer in layers:
        if xavier:
            nn.init.xavier_uniform_(layer.weight)
        signals.append(torch.tanh(layer(signals[-1])))
        signals[-1].retain_grad()
    (signals[-1] * torch.randn(500, 300)).sum().backward()
    vanishing[name] = signals[0].grad.norm().item() / signals[-1].grad.norm().item()
    print(f"{name:8s} |gradient at layer 0| / |gradient at layer 20| = {vanishing[name]:.1e}")

# %% [markdown]
# ## 6. Looking at the loss
#
# A small convnet on 5 000 images of CIFAR10, with three learning rates. Look at the curves: the large ones get
# far, though their loss jumps up now and then, and 0.01 is smooth and slow.

# %%
nb_samples = pick(5000, 500)
train_input, train_target, test_input, test_target = (
    data.to(device) for data in prologue.read_cifar()
)
train_input, train_target = train_input[:nb_samples].float(), train_target[:nb_samples]
test_input, test_target = test_input[:1000].float(), test_target[:1000]
mean, std = train_input.mean(), train_input.std()
train_input, test_input = (train_input - mean) / std, (test_input - mean) / std


def make_cifar_net() -> nn.Module:
    torch.manual_seed(0)
    convolutions = [
        nn.Conv2d(3, 16, 5),
        nn.MaxPool2d(3),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
    ]
    return nn.Sequential(
        *convolutions, nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    ).to(device)


def train_epochs(model: nn.Module, lr: float, nb_epochs: int) -> list[float]:
    """Train with SGD on shuffled batches of 100; the mean training loss of each epoch."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(nb_epochs):
        total = 0.0
        for batch in torch.randperm(train_input.size(0)).to(device).split(100):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(train_input[batch]), train_target[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * batch.numel()
        losses.append(total / train_input.size(0))
    return losses


nb_epochs = pick(25, 2)
curves, models = {}, {}
for lr in (0.2, 0.1, 0.01):
    models[lr] = make_cifar_net()
    curves[lr] = train_epochs(models[lr], lr, nb_epochs)
    print(
        f"learning rate {lr}: loss {curves[lr][0]:.3f} after the first epoch,",
        f"{curves[lr][-1]:.3f} after {nb_epochs}",
    )

plt.figure(figsize=(5, 2.8))
for lr, curve in curves.items():
    plt.plot(range(1, nb_epochs + 1), curve, label=f"learning rate {lr}")
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.yscale("log")
plt.legend()
prologue.show(
    "Training loss of the convnet against the epoch for learning rates 0.2, 0.1 and 0.01."
)

# %% [markdown]
# **Smaller steps at the end.** A linear model of 2 000 digits, 7 x 7 pixels each, cannot learn them all by heart: its
# loss has a minimum above zero. With batches of 20 and a learning rate of 0.5 it never gets there, because each step
# follows its own 20 samples, and the steps bounce between the walls of the valley. Go on from the same point with
# smaller steps, and look at the loss: it drops at once and stays lower. (This takes a floor to bounce on. A network
# that can learn its samples by heart gets to zero with large steps, too, and with small ones later.)

# %%
nb_small = pick(2000, 1000)
small_digits = F.avg_pool2d(pixels[:nb_small].view(-1, 1, 28, 28), 4).flatten(1)
small_targets = digits[:nb_small]


def descend(model: nn.Module, lr: float, nb_epochs: int) -> list[float]:
    """Train with SGD on shuffled batches of 20; the loss of all samples after each epoch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(nb_epochs):
        for batch in torch.randperm(small_digits.size(0)).to(device).split(20):
            optimizer.zero_grad()
            F.cross_entropy(model(small_digits[batch]), small_targets[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(F.cross_entropy(model(small_digits), small_targets).item())
    return losses


def drop_learning_rate(seed: int, nb_epochs: int) -> tuple[list[float], dict[float, list[float]]]:
    """The losses with 0.5 at first, and those of going on from there with each learning rate."""
    torch.manual_seed(seed)
    linear = nn.Linear(49, 10).to(device)
    before = descend(linear, 0.5, nb_epochs)
    after = {lr: descend(deepcopy(linear), lr, nb_epochs) for lr in (0.5, 0.2, 0.1, 0.02)}
    return before, after


nb_epochs = pick(20, 5)
before_drop, after_drop = drop_learning_rate(0, nb_epochs)
plt.figure(figsize=(5, 2.8))
plt.plot(range(1, nb_epochs + 1), before_drop, "0.6")
for lr, curve in after_drop.items():
    plt.plot(range(nb_epochs + 1, 2 * nb_epochs + 1), curve, label=f"0.5, then {lr}")
    print(
        f"0.5, then {lr:4}: loss {before_drop[-1]:.3f} before, {curve[0]:.3f} in the next epoch,",
        f"{sum(curve[-3:]) / 3:.3f} in the last three",
    )
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.legend()
prologue.show(
    "Training loss against the epoch: it jumps with learning rate 0.5 and drops at once, to "
    "stay lower, with each smaller one."
)

# %% [markdown]
# **The mean hides the samples.** Look at the histograms of the losses of single samples at the end of training with 0.1: most
# training samples cost nothing; the test loss comes from a minority of samples that are confidently wrong. The
# vertical line is $\log 10$, the loss of someone who answers 1/10 for each class.

# %%
with torch.no_grad():
    train_losses = F.cross_entropy(models[0.1](train_input), train_target, reduction="none").cpu()
    test_losses = F.cross_entropy(models[0.1](test_input), test_target, reduction="none").cpu()

plt.figure(figsize=(5, 2.8))
plt.hist(
    [train_losses.numpy(), test_losses.numpy()],
    bins=30,
    range=(0, 8),
    density=True,
    log=True,
    label=["train", "test"],
)
plt.axvline(torch.log(torch.tensor(10.0)), color="k", linewidth=1)
plt.xlabel("loss of one sample")
plt.legend()
prologue.show(
    "Histograms of the losses of single samples, training and test, with a line at log 10: most "
    "are near zero, few are far to the right."
)
for name, losses in (("train", train_losses), ("test", test_losses)):
    share = losses.sort(descending=True).values[: losses.numel() // 10].sum() / losses.sum()
    print(
        f"{name:5s} mean {losses.mean():.3f}, median {losses.median():.3f},",
        f"the worst tenth makes {share:.0%} of the sum",
    )

# %% [markdown]
# ## 7. An operation of your own
#
# `autograd.Function` lets you say what the forward and the backward pass do. **KillHead** puts the first $n$
# components to zero. Its backward must do the same to the gradient: what was thrown away has no influence on the
# loss.


# %%
class KillHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, n: int) -> Tensor:
        ctx.n = n
        result = x.clone()
        result[:n] = 0
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        result = gradient.clone()
        result[: ctx.n] = 0
        return result, None  # one value for each argument of forward; an integer has no gradient


x = torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0], requires_grad=True)
killed = KillHead.apply(x, 2)
killed.square().sum().backward()
print("forward ", killed.detach())
print("gradient", x.grad, " expected", 2 * killed.detach())


# %% [markdown]
# **abs(uv)** needs its inputs again in the backward pass: `save_for_backward` keeps them. `gradcheck` compares the
# backward pass with finite differences, in `float64`, because in `float32` the differences are mostly rounding
# errors. Look at the last line: the check finds a forgotten sign.


# %%
class AbsProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(u, v)
        return (u * v).abs()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        u, v = ctx.saved_tensors
        sign = (u * v).sign()
        return gradient * sign * v, gradient * sign * u


class ForgetsTheSign(AbsProduct):
    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        u, v = ctx.saved_tensors
        return gradient * v, gradient * u


torch.manual_seed(0)
u = torch.randn(20, dtype=torch.float64, requires_grad=True)
v = torch.randn(20, dtype=torch.float64, requires_grad=True)
kill_head_is_right = torch.autograd.gradcheck(lambda x: KillHead.apply(x, 5), (u,))
abs_product_is_right = torch.autograd.gradcheck(AbsProduct.apply, (u, v))
mistake_is_found = not torch.autograd.gradcheck(ForgetsTheSign.apply, (u, v), raise_exception=False)
print("KillHead passes:", kill_head_is_right)
print("abs(uv) passes: ", abs_product_is_right)
print("the one without the sign is caught:", mistake_is_found)

# %% [markdown]
# ## Try
#
# 1. In section 2, give each batch size the learning rate that suits it best. How much of the difference is left?
# 2. `torch.optim.SGD` has an option `weight_decay`. Which value gives the L2 penalty of section 4? (Mind a factor of
#    2.) Does it hold for Adam too?
# 3. Write the Function of `x.sign()` whose backward pretends that it was the identity where $|x| < 1$
#    ("straight-through"). What does `gradcheck` say about it, and why can it be useful all the same?
