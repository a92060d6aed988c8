# %% [markdown]
# # Lecture 8: answers

# %%
import dlc_practical_prologue as prologue
import torch
from torch import Tensor, nn
from torch.nn import functional as F

# %% [markdown]
# ## 1. Squares of 3 x 3 and of 19 x 19
#
# A square of 3 x 3 hides so little of a shape that the score hardly falls: the map is faint, and noise decides. A
# square of 19 x 19 hides the whole shape from many places: the map is bright, but wide, and does not say where. A square
# a little smaller than the shape is a compromise. In one dimension: a shape of 12 pixels is touched by squares whose
# centers lie on 14 pixels (square of 3), 20 (of 9) or 30 (of 19).

# %%
shape = torch.zeros(60)
shape[24:36] = 1
touched = {}
for width in (3, 9, 19):
    squares = torch.eye(60).unsqueeze(1)
    hidden = F.conv1d(squares, torch.ones(1, 1, width), padding=width // 2)[:, 0]  # center x pixel
    touched[width] = int((hidden @ shape > 0).sum())
print("centers of squares that touch the shape:", touched)
assert touched == {3: 14, 9: 20, 19: 30}

# %% [markdown]
# ## 2. Random weights
#
# Make `shape_net` anew, leave out its training, and draw the maps again. Below, the same on a small scale: a random
# network, images with a bright square in noise, and the share of each map's energy on the square or right beside it.
# Each map that is above the share of the area still shows the shape. It shows what is bright in the image and passes
# through convolutions, rectifiers and pooling; it says nothing about what was learned. (J. Adebayo and others, *Sanity
# checks for saliency maps*, 2018.) SmoothGrad, a mean of saliency maps, is left out below.

# %%
torch.manual_seed(0)
relu = nn.ReLU
layers = [
    nn.Conv2d(1, 16, 5),
    relu(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 5),
    relu(),
    nn.MaxPool2d(2),
]
random_net = nn.Sequential(*layers, nn.Conv2d(32, 32, 3), relu(), nn.Flatten(), nn.Linear(800, 3))
near = torch.zeros(12, 1, 40, 40)
near[:, :, 12:28, 12:28] = 1
images = 0.5 * torch.randn(12, 1, 40, 40)
images[:, :, 15:25, 15:25] += 1.5


def compute_map(rule) -> Tensor:
    """The gradient of a score, with `rule(gradient of the input, of the output)` at each ReLU."""
    rectifiers = [layer for layer in random_net if isinstance(layer, nn.ReLU)]
    hooks = [
        layer.register_full_backward_hook(lambda _, before, after: (rule(before[0], after[0]),))
        for layer in rectifiers
    ]
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(random_net(x)[:, 0].sum(), x)
    for hook in hooks:
        hook.remove()
    return gradient


@torch.no_grad()
def compute_occlusion() -> Tensor:
    result = torch.zeros_like(images)
    scores = random_net(images)[:, 0]
    for row in range(2, 40, 4):
        for column in range(2, 40, 4):
            hidden = images.clone()
            hidden[:, :, max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5] = 0
            change = (scores - random_net(hidden)[:, 0]).view(-1, 1, 1, 1)
            result[:, :, row - 2 : row + 2, column - 2 : column + 2] = change
    return result


maps = {
    "occlusion": compute_occlusion(),
    "saliency": compute_map(lambda before, after: before),
    "deconvolution": compute_map(lambda before, after: F.relu(after)),
    "guided": compute_map(lambda before, after: F.relu(before)),
}
share = {
    name: (m.square() * near).sum().item() / m.square().sum().item() for name, m in maps.items()
}
print({name: f"{value:.0%}" for name, value in share.items()}, f"area {near.mean():.0%}")
assert min(share.values()) > 2 * near.mean(), share

# %% [markdown]
# ## 3. Training on adversarial examples
#
# Here with a perceptron on few digits, and steps of 0.2: the error under the gradient's signs falls far, the error on
# clean digits remains about as it was. The gradient's signs are made anew for each batch, because they depend on the
# network.

# %%
data = prologue.load_data(cifar=False, normalize=True, flatten=True)
train_input, train_target, test_input, test_target = (part[:500] for part in data)


def change(net: nn.Module, x: Tensor, y: Tensor, epsilon: float = 0.2) -> Tensor:
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(net(x), y), x)
    return (x + epsilon * gradient.sign()).detach()


errors = {}
for adversarial in (False, True):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(12):
        for x, y in zip(train_input.split(50), train_target.split(50), strict=True):
            loss = F.cross_entropy(net(change(net, x, y) if adversarial else x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    attacked = change(net, test_input, test_target)
    errors[adversarial] = [
        (net(x).argmax(dim=1) != test_target).float().mean().item() for x in (test_input, attacked)
    ]
    print("adversarial {}: clean {:.1%}, attacked {:.1%}".format(adversarial, *errors[adversarial]))
assert errors[True][1] < errors[False][1] - 0.1 and errors[True][0] < errors[False][0] + 0.1
