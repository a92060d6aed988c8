# %% [markdown]
# # Practical 6: gradients in residual networks
#
# How large is the gradient that reaches the first layers of a network of 60 convolutions, and what have skip
# connections and batch normalization to do with it? About two hours; a full run takes some minutes.
#
# Start from `dlc_practical_6_embryo.py` beside this notebook: a residual network that works, and an example of a plot.
# Write into a copy of it or into the cells below. `!course-check 6` tells what is right so far.

# %%
# %matplotlib inline
import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
train_input, train_target, _, _ = prologue.load_data(cifar=True, normalize=True, flatten=False)
train_input.shape

# %% [markdown]
# ## 1. Two switches
#
# Add two Boolean parameters, `skip_connections` and `batch_normalization`, to both classes, `ResNetBlock` and `ResNet`.
# Both are `True` unless they are given. Without skip connections, a block does not add its input to its output; without
# batch normalization there is none at all: not in the blocks, not after the first convolution. All else stays.
#
# *Useful: `nn.Identity()` does nothing. Call them by name: `ResNet(30, 10, skip_connections=False)`.*


# %%
class ResNetBlock(nn.Module): ...


class ResNet(nn.Module): ...


# %% [markdown]
# ## 2. The norms of gradients
#
# `get_stats(skip_connections, batch_normalization)` makes a `ResNet` of 30 blocks and 10 channels with 3 x 3 filters. For
# each of the first 100 training samples **alone** it computes the cross-entropy, its gradient, and the norm of the
# gradient of the weights of the first convolution of every block. It returns a tensor of 30 x 100 norms.
#
# One sample alone is `train_input[n : n + 1]`, still a tensor of four dimensions. Gradients add up over the samples
# unless something stops them.
#
# *Useful: `nn.CrossEntropyLoss`, `model.zero_grad()`, `loss.backward()`, `parameter.grad.norm()`.*


# %%
def get_stats(skip_connections, batch_normalization): ...


# %% [markdown]
# ## 3. Draw them
#
# Plot the mean norm over the 100 samples against the depth, for the four settings in one figure, with a logarithmic
# vertical axis.
#
# What to expect: with skip connections the norms stay within a few powers of ten from the first block to the last.
# Without them they vanish towards the first blocks; with batch normalization alone they explode, by a factor of some
# ten thousand.

# %%
# your plot

# %% [markdown]
# ## Is it right?
#
# Save this notebook (Ctrl-S), then run the next cell. It looks at what you changed last, the notebook or the file.

# %%
# !course-check 6
