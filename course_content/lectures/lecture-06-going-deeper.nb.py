# %% [markdown]
# # Lecture 6: going deeper
#
# What depth can do that width cannot, why deep networks did not train, and what made them train: rectifiers with a
# matching initialization, dropout, batch normalization and residual connections. And the GPU, because they are large.
#
# About a minute to run, an hour to read and play with.

# %%
import time

import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

torch.manual_seed(0)
device = prologue.device
pick = prologue.pick  # pick(full, tiny): the second value in test mode
print(f"device {device}, data: {prologue.get_data_source('mnist')} MNIST")

# %% [markdown]
# ## 1. Depth
#
# Two ReLU units are enough for a tent on $[0, 1]$: $t(x) = 2 \, \mathrm{relu}(x) - 4 \, \mathrm{relu}(x - 1/2)$ goes
# up to 1 and back to 0. Nothing is trained here, the weights are set by hand. Look at what happens when the same
# layer is repeated $D$ times: every layer folds the line once more, and $2D$ units draw $2^D$ straight pieces. A
# single hidden layer of $2D$ units draws at most $2D + 1$.


# %%
def make_sawtooth(depth: int) -> nn.Sequential:
    layers = []
    for _ in range(depth):
        fold, unfold = nn.Linear(1, 2), nn.Linear(2, 1)
        fold.load_state_dict(
            {"weight": torch.tensor([[1.0], [1.0]]), "bias": torch.tensor([0.0, -0.5])}
        )
        unfold.load_state_dict({"weight": torch.tensor([[2.0, -4.0]]), "bias": torch.tensor([0.0])})
        layers += [fold, nn.ReLU(), unfold]
    return nn.Sequential(*layers)


x = torch.linspace(0, 1, 2**10 + 1).view(-1, 1)  # every kink is a point of this grid
sawtooth, nb_pieces = {}, {}
for depth in range(1, 9):
    with torch.no_grad():
        sawtooth[depth] = make_sawtooth(depth)(x).flatten()
    slopes = sawtooth[depth].diff()
    nb_pieces[depth] = 1 + int((slopes.diff().abs() > 1e-5).sum())
    print(
        f"D = {depth}: {2 * depth:2d} units, {nb_pieces[depth]:3d} pieces,",
        f"one hidden layer at most {2 * depth + 1:2d}",
    )

figure, axes = plt.subplots(1, 4, figsize=(10, 1.8), layout="constrained", sharey=True)
for ax, depth in zip(axes, (1, 2, 3, 6), strict=True):
    ax.plot(x, sawtooth[depth], linewidth=1)
    ax.set_title(f"D = {depth}")
prologue.show("Sawtooth functions for D = 1, 2, 3 and 6: one tooth, then two, four, and 32.")

# %% [markdown]
# ## 2. Rectifiers, and the initialization that goes with them
#
# Look at the right figure: the derivative of a sigmoid is at most 1/4, and that of tanh is near zero where it
# saturates. A rectifier passes the gradient unchanged where it is active. The variants keep a small slope on the
# other side, so that no unit is dead for good.

# %%
activations = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": F.relu,
    "leaky ReLU": lambda x: F.leaky_relu(x, negative_slope=0.1),
    "ELU": F.elu,
}
z = torch.linspace(-4, 4, 401, requires_grad=True)
largest_slope = {}
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
for name, activation in activations.items():
    values = activation(z)
    (slope,) = torch.autograd.grad(values.sum(), z)
    largest_slope[name] = slope.max().item()
    axes[0].plot(z.detach(), values.detach(), label=name)
    axes[1].plot(z.detach(), slope)
axes[0].set(title="activation", ylim=(-1.2, 2))
axes[1].set(title="derivative")
axes[0].legend()
prologue.show(
    "Five activation functions and their derivatives: the sigmoid's is at most 1/4, those of "
    "the rectifiers are 1 on the right side."
)

# %% [markdown]
# **What reaches the first of 30 layers?** Each layer has 100 units. Look at the ratio between the gradients at the
# input and at the output. Xavier's variance $1/n$ is made for functions that look like the identity around zero. A
# ReLU kills half of the signal, so its variance must be twice as large: $2/n$ (He, `nn.init.kaiming_normal_`).


# %%
def gradient_ratio(activation, weight_variance: float, seed: int = 0) -> float:
    """|gradient at the input| / |gradient at the output| of a random multi-layer perceptron."""
    nb_layers, width = 30, 100
    torch.manual_seed(seed)
    first = last = torch.randn(200, width, requires_grad=True)
    for _ in range(nb_layers):
        last = activation(last @ torch.randn(width, width) * weight_variance**0.5)
    output_gradient = torch.randn(200, width)
    (input_gradient,) = torch.autograd.grad(last, first, output_gradient)
    return (input_gradient.norm() / output_gradient.norm()).item()


ratios = {}
for name, variance in (
    ("sigmoid", 1),
    ("tanh", 1),
    ("ReLU", 1),
    ("ReLU", 2),
    ("leaky ReLU", 2),
    ("ELU", 1),
):
    ratios[name, variance] = gradient_ratio(activations[name], variance / 100)
    print(f"{name:10s} weights of variance {variance}/n: {ratios[name, variance]:.1e}")

# %% [markdown]
# ## 3. Dropout
#
# In training, each value is put to zero with probability $p$, and the others are divided by $1 - p$, so that the
# expectation does not change: with $p = 0.75$ the survivors are **multiplied by 4**. In evaluation mode dropout does
# nothing. Look at the flag `training`, which `train()` and `eval()` set in every module of a network.

# %%
torch.manual_seed(0)
ones = torch.ones(3, 9)
model = nn.Sequential(nn.Dropout(p=0.75))
dropped = model.train()(ones)
print(dropped, "\ntraining =", model[0].training)
print("mean over 100 000 values:", f"{model(torch.ones(100_000)).mean():.3f}")

kept = model.eval()(ones)
print(kept[0], "\ntraining =", model[0].training)

# %% [markdown]
# **Dropout2d.** Neighboring pixels of a feature map say nearly the same, so dropping single pixels hides little.
# `Dropout2d` drops whole channels. Look at the means: each channel of each sample is there (times 2), or not at all.

# %%
torch.manual_seed(0)
dropped_channels = nn.Dropout2d(p=0.5)(torch.ones(2, 6, 4, 4))
print(dropped_channels.mean(dim=(2, 3)))

# %% [markdown]
# **Does it help?** A large multi-layer perceptron on few digits, with and without dropout. Look at the losses, which
# are measured without dropping: both networks get the training samples nearly all right, at a loss near zero, and the
# one that was trained with dropout has the lower test loss.

# %%
data = prologue.load_data(cifar=False, normalize=True, flatten=True)
train_input, train_target, test_input, test_target = (tensor.to(device) for tensor in data)
train_input, train_target = train_input[: pick(500, 200)], train_target[: pick(500, 200)]


def train(model: nn.Module, nb_epochs: int, lr: float, batch_size: int = 50) -> nn.Module:
    """Train in place with SGD and cross-entropy on the training set above."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    model.train()
    for _ in range(nb_epochs):
        for batch in torch.randperm(train_input.size(0)).to(device).split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(train_input[batch]), train_target[batch]).backward()
            optimizer.step()
    return model


@torch.no_grad()
def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean cross-entropy and error rate, in evaluation mode."""
    scores = model.eval()(x)
    return F.cross_entropy(scores, y).item(), (scores.argmax(dim=1) != y).float().mean().item()


dropout_results = {}
for p in (0.0, 0.5):
    torch.manual_seed(0)
    hidden = [
        nn.Linear(784, 400),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(400, 400),
        nn.ReLU(),
        nn.Dropout(p),
    ]
    mlp = train(
        nn.Sequential(*hidden, nn.Linear(400, 10)).to(device), nb_epochs=pick(40, 4), lr=0.02
    )
    dropout_results[p] = (
        *evaluate(mlp, train_input, train_target),
        *evaluate(mlp, test_input, test_target),
    )
    print(
        "dropout {}: train loss {:.4f}, error {:.1%}; test loss {:.3f}, error {:.1%}".format(
            p, *dropout_results[p]
        )
    )

# %% [markdown]
# ## 4. Batch normalization
#
# From each component, the mean **of the batch** is subtracted. It is divided by their standard deviation, multiplied by
# a weight and shifted by a bias, which are learned. Whatever the batch was, the output has mean `bias` and standard
# deviation `weight`: here **(2, 4, 8) and (1, 2, 3)**.

# %%
torch.manual_seed(0)
batch_norm = nn.BatchNorm1d(3)
with torch.no_grad():
    batch_norm.bias.copy_(torch.tensor([2.0, 4.0, 8.0]))
    batch_norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
raw = torch.randn(1000, 3) * torch.tensor([1.0, 5.0, 10.0]) + torch.tensor([-10.0, 25.0, 3.0])
normalized = batch_norm(raw)

for name, values in (("before", raw), ("after ", normalized)):
    print(
        name,
        "mean",
        *(f"{v:7.3f}" for v in values.mean(dim=0)),
        " std",
        *(f"{v:7.3f}" for v in values.std(dim=0)),
    )

# %% [markdown]
# **In evaluation mode there is no batch.** The module keeps running averages, and uses these. Look at how slowly they
# follow, by a tenth at each batch: in evaluation mode after one batch, the output is still far from normalized.

# %%
for nb_batches in (1, 10, 50):
    while batch_norm.num_batches_tracked < nb_batches:
        batch_norm(raw)
    running_share = (batch_norm.running_mean / raw.mean(dim=0)).mean().item()
    eval_mean = [round(value, 2) for value in batch_norm.eval()(raw).mean(dim=0).tolist()]
    batch_norm.train()
    print(
        f"{nb_batches:2d} batches: running mean at {running_share:.3f} of the mean, output means",
        eval_mean,
    )

# %% [markdown]
# **16 hidden layers on the disc.** Points of $[-1, 1]^2$, class 1 inside the disc of area 2 around the center. 16
# hidden layers of 32 ReLU units, SGD with learning rate 0.1, weights drawn with the same standard deviation
# everywhere. Look at the two curves: without batch normalization only a narrow range of standard deviations trains at
# all; with it the scale of the weights no longer matters at the start, and nearly any value will do.


# %%
def make_disc_set(nb: int) -> tuple[Tensor, Tensor]:
    points = torch.rand(nb, 2) * 2 - 1
    return points.to(device), (points.square().sum(dim=1) < 2 / torch.pi).long().to(device)


def make_deep_mlp(
    batch_norm: bool, std: float, nb_layers: int = 16, width: int = 32
) -> nn.Sequential:
    layers, nb_in = [], 2
    for _ in range(nb_layers):
        layers += [
            nn.Linear(nb_in, width),
            *([nn.BatchNorm1d(width)] if batch_norm else []),
            nn.ReLU(),
        ]
        nb_in = width
    model = nn.Sequential(*layers, nn.Linear(width, 2))
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)
    return model.to(device)


torch.manual_seed(0)
train_input, train_target = make_disc_set(pick(1000, 500))
disc_test = make_disc_set(1000)
stds = pick([1e-3, 1e-2, 1e-1, 0.25, 0.5, 1.0, 10.0], [1e-3, 0.25, 1.0])
disc_errors = {True: {}, False: {}}
for with_batch_norm, errors in disc_errors.items():
    for std in stds:
        torch.manual_seed(1)
        model = make_deep_mlp(with_batch_norm, std)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(pick(50, 12)):
            for batch in torch.randperm(train_input.size(0)).to(device).split(100):
                optimizer.zero_grad()
                F.cross_entropy(model(train_input[batch]), train_target[batch]).backward()
                optimizer.step()
        errors[std] = evaluate(model, *disc_test)[1]

print("std     without  with batch norm (test error)")
for std in stds:
    print(f"{std:<6g} {disc_errors[False][std]:8.1%} {disc_errors[True][std]:8.1%}")
plt.figure(figsize=(6.5, 2.6), layout="constrained")
plt.semilogx(stds, list(disc_errors[False].values()), "o-", label="without")
plt.semilogx(stds, list(disc_errors[True].values()), "o-", label="with batch normalization")
plt.xlabel("standard deviation of the weights")
plt.ylabel("test error")
plt.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
prologue.show(
    "Test error against the standard deviation of the weights, without batch normalization low "
    "in a narrow dip only, with it low for nearly all."
)

# %% [markdown]
# ## 5. Residual networks
#
# A block computes what must be **added** to its input. The network for MNIST has 25 blocks of 16 channels with 3 x 3
# filters: 51 convolutions, and only **117 802** parameters.


# %%
class ResBlock(nn.Module):
    def __init__(self, nb_channels: int, kernel_size: int, skip: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=kernel_size // 2)
        self.bn1 = nn.BatchNorm2d(nb_channels)
        self.conv2 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=kernel_size // 2)
        self.bn2 = nn.BatchNorm2d(nb_channels)
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(x + y if self.skip else y)


class ResNet(nn.Module):
    def __init__(
        self, nb_blocks: int, nb_channels: int, kernel_size: int, nb_classes: int, skip: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, nb_channels, kernel_size=1)
        self.blocks = nn.Sequential(
            *(ResBlock(nb_channels, kernel_size, skip) for _ in range(nb_blocks))
        )
        self.fc = nn.Linear(nb_channels, nb_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.relu(self.conv(x)))
        return self.fc(x.mean(dim=(2, 3)))


resnet = ResNet(nb_blocks=25, nb_channels=16, kernel_size=3, nb_classes=10)
nb_parameters = sum(parameter.numel() for parameter in resnet.parameters())
print(f"{nb_parameters:,} parameters")

# %% [markdown]
# **With and without the sum.** The same network, on digits made smaller (14 x 14). Look at the loss after very few
# epochs: with the skip connections the 25 blocks train from the first step; without them the input has to find its
# way through 50 convolutions.

# %%
data = prologue.load_data(cifar=False, normalize=True, flatten=False)
train_input, train_target, test_input, test_target = (tensor.to(device) for tensor in data)
train_input, test_input = F.avg_pool2d(train_input, 2), F.avg_pool2d(test_input, 2)
train_input, train_target = train_input[: pick(1000, 200)], train_target[: pick(1000, 200)]
test_input, test_target = test_input[: pick(1000, 50)], test_target[: pick(1000, 50)]

resnet_results = {}
for skip in (True, False):
    torch.manual_seed(0)
    start = time.perf_counter()
    resnet = ResNet(
        nb_blocks=pick(25, 8), nb_channels=16, kernel_size=3, nb_classes=10, skip=skip
    ).to(device)
    train(resnet, nb_epochs=pick(5, 1), lr=0.02)
    resnet_results[skip] = (
        *evaluate(resnet, train_input, train_target),
        *evaluate(resnet, test_input, test_target),
    )
    print(
        "skip connections {!s:5}: train loss {:.3f}, error {:.1%};".format(
            skip, *resnet_results[skip][:2]
        ),
        "test loss {:.3f}, error {:.1%};".format(*resnet_results[skip][2:]),
        f"{time.perf_counter() - start:.0f} s",
    )

# %% [markdown]
# **Stochastic depth** is dropout for blocks: in training, block $l$ of $L$ is skipped for a whole batch with a
# probability that grows from 0 to 1/2; in evaluation, each block counts with its probability of being there. Look at
# the number of blocks that run: a quarter of the computation is saved.


# %%
class StochasticDepth(nn.Module):
    def __init__(self, block: ResBlock, survival: float) -> None:
        super().__init__()
        self.block, self.survival, self.nb_runs = block, survival, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.rand(()) > self.survival:
            return x
        self.nb_runs += 1
        change = self.block(x) - x  # the block's last relu included
        return x + change if self.training else x + self.survival * change


torch.manual_seed(0)
stochastic = ResNet(nb_blocks=24, nb_channels=4, kernel_size=3, nb_classes=10)
wrapped = [
    StochasticDepth(block, 1 - 0.5 * (number + 1) / 24)
    for number, block in enumerate(stochastic.blocks)
]
stochastic.blocks = nn.Sequential(*wrapped)
with torch.no_grad():
    for _ in range(100):
        stochastic(torch.randn(2, 1, 7, 7))
mean_nb_blocks = sum(block.nb_runs for block in stochastic.blocks) / 100
expected_nb_blocks = sum(block.survival for block in stochastic.blocks)
print(f"blocks that ran: {mean_nb_blocks:.2f} of 24 on average, expected {expected_nb_blocks:.2f}")

# %% [markdown]
# ## 6. The GPU
#
# `to(device)` **copies a tensor**, unless it is there already: then you get the very same one. It moves a **module in
# place**, and returns it. Look at the three answers. Operands must be on the same device: torch does not copy between
# devices behind your back. (One exception: a tensor without dimensions on the CPU counts as a number.)

# %%
a = torch.ones(3)
same_device_is_same_tensor = a.to("cpu") is a
other_type_is_same_tensor = a.to(torch.float64) is a
layer = nn.Linear(3, 1)
module_is_moved_in_place = layer.to(device) is layer
print("tensor.to(where it is) is the tensor itself:", same_device_is_same_tensor)
print("tensor.to(something else) is the tensor itself:", other_type_is_same_tensor)
print(
    "module.to(device) is the module itself:",
    module_is_moved_in_place,
    "- now on",
    layer.weight.device,
)
if device.type == "cuda":
    try:
        layer(a)
    except RuntimeError as error:
        print("RuntimeError:", str(error).splitlines()[0])
else:
    print("no GPU here: one device, nothing to mix up")

# %% [markdown]
# **How much faster?** Products of square matrices. Operations on a GPU are queued: without `synchronize` you would
# measure the time it takes to ask. Look at small sizes too, where the GPU is not worth the trip.

# %%
devices = [torch.device("cpu"), *([device] if device.type == "cuda" else [])]
for size in pick((64, 512, 2048), (64, 512)):
    for place in devices:
        m = torch.randn(size, size, device=place)
        m @ m  # the first call also sets things up
        if place.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(5):
            m @ m
        if place.type == "cuda":
            torch.cuda.synchronize()
        seconds = (time.perf_counter() - start) / 5
        print(
            f"{size:4d} x {size:<4d} {place!s:5} {seconds * 1e3:8.3f} ms,",
            f"{2 * size**3 / seconds / 1e9:7.1f} GFlop/s",
        )

# %% [markdown]
# **Several GPUs.** `nn.DataParallel` splits the batch, runs a copy of the module on each GPU, and puts the results
# together. Look at the sizes that the module prints: with $k$ GPUs it sees $k$ times a $k$-th of the samples; with
# one or none it sees all of them. (For real work use `DistributedDataParallel`: one process for each GPU.)


# %%
class Talking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        print("  inside:", tuple(x.size()), "on", x.device)
        return self.fc(x)


parallel = nn.DataParallel(Talking().to(device))
print("GPUs:", len(parallel.device_ids))
parallel_output = parallel(torch.randn(50, 5, device=device))
print("  outside:", tuple(parallel_output.size()))

# %% [markdown]
# ## Try
#
# 1. Train a network with one hidden layer of 12 units on the sawtooth with $D = 6$, and then one with 64. Then a deep
#    one, started from random weights. Is what depth can represent also what training finds?
# 2. On the disc, replace the fixed standard deviation by `nn.init.kaiming_normal_`. Is batch normalization still
#    needed?
# 3. Put the batch normalization of section 4 behind a batch of a single sample, in training mode. What happens, and
#    why?
