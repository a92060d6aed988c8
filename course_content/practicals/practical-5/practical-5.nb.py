# %% [markdown]
# # Practical 5: initialization
#
# A shallow network learns from almost any initial values; a deep one does not. You will see it on a set that you make
# yourself, so nothing is loaded. About one hour and a half, of which a few minutes are training.
#
# Write into the cells below or into `practical_5.py` beside this notebook. `!course-check 5` tells what is right so far.

# %%
import torch
from torch import nn

torch.manual_seed(0)

# %% [markdown]
# ## 1. A set of points
#
# Write `generate_disc_set(nb)`. It returns a tensor of `nb` x 2 floats, uniform in $[-1, 1]^2$, and a tensor of `nb`
# classes (`int64`): **1 inside** the disc of radius $\sqrt{2 / \pi}$ around the origin, 0 outside. No loop.
#
# Why is half of the points inside? Make 1000 points for training and 1000 for the test, and subtract from both the one
# mean, and divide them by the one standard deviation, of the training points.
#
# *Useful: `torch.empty(nb, 2).uniform_(-1, 1)`, `pow`, `sum(1)`, `torch.pi`, `long()`.*


# %%
def generate_disc_set(nb): ...


# %% [markdown]
# ## 2. Training and errors
#
# `train_model(model, train_input, train_target)` minimizes the cross-entropy with stochastic gradient descent: 250
# epochs, a learning rate of 0.1, mini-batches of 100 samples.
#
# `compute_nb_errors(model, data_input, data_target)` returns how many samples get another class than theirs, as a
# Python `int`. The class that a network gives is the one of its largest output.
#
# *Useful: `nn.CrossEntropyLoss`, `torch.optim.SGD`, `split`, `argmax(1)`, `torch.no_grad()`, `item()`.*


# %%
def train_model(model, train_input, train_target): ...


def compute_nb_errors(model, data_input, data_target): ...


# %% [markdown]
# ## 3. Two models
#
# `create_shallow_model()` has one hidden layer: 2 - 128 - 2, that is 642 parameters. `create_deep_model()` has six:
# 2 - 4 - 8 - 16 - 32 - 64 - 128 - 2, that is 11 430 parameters. Each layer but the last is followed by a ReLU.
#
# *Useful: `nn.Sequential`, `nn.Linear`, `nn.ReLU`.*


# %%
def create_shallow_model(): ...


def create_deep_model(): ...


# %% [markdown]
# ## 4. Compare
#
# Train each model six times: as torch initializes it, and with **all** parameters (weights and biases) drawn from a
# normal distribution of mean 0 and standard deviation 0.001, 0.01, 0.1, 1 and 10. Print the errors on both sets.
#
# What to expect: the shallow model ends between 1 and 2 % on the test set whatever its first values were. The deep one
# comes to about 3 % from torch's own initialization, and mostly stays at chance, 50 %, from all others. Why?
#
# *Useful: inside `with torch.no_grad():`, `parameter.normal_(0, std)` for each of `model.parameters()`.*

# %%
# your loop over the models and the standard deviations

# %% [markdown]
# ## Is it right?
#
# Save this notebook (Ctrl-S), then run the next cell. It looks at what you changed last, the notebook or the file.

# %%
# !course-check 5
