# %% [markdown]
# # Lecture 6: answers

# %%
import dlc_practical_prologue as prologue
import torch
from torch import nn
from torch.nn import functional as F

pick = prologue.pick

# %% [markdown]
# ## 1. The sawtooth, by training
#
# No. The deep network of the lecture has an error of zero. Twelve units in six layers, started at random, do not find
# it, and neither does a hidden layer of 12 or 64 units: all three end near the mean of the sawtooth. What depth can
# represent is not what gradient descent finds.

# %%
x = torch.linspace(0, 1, 513)[:, None]
teeth = 1 - ((64 * x) % 2 - 1).abs()  # D = 6: 32 teeth from 0 to 1


def make_wide(nb_units):
    return nn.Sequential(nn.Linear(1, nb_units), nn.ReLU(), nn.Linear(nb_units, 1))


def make_deep():
    layers = []
    for _ in range(6):
        layers += [nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)]
    return nn.Sequential(*layers)


errors = {}
for name, make in (
    ("12 wide", lambda: make_wide(12)),
    ("64 wide", lambda: make_wide(64)),
    ("deep", make_deep),
):
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(pick(2000, 100)):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), teeth)
        loss.backward()
        optimizer.step()
    errors[name] = loss.item()
    print(f"{name}: squared error {errors[name]:.4f}, of the mean {teeth.var(correction=0):.4f}")
assert min(errors.values()) > 0.5 * teeth.var(correction=0)

# %% [markdown]
# ## 2. `kaiming_normal_` on the disc
#
# Its standard deviation is $\sqrt{2 / 32} = 0.25$ for layers of 32 units, the one value of the lecture's list that
# trained without batch normalization. So it is not needed to begin with. It still gives freedom: any other value trains,
# too.

# %%
weight = torch.empty(32, 32)
nn.init.kaiming_normal_(weight)
print(f"standard deviation {weight.std():.3f}")
assert abs(weight.std() - 0.25) < 0.03

# %% [markdown]
# ## 3. A batch of one sample
#
# In training mode it is an error. The mean of one sample is the sample itself and its deviation is 0, so that the output
# would be the bias whatever the input is; torch refuses. In evaluation mode the running averages take their place, and a
# single sample is fine.

# %%
batch_norm = nn.BatchNorm1d(3)
message = ""
try:
    batch_norm(torch.randn(1, 3))
except ValueError as error:
    message = str(error)
print("ValueError:", message)
assert "more than 1 value per channel" in message
assert batch_norm.eval()(torch.randn(1, 3)).shape == (1, 3)
