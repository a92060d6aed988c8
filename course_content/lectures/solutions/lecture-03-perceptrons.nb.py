# %% [markdown]
# # Lecture 3: answers

# %%
from itertools import combinations, pairwise

import dlc_practical_prologue as prologue
import torch

train_input, train_target, _, _ = prologue.load_data(cifar=False, normalize=True)

# %% [markdown]
# ## 1. The hardest pair of digits
#
# Count the changes for each of the 45 pairs. Two digits have at most a few hundred samples here, fewer than the 784
# dimensions: a plane separates them, and the perceptron stops for each pair, 3 and 5 included. The pairs that look
# alike take the longest. Of all 60 000 samples, some 12 000 belong to a pair: no number of dimensions promises a plane
# for these, and where there is none, the perceptron goes on for ever.


# %%
def count_changes(a, b, nb_epochs_max=1000):
    """The number of changes until an epoch has none; None where this does not happen."""
    chosen = (train_target == a) | (train_target == b)
    x = torch.cat((train_input[chosen], torch.ones(int(chosen.sum()), 1)), dim=1)
    y = torch.where(train_target[chosen] == a, 1.0, -1.0)
    w, nb_changes = torch.zeros(x.size(1)), 0
    for _ in range(nb_epochs_max):
        wrong = ((x @ w) * y <= 0).nonzero().flatten().tolist()
        for n in wrong:  # those that are still wrong when their turn comes
            if x[n].dot(w) * y[n] <= 0:
                w += y[n] * x[n]
                nb_changes += 1
        if not wrong:
            return nb_changes
    return None


changes = {pair: count_changes(*pair) for pair in combinations(range(10), 2)}
slowest = sorted(changes, key=lambda pair: changes[pair] or 10**6, reverse=True)
print("slowest:", {pair: changes[pair] for pair in slowest[:4]}, "3 and 5:", changes[3, 5])
assert all(changes.values())

# %% [markdown]
# ## 2. A square instead of the product
#
# On the four corners $x_1^2 = 1$: the feature is the same for all samples, as the column of ones is. A feature helps
# only where it differs between the classes.

# %%
corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
print(corners[:, 0].square())
assert corners[:, 0].square().std() == 0 and corners.prod(1).tolist() == [1, -1, -1, 1]

# %% [markdown]
# ## 3. ReLUs in the hidden layers
#
# The derivative is 1 where the sum is positive, 0 where it is negative, and none exists at 0, where the left and the
# right slope differ. Any value from 0 to 1 does there; torch takes 0. A sum that is exactly 0 hardly occurs, and one
# sample's choice matters little. Only $\sigma'$ changes in `backward`: the output tells whether the sum was positive.


# %%
def forward(layers, x):
    """The activations x_0 to x_L: ReLUs, and none after the last layer."""
    activations = [x]
    for number, (w, b) in enumerate(layers, start=1):
        s = activations[-1] @ w.t() + b
        activations.append(s if number == len(layers) else s.relu())
    return activations


def backward(layers, activations, dl_dx):
    """Pairs of gradients, as the layers, from the gradient with respect to the output."""
    gradients, dl_ds = [], dl_dx
    for (w, _), input in zip(layers[::-1], activations[-2::-1], strict=True):
        gradients.insert(0, (dl_ds.t() @ input, dl_ds.sum(0)))
        dl_ds = (dl_ds @ w) * (input > 0)  # the derivative of the layer below
    return gradients


torch.manual_seed(0)
layers = [(torch.randn(m, n) / n**0.5, torch.randn(m)) for n, m in pairwise((5, 8, 7, 2))]
inputs, wanted = torch.randn(30, 5), torch.randn(30, 2)
activations = forward(layers, inputs)
mine = [g for pair in backward(layers, activations, 2 * (activations[-1] - wanted)) for g in pair]
parameters = [parameter.clone().requires_grad_() for layer in layers for parameter in layer]
pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
(forward(pairs, inputs)[-1] - wanted).square().sum().backward()
difference = max((p.grad - g).abs().max().item() for p, g in zip(parameters, mine, strict=True))
print(f"largest difference to autograd {difference:.1e}")
assert difference < 1e-3
