# %% [markdown]
# # Practical 4: convolutional networks
#
# A network with two convolutions learns MNIST's digits from a thousand of them. About two hours; one training takes
# half a minute on a laptop, and there will be some sixteen.
#
# Start from `dlc_practical_4_embryo.py` beside this notebook, which trains and prints the loss of each epoch. Write into
# it, or into the cells below. `!course-check 4` tells what is right so far.

# %%
import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
train_input, train_target, test_input, test_target = prologue.load_data(
    one_hot_labels=True, normalize=True, flatten=False
)
train_target = torch.where(train_target > 0, 1.0, -1.0)
train_input.shape, train_target.shape

# %% [markdown]
# Targets are one-hot rows: 1 at the class and 0 elsewhere. The network learns faster when it is -1 elsewhere, which the
# cell above makes of `train_target`. `test_target` keeps its 0 and 1: a program that looks for `target < 0` there
# counts no error. The network of the embryo, whose shapes you should be able to explain:
#
# 1 x 28 x 28 > 32 x 24 x 24 > 32 x 8 x 8 > 64 x 4 x 4 > 64 x 2 x 2 > 256 > 200 > 10
#
# It has 105 506 parameters and multiplies 1 333 200 times for one sample.


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


# %% [markdown]
# ## 1. Training
#
# Write `train_model(model, train_input, train_target, mini_batch_size)`: the mean squared error, 25 epochs, and after
# each mini-batch one step of 0.1 against the gradient, written by yourself without `torch.optim`. Print the sum of the
# losses of each epoch. Mini-batches of 100 leave no rest of 1000 samples; `split` does
# with any number, here and in exercise 2.
#
# *Useful: `nn.MSELoss`, `split`, `model.zero_grad()`, `loss.backward()`, `torch.no_grad()`, `parameter.grad`.*


# %%
def train_model(model, train_input, train_target, mini_batch_size): ...


# %% [markdown]
# ## 2. Test error
#
# Write `compute_nb_errors(model, input, target, mini_batch_size)`, which returns how many samples have their largest
# output at another class than the target says, as a Python `int`.
#
# Train and test ten times. With 25 epochs expect about 10 % of errors on the small sets (and 0.7 % on the full ones, as
# `python dlc_practical_4_embryo.py --full` has them).
#
# *Useful: `argmax(1)`.*


# %%
def compute_nb_errors(model, input, target, mini_batch_size): ...


# %% [markdown]
# ## 3. The hidden layer
#
# Give `Net` the number of hidden units as a parameter, `Net(nb_hidden=200)`, and compare 10, 50, 200, 500 and 1000 units.
# Ten are too few. Is more always better?

# %%
# your comparison

# %% [markdown]
# ## 4. Three convolutions
#
# Write a class `Net2` with three convolutional layers, as you like it, that also takes N x 1 x 28 x 28 and gives N x 10.
# Is it better?


# %%
class Net2(nn.Module): ...


# %% [markdown]
# ## Is it right?
#
# Save this notebook (Ctrl-S), then run the next cell. It looks at what you changed last, the notebook or the file.

# %%
# !course-check 4
