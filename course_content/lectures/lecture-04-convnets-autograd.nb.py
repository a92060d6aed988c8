# %% [markdown]
# # Lecture 4: graphs, autograd, convolutional networks
#
# How a gradient goes backward through any graph of operations, how `autograd` does it for you, and what convolutions and
# modules are made of. Runs in about a minute.

# %%
# %matplotlib inline
import time

import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn

torch.manual_seed(0)
device = prologue.device

# %% [markdown]
# ## A graph by hand
#
# Three nodes, and the matrix `w1` is used twice:
#
# $$x_1 = w_1 x_0, \qquad x_2 = x_0 + w_2 x_1, \qquad x_3 = w_1 (x_1 + x_2), \qquad l = \|x_3\|^2 .$$
#
# Backward, each node collects what comes from all nodes that used it, and a shared parameter what comes from all its uses.

# %%
x0, w1, w2 = torch.randn(20), torch.randn(20, 20), torch.randn(20, 20)
x1 = w1 @ x0
x2 = x0 + w2 @ x1
x3 = w1 @ (x1 + x2)

grad_x3 = 2 * x3
grad_x2 = w1.t() @ grad_x3
grad_x1 = w1.t() @ grad_x3 + w2.t() @ grad_x2
grad_w1 = torch.outer(grad_x1, x0) + torch.outer(grad_x3, x1 + x2)
grad_w2 = torch.outer(grad_x2, x1)

# %% [markdown]
# Autograd builds the same graph while you compute, and goes the same way back.

# %%
w1.requires_grad_(), w2.requires_grad_()
x1 = w1 @ x0
x2 = x0 + w2 @ x1
loss = (w1 @ (x1 + x2)).pow(2).sum()
loss.backward()
torch.allclose(w1.grad, grad_w1, rtol=1e-3), torch.allclose(w2.grad, grad_w2, rtol=1e-3)

# %% [markdown]
# ## Gradients of simple functions
#
# The norm of (1, 2, 2) is 3, and its gradient is the vector divided by its norm.

# %%
x = torch.tensor([1.0, 2.0, 2.0], requires_grad=True)
norm = x.norm()
(norm_grad,) = torch.autograd.grad(norm, x)
norm.item(), norm_grad

# %%
t = torch.tensor([-3.0, 2.0, 5.0], requires_grad=True)
t.pow(3).sum().backward()
t.grad  # 3 t^2

# %% [markdown]
# Gradients **add up** in `.grad` until you reset them: look at the second call.

# %%
t.pow(3).sum().backward()
accumulated = t.grad.clone()
t.grad = None
accumulated

# %% [markdown]
# ## Second order
#
# With `create_graph=True` the gradient is itself a node of a graph. Here $\psi(x) = e^{x_1} + x_2 + e^{-x_3}$, and we
# differentiate $\|\nabla \psi\|^2 = e^{2 x_1} + 1 + e^{-2 x_3}$ once more.

# %%
x = torch.tensor([1.0, 2.0, -3.0], requires_grad=True)
psi = x[0].exp() + x[1] + (-x[2]).exp()
(first,) = torch.autograd.grad(psi, x, create_graph=True)
(second,) = torch.autograd.grad(first.pow(2).sum(), x)
second

# %% [markdown]
# ## What `detach` cuts
#
# Minimize $(a - 1)^2 + (b + 1)^2 + (a - b)^2$: the last term pulls both values together. When it sees only a detached `a`,
# it cannot pull that one.


# %%
def minimize(cut):
    a, b = torch.tensor(0.5, requires_grad=True), torch.tensor(-0.5, requires_grad=True)
    for _ in range(100):
        pulled = a.detach() if cut else a
        loss = (a - 1).pow(2) + (b + 1).pow(2) + (pulled - b).pow(2)
        grad_a, grad_b = torch.autograd.grad(loss, (a, b))
        with torch.no_grad():
            a -= 0.1 * grad_a
            b -= 0.1 * grad_b
    return a.item(), b.item()


joint, cut = minimize(False), minimize(True)
joint, cut

# %% [markdown]
# ## The graph follows the data
#
# The graph is what was computed, loops and conditions included. Here the number of operations depends on the values.

# %%
x = torch.tensor([0.4, 0.3], requires_grad=True)
y, nb_doublings = x, 0
while y.norm() < 1000:
    y, nb_doublings = 2 * y, nb_doublings + 1
y.sum().backward()
nb_doublings, x.grad

# %% [markdown]
# ## In place, and too late
#
# `exp` keeps its result for the way back. Changed in place, it is useless, and autograd says so.

# %%
x = torch.randn(3, requires_grad=True)
y = x.exp()
y += 1
try:
    y.sum().backward()
except RuntimeError as error:
    in_place_message = str(error)
    print(in_place_message)

# %% [markdown]
# ## Batches
#
# One product of matrices does the work of 1500 products of a matrix with a vector, and the processor is kept busy.

# %%
matrix, vectors = torch.randn(2500, 1000, device=device), torch.randn(1500, 1000, device=device)


def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(act, times):
    act(), wait()
    start = time.perf_counter()
    for _ in range(times):
        act()
    wait()
    return (time.perf_counter() - start) / times


some = vectors[: prologue.pick(1500, 150)]
loop = measure(lambda: [matrix @ vector for vector in some], 1)
batch = measure(lambda: some @ matrix.t(), 3)
print(f"{loop:.4f} s one by one, {batch:.4f} s at once: {loop / batch:.1f} times faster")

# %% [markdown]
# ## Convolutions
#
# A convolution takes N x C x H x W to N x D x (H - h + 1) x (W - w + 1) with D filters of C x h x w. A dilation of 4 spreads a
# filter of 3 x 3 over 9 x 9 pixels.

# %%
out = F.conv2d(torch.randn(117, 4, 10, 3), torch.randn(5, 4, 2, 3))
dilated = F.conv2d(torch.randn(1, 1, 20, 30), torch.randn(1, 1, 3, 3), dilation=4)
out.shape, dilated.shape

# %% [markdown]
# Five filters of 3 x 3 on one digit: identity, sum, vertical edges, horizontal edges, Laplacian.

# %%
train_input, train_target, test_input, test_target = prologue.load_data(flatten=False)
filters = torch.tensor(
    [
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
        [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
        [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
        [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    ],
    dtype=torch.float,
)
filtered = F.conv2d(train_input[12:13], filters[:, None])
figure, axes = plt.subplots(1, 5, figsize=(10, 2.2))
for axis, image, name in zip(
    axes, filtered[0], ("identity", "sum", "vertical", "horizontal", "Laplacian"), strict=True
):
    axis.imshow(image, cmap="gray")
    axis.set_title(name)
    axis.axis("off")

# %% [markdown]
# Max-pooling keeps the largest value of each block.

# %%
pooled = F.max_pool2d(torch.arange(16.0).view(1, 1, 4, 4), kernel_size=2)
pooled

# %% [markdown]
# ## Modules know their parameters, if you let them
#
# A parameter in a plain list is invisible to `parameters()`, so it is neither moved to the GPU nor trained. A
# `ModuleList` is a list whose modules count.


# %%
class Buggy(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 10)
        self.hidden = [nn.Linear(10, 10) for _ in range(3)]


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 10)
        self.hidden = nn.ModuleList([nn.Linear(10, 10) for _ in range(3)])


nb_buggy, nb_fixed = (len([*model.parameters()]) for model in (Buggy(), Fixed()))
nb_buggy, nb_fixed


# %% [markdown]
# ## A network for digits
#
# The network of practical 4: two convolutions, each followed by a pooling and a ReLU, then two linear layers.


# %%
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5)
        self.fc1 = nn.Linear(256, 200)
        self.fc2 = nn.Linear(200, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=3))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


nb_parameters = sum(parameter.numel() for parameter in Net().parameters())
nb_parameters

# %% [markdown]
# How targets are coded matters to the squared error: rows of -1 and 1 are learnt faster than rows of 0 and 1, because all ten
# outputs have something to do.


# %%
def train(low, nb_epochs):
    torch.manual_seed(0)
    model = Net().to(device)
    mean, std = train_input.mean(), train_input.std()
    input = ((train_input - mean) / std).to(device)
    target = F.one_hot(train_target, 10).float().mul(1 - low).add(low).to(device)
    for _ in range(nb_epochs):
        for x, rows in zip(input.split(100), target.split(100), strict=True):
            loss = F.mse_loss(model(x), rows)
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.1 * parameter.grad
    with torch.no_grad():
        classes = model(((test_input - mean) / std).to(device)).argmax(1).cpu()
    return (classes != test_target).float().mean().item()


nb_epochs = 25
error_01, error_signed = train(0.0, nb_epochs), train(-1.0, nb_epochs)
print(f"test error with rows of 0 and 1: {error_01:.1%}, of -1 and 1: {error_signed:.1%}")

# %% [markdown]
# ## Try
#
# - Which shape has the output of a convolution of stride 2, and of one with `padding=1`? Check with `F.conv2d`.
# - Remove `create_graph=True` above. What does autograd say, and why?
# - Replace `y += 1` by `y = y + 1`. Why is that no problem?
