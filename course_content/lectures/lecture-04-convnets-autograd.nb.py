# %% [markdown]
# # Lecture 4: graphs, autograd, convolutional networks
#
# How a gradient goes backward through any graph of operations, how autograd does it for you, and what convolutions and modules
# are made of.
#
# Runs in one or two minutes; an hour to read and play with.

# %%
# %matplotlib inline
import time

import dlc_practical_prologue as prologue
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
device = prologue.device
print(f"device {device}; MNIST: {prologue.get_data_source('mnist')}")

# %% [markdown]
# ## 1. A graph by hand
#
# Three nodes, and the matrix $w_1$ is used twice:
#
# $$x_1 = w_1 x_0, \qquad x_2 = x_0 + w_2 x_1, \qquad x_3 = w_1 (x_1 + x_2), \qquad \ell = \|x_3\|^2 .$$
#
# Forward in this order, backward in the other: a node's gradient is a sum over all nodes that used it, and a parameter's a sum
# over all its uses. Look at the two terms of `grad_x1` and of `grad_w1`.

# %%
x0, w1, w2 = torch.randn(20), torch.randn(20, 20) / 4, torch.randn(20, 20) / 4
x1 = w1 @ x0
x2 = x0 + w2 @ x1
x3 = w1 @ (x1 + x2)

grad_x3 = 2 * x3
grad_x2 = w1.t() @ grad_x3
grad_x1 = w1.t() @ grad_x3 + w2.t() @ grad_x2
grad_w1 = torch.outer(grad_x3, x1 + x2) + torch.outer(grad_x1, x0)
grad_w2 = torch.outer(grad_x2, x1)
print(f"norms of the gradients: w1 {grad_w1.norm():.3f}, w2 {grad_w2.norm():.3f}")

# %% [markdown]
# **Autograd** records the graph while you compute and goes the same way back. It begins with the tensors that
# `requires_grad`. Look at the norms: they are those from above.

# %%
w1.requires_grad_()
w2.requires_grad_()
x1 = w1 @ x0
x2 = x0 + w2 @ x1
loss = (w1 @ (x1 + x2)).square().sum()
loss.backward()
print(f"norms of the gradients: w1 {w1.grad.norm():.3f}, w2 {w2.grad.norm():.3f}")

# %% [markdown]
# The graph can be looked at: each result has a `grad_fn`, the operation that made it, and this knows those before it. Read it
# from the loss to the leaves, `AccumulateGrad`, which add to a `.grad`; `w1` is there twice.


# %%
def show_graph(node, depth=0):
    print("  " * depth + node.name())
    for previous, _ in node.next_functions:
        if previous is not None:
            show_graph(previous, depth + 1)


tiny_loss = (w1 @ (w1 @ x0)).square().sum()
show_graph(tiny_loss.grad_fn)

# %% [markdown]
# ## 2. Gradients you can check in your head
#
# The norm of (1, 2, 2) is 3, and its gradient is the vector divided by its norm, (1/3, 2/3, 2/3). The gradient of
# $\sum_i t_i^3$ is $3 t_i^2$: 27, 12 and 75 at (-3, 2, 5).
#
# `torch.autograd.grad` returns gradients, `backward` **adds** them to `.grad`. Look at the second call: twice as much. Training
# loops reset gradients for this reason.

# %%
x = torch.tensor([1.0, 2.0, 2.0], requires_grad=True)
norm = x.norm()
(norm_grad,) = torch.autograd.grad(norm, x)
print("norm", norm.item(), "gradient", norm_grad)

t = torch.tensor([-3.0, 2.0, 5.0], requires_grad=True)
t.pow(3).sum().backward()
cube_grad = t.grad.clone()
t.pow(3).sum().backward()
accumulated = t.grad.clone()
print("cubes: gradient", cube_grad, "after a second call", accumulated)

# %% [markdown]
# **Second order.** With `create_graph=True` the gradient is a node of the graph as any other. Here
# $\psi(x) = e^{x_1} + x_2 + e^{-x_3}$ at (1, 2, -3), and we differentiate $\|\nabla \psi\|^2 = e^{2 x_1} + 1 + e^{-2 x_3}$ once
# more, as one does to penalize large gradients. Look at the zero: the slope along $x_2$ is always 1.

# %%
x = torch.tensor([1.0, 2.0, -3.0], requires_grad=True)
psi = x[0].exp() + x[1] + (-x[2]).exp()
(first,) = torch.autograd.grad(psi, x, create_graph=True)
(second,) = torch.autograd.grad(first.square().sum(), x)
print("gradient of psi", first.detach(), "of its squared norm", second)

# %% [markdown]
# **What `detach` cuts.** Minimize $(a - 1)^2 + (b + 1)^2 + (a - b)^2$: each number is pulled to a place of its own, and both to
# each other. They meet at (1/3, -1/3). If the last term gets `a.detach()`, it is a force on $b$ only: look at where $a$ goes then.


# %%
def minimize(cut):
    a, b = torch.tensor(0.5, requires_grad=True), torch.tensor(-0.5, requires_grad=True)
    for _ in range(100):
        seen = a.detach() if cut else a
        loss = (a - 1).square() + (b + 1).square() + (seen - b).square()
        grad_a, grad_b = torch.autograd.grad(loss, (a, b))
        with torch.no_grad():  # the step itself is no part of any graph
            a -= 0.1 * grad_a
            b -= 0.1 * grad_b
    return a.item(), b.item()


joint, cut = minimize(cut=False), minimize(cut=True)
print("joint ({:.4f}, {:.4f}), cut ({:.4f}, {:.4f})".format(*joint, *cut))

# %% [markdown]
# **The graph follows the data.** It is what was computed, loops and conditions included. Here the number of doublings depends on
# the values, and so does the gradient: look at its powers of two.

# %%
doublings = {}
for start in (0.4, 3.0, 700.0):
    x = torch.tensor([start, start], requires_grad=True)
    y, nb_doublings = x, 0
    while y.norm() < 1000:
        y, nb_doublings = 2 * y, nb_doublings + 1
    y.sum().backward()
    doublings[start] = nb_doublings
    print(f"from {start}: {nb_doublings} doublings, gradient {x.grad.tolist()}")

# %% [markdown]
# **In place, and too late.** `exp` keeps its result, because that is its own derivative. Changed in place it is lost, and autograd
# notices. `sin` keeps its input instead. Read the message: it says which operation, which version.

# %%
x = torch.randn(3, requires_grad=True)
y = x.exp()
y += 1
try:
    y.sum().backward()
except RuntimeError as error:
    in_place_message = str(error)
    print("RuntimeError:", in_place_message.split(" Hint")[0])

z = x.sin()
z += 1
z.sum().backward()
print("sin, then += 1: the gradient is cos:", torch.allclose(x.grad, x.detach().cos()))

# %% [markdown]
# ## 3. Batches
#
# A matrix of 2500 x 1000 times 1500 vectors, one after the other or in one product. Both do the same multiplications, but the
# second reads the matrix once for many vectors and starts one operation instead of 1500. In the course it was 10 times faster on
# a CPU and 80.7 times on a GPU; look at yours.

# %%
matrix, vectors = torch.randn(2500, 1000), torch.randn(prologue.pick(1500, 50), 1000)


def measure(act, device):
    """Seconds of the fastest of ten calls, after one to warm up; a GPU has to be waited for."""
    seconds = []
    for _ in range(11):
        start = time.perf_counter()
        act()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


batch_ratios = {}
for place in {torch.device("cpu"), device}:
    m, v = matrix.to(place), vectors.to(place)
    loop = measure(lambda m=m, v=v: [m @ vector for vector in v], place)
    batch = measure(lambda m=m, v=v: v @ m.t(), place)
    batch_ratios[place.type] = loop / batch
    print(
        f"{place.type}: {loop:.4f} s one by one, {batch:.4f} s at once,",
        f"{loop / batch:.1f} times faster",
    )
same_result = torch.allclose(
    torch.stack([matrix @ vector for vector in vectors[:9]]), vectors[:9] @ matrix.t(), atol=1e-3
)

# %% [markdown]
# ## 4. Convolutions
#
# D filters of C x h x w take N x C x H x W to N x D x (H - h + 1) x (W - w + 1). Look at the shapes: **117 x 5 x 9 x 1** from
# 117 x 4 x 10 x 3 with filters of 2 x 3. Padding adds a frame of zeros, a stride of s keeps every s-th result, and a dilation of 4
# spreads a filter of 3 x 3 over 9 x 9 pixels, so that 20 x 30 gives **12 x 22**.

# %%
out = F.conv2d(torch.randn(117, 4, 10, 3), torch.randn(5, 4, 2, 3))
image, kernel = torch.randn(1, 1, 20, 30), torch.randn(1, 1, 3, 3)
shapes = {
    "plain": F.conv2d(image, kernel).shape,
    "padding 1": F.conv2d(image, kernel, padding=1).shape,
    "stride 2": F.conv2d(image, kernel, stride=2).shape,
    "dilation 4": F.conv2d(image, kernel, dilation=4).shape,
}
print(tuple(out.shape))
for name, shape in shapes.items():
    print(f"{name:10} 20 x 30 -> {shape[2]} x {shape[3]}")

# %% [markdown]
# **A convolution is a linear layer** that looks at one window after the other with the same weights. `unfold` lays the windows side
# by side as columns; look at the difference to `conv2d`, and at how few parameters it has.

# %%
input, weight, bias = torch.randn(1, 3, 28, 28), torch.randn(8, 3, 5, 5), torch.randn(8)
windows = F.unfold(input, kernel_size=5)  # 1 x (3 * 5 * 5) x (24 * 24)
by_hand = (weight.view(8, -1) @ windows + bias[:, None]).view(1, 8, 24, 24)
conv_difference = (by_hand - F.conv2d(input, weight, bias)).abs().max().item()
nb_conv, nb_linear = weight.numel() + bias.numel(), (3 * 28 * 28 + 1) * 8 * 24 * 24
print(
    f"largest difference {conv_difference:.1e}; {nb_conv} parameters,",
    f"a full linear layer would have {nb_linear:,}",
)

# %% [markdown]
# **Five filters of 3 x 3 on a digit.** Look at what each is blind to: the filter for vertical edges to horizontal ones, the filter
# for horizontal edges to vertical ones, the Laplacian to everything flat.

# %%
train_input, train_target, test_input, test_target = prologue.load_data(flatten=False)
filters = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "sum": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    "vertical edges": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "horizontal edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "Laplacian": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
}
filtered = F.conv2d(train_input[12:13], torch.tensor(list(filters.values())).float()[:, None])
figure, axes = plt.subplots(1, 5, figsize=(10, 2.2))
for ax, name, result in zip(axes, filters, filtered[0], strict=True):
    ax.imshow(result, cmap="gray")
    ax.set_title(name, fontsize=9)
    ax.axis("off")
prologue.show(
    "A digit after five filters: unchanged, blurred, with its vertical edges, with its "
    "horizontal edges, and its outline."
)

# %% [markdown]
# **Max-pooling keeps the largest value of each block.** Where in the block it was does not matter. Look at the second result, of the
# numbers moved one to the right: the 5, the 7 and the 3 are still in their blocks and stay where they are, and the 2 has crossed
# into the next block.

# %%
spike = torch.tensor(
    [[0.0, 0, 0, 0, 5, 0], [0, 2, 0, 0, 0, 0], [0, 0, 7, 0, 0, 0], [0, 0, 0, 0, 3, 0]]
)
pooled = F.max_pool2d(spike[None, None], kernel_size=2)
pooled_moved = F.max_pool2d(spike.roll(1, dims=1)[None, None], kernel_size=2)
print(pooled[0, 0])
print(pooled_moved[0, 0])

# %% [markdown]
# ## 5. Modules
#
# An `nn.Module` finds the parameters of what is assigned to its attributes. What is hidden in a plain list it cannot see: such
# layers work, but they are neither trained nor moved to a GPU. An `nn.ModuleList` is a list that it can see. Count the
# parameters.


# %%
class Buggy(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, kernel_size=3)
        self.others = [nn.Linear(10, 10) for _ in range(4)]


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, kernel_size=3)
        self.others = nn.ModuleList([nn.Linear(10, 10) for _ in range(4)])


for model in (Buggy(), Fixed()):
    print(f"{type(model).__name__}:", [name for name, _ in model.named_parameters()])
nb_buggy, nb_fixed = (sum(p.numel() for p in model.parameters()) for model in (Buggy(), Fixed()))
print(f"{nb_buggy} parameters, {nb_fixed} parameters")

# %% [markdown]
# ## 6. A network for digits
#
# The network of practical 4: convolution, max-pooling and ReLU, twice, then two linear layers. Look at the sizes on the way from
# 784 pixels to 10 scores, and at where its 105 506 parameters and its 1 333 200 products are: most parameters are in the second
# convolution and the first linear layer, nearly all products in the convolutions.


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


layers = {}


def note(module, input, output):
    """A hook, called after a layer: each of its outputs takes a product for each of its weights."""
    nb_products = output[0].numel() * module.weight[0].numel()
    layers[module] = (
        tuple(output.shape[1:]),
        sum(p.numel() for p in module.parameters()),
        nb_products,
    )


model = Net()
hooks = [layer.register_forward_hook(note) for layer in model.children()]
model(train_input[:1])
for hook in hooks:
    hook.remove()
for layer, (size, nb, products) in layers.items():
    print(
        f"{type(layer).__name__:6} {' x '.join(map(str, size)):12}",
        f"{nb:6} parameters {products:7} products",
    )
nb_parameters, nb_products = (sum(row[i] for row in layers.values()) for i in (1, 2))
print(f"in all {nb_parameters} parameters, {nb_products} products")

# %% [markdown]
# **Trained on the squared error.** The target of a digit is a row of ten numbers, one for each class. It can be coded as 0 and 1, or
# as -1 and 1, and the code matters: the second is twice as far apart, so that gradients are larger. Look at both curves: the second
# is less calm, and is lower in the end. (Lecture 5 has a loss that suits classes better.)


# %%
def train(low, nb_epochs):
    """The test error after each epoch, with targets of `low` and 1."""
    torch.manual_seed(0)
    model = Net().to(device)
    mean, std = train_input.mean(), train_input.std()
    x, x_test = (((z - mean) / std).to(device) for z in (train_input, test_input))
    rows = (low + (1 - low) * F.one_hot(train_target, 10)).float().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    errors = []
    for _ in range(nb_epochs):
        for first in range(0, len(x), 100):
            loss = F.mse_loss(model(x[first : first + 100]), rows[first : first + 100])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            guessed = model(x_test).argmax(1).cpu()
        errors.append((guessed != test_target).float().mean().item())
    return errors


nb_epochs = prologue.pick(25, 5)
errors_01, errors_signed = train(0.0, nb_epochs), train(-1.0, nb_epochs)
print(f"test error with rows of 0 and 1: {errors_01[-1]:.1%}, of -1 and 1: {errors_signed[-1]:.1%}")

figure, ax = plt.subplots(figsize=(5, 2.8))
ax.plot(range(1, nb_epochs + 1), errors_01, label="0 and 1")
ax.plot(range(1, nb_epochs + 1), errors_signed, label="-1 and 1")
ax.set(xlabel="epoch", ylabel="test error", ylim=(0, 1))
ax.legend()
prologue.show(
    "Test error against the epoch for targets of 0 and 1 and for targets of -1 and 1; both "
    "fall, and the second is less calm."
)

# %% [markdown]
# ## Try
#
# 1. Remove `create_graph=True` from the second-order gradient. What does autograd say, and why?
# 2. Replace `y += 1` after `exp` by `y = y + 1`. Why is that no problem?
# 3. Add a third convolution to `Net`. Which sizes must change, and how many parameters do you get?
