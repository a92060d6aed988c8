# %% [markdown]
# # Lecture 2: answers

# %%
import math

import dlc_practical_prologue as prologue
import torch

digits, classes, test_digits, test_classes = prologue.load_data(cifar=False)

# %% [markdown]
# ## 1. The best number of neighbors
#
# Validation samples may choose K: a part of the training set that is no neighbor itself, or the folds of a
# cross-validation. The test samples must not, because an error that was used for a choice is too small. The training
# samples cannot: each is its own nearest neighbor, so that K = 1 makes no error. A few neighbors are best for the
# digits; with hundreds, most of the neighbors are other digits.

# %%
nb = len(digits) * 4 // 5
nearest = torch.cdist(digits[nb:], digits[:nb]).argsort(dim=1)
errors = {}
for k in (1, 3, 5, 9, 25, 301):
    votes = torch.nn.functional.one_hot(classes[:nb][nearest[:, :k]], 10).sum(1)
    errors[k] = (votes.argmax(1) != classes[nb:]).float().mean().item()
    print(f"K = {k:3}: error {errors[k]:.1%} on {len(digits) - nb} validation samples")
assert min(errors, key=errors.get) < 301 and errors[301] > min(errors.values()) + 0.05

# %% [markdown]
# ## 2. A polynomial of degree 10 and 1000 samples
#
# The error falls to about the noise shared by the samples, $0.04 \cdot 11 / 1000$: the model is the same, but 1000
# samples leave it no freedom to follow the noise of each. Over-fitting is a matter of capacity and samples together.

# %%
torch.manual_seed(0)
powers = torch.arange(11)
x_test = torch.linspace(0, 1, 200, dtype=torch.float64)
errors = {}
for nb_samples in (11, 1000):
    x = torch.linspace(0, 1, nb_samples, dtype=torch.float64)
    y = (2 * math.pi * x).sin() + 0.2 * torch.randn(nb_samples, dtype=torch.float64)
    alpha = torch.linalg.lstsq(x[:, None] ** powers, y[:, None]).solution
    fit = (x_test[:, None] ** powers @ alpha)[:, 0]
    errors[nb_samples] = (fit - (2 * math.pi * x_test).sin()).square().mean().item()
    print(f"{nb_samples:4} samples: squared error {errors[nb_samples]:.5f}")
assert errors[1000] < 0.003 < 10 * errors[1000] < errors[11]

# %% [markdown]
# ## 3. Ten centers, several times
#
# The centers are not the ten digits: some digits are written in two ways and get two centers, others share one. The
# cost differs from run to run, because each start leads to the nearest minimum that no single step can leave. One runs
# it several times and keeps the least cost.

# %%
costs, centers_per_class = [], []
for seed in range(5):
    torch.manual_seed(seed)
    centers = digits[torch.randperm(len(digits))[:10]]
    for _ in range(15):
        nearest = torch.cdist(digits, centers).argmin(1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, digits)
        centers = sums / nearest.bincount(minlength=10).clamp(min=1)[:, None]
    costs.append(torch.cdist(digits, centers).amin(1).square().mean().item())
    majority = [
        classes[nearest == c].mode().values.item() for c in range(10) if (nearest == c).any()
    ]
    centers_per_class.append(len(set(majority)))
print(
    "costs",
    [f"{cost:.0f}" for cost in costs],
    "digits that are a majority somewhere",
    centers_per_class,
)
assert max(costs) > min(costs) and min(centers_per_class) < 10
