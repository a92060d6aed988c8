# %% [markdown]
# # Mini-project: removing noise without a clean picture
#
# To teach a network to remove noise, one would show it noisy pictures and the clean ones. But who has the clean ones?
# **Noise2Noise** (Lehtinen et al., 2018) needs none: the network sees one noisy version of a picture, and its target is
# another noisy version of the same picture. It cannot know the second noise, so the best that it can predict is the
# mean of what it could be, and this is the clean picture.
#
# You do this twice: once with `torch.nn`, once with a framework of your own.
#
# | file | what it is |
# | --- | --- |
# | `Miniproject_1/model.py` | the first network, by `torch.nn`; one convolution is there |
# | `Miniproject_2/model.py` | the second network, by your own modules; only a blur is there |
# | `train.py` | trains both and writes `bestmodel.pth` into each folder |
# | `test.py` | what the grader runs: `python test.py`, without arguments |
# | `dlc_noise.py` | loads the pictures, and makes them when they are first used |
# | `report_1.pdf`, `report_2.pdf` | yours to add to the two folders: 2 to 3 pages each |

# %% [markdown]
# ## The data
#
# All tensors are N x 3 x 32 x 32, of type uint8, from 0 to 255. `load_train()` gives 2000 pairs of noisy pictures,
# `load_val()` 200 noisy pictures with the clean ones, to measure with and not to learn from. The noise is Gaussian, with
# a standard deviation of 30.

# %%
import dlc_noise
import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt

noisy_1, noisy_2 = dlc_noise.load_train()
val_input, val_clean = dlc_noise.load_val()
noisy_1.shape, noisy_2.dtype, val_input.shape

# %%
figure, axes = plt.subplots(2, 5, figsize=(10, 4))
for (above, below), first, second in zip(axes.T, noisy_1, noisy_2, strict=False):
    above.imshow(first.permute(1, 2, 0))
    below.imshow(second.permute(1, 2, 0))
    above.axis("off")
    below.axis("off")
figure.suptitle("two noisy versions of each picture")
prologue.show("Five pictures, each above a second version of itself whose noise is another one.")

# %% [markdown]
# How good is a picture? With values from 0 to 1, the peak signal-to-noise ratio is
# $-10 \log_{10} \frac{1}{D} \sum_i (\hat{x}_i - x_i)^2$ decibels (dB), where $D$ is the number of values of a picture
# $x$ and $\hat{x}$ is what the network predicts. Larger is better. These are the noisy pictures as they are:

# %%
dlc_noise.compute_psnr(val_input, val_clean)

# %% [markdown]
# ## What to write
#
# A grader imports `Model` from `Miniproject_1.model` and from `Miniproject_2.model`, and calls its methods:
#
# ```python
# class Model:
#     def __init__(self): ...
#     def load_pretrained_model(self): ...                     # reads bestmodel.pth beside model.py
#     def train(self, train_input, train_target, num_epochs):  # two noisy versions, 0 to 255
#     def predict(self, x): ...                                # noisy pictures -> pictures, both from 0 to 255
# ```
#
# 1. **`Miniproject_1`**, by `torch.nn`: choose a network. What do skip connections, its depth and its loss change?
# 2. **`Miniproject_2`**, by your own modules: `Conv2d` with stride and padding, `Upsample` (or a transposed
#    convolution), `ReLU`, `Sigmoid`, `Sequential`, a mean squared error and `SGD`, each with a `forward` and a
#    `backward`. A network of two convolutions with stride 2, two upsamplings with a convolution each, and a sigmoid at
#    the end is a beginning.
#
# With 2000 pairs of drawn pictures of 19.1 dB, a small network by `torch.nn` got to 25.0 dB, one by own modules to
# 23.3 dB. How far is a simple blur from that?
#
# **Rules.** In `Miniproject_2` there is no `torch.nn`, `torch.optim` and `torch.autograd`, except `unfold` and `fold`
# of `torch.nn.functional`: with them a convolution is one product of matrices. `bestmodel.pth` has at most 20 MB, and
# `torch.load` reads it as it is (`weights_only=True`, its default): save tensors, not whole objects. The clean pictures
# decide nothing. `train` runs on the CPU in a few minutes.

# %%
import torch
from torch.nn.functional import fold, unfold

x = torch.arange(16.0).view(1, 1, 4, 4)
patches = unfold(x, kernel_size=3)  # N x (C * 3 * 3) x places: each column is what the filter sees
patches.shape, fold(patches, (4, 4), kernel_size=3)[0, 0]

# %% [markdown]
# How often is each pixel in a patch? The last tensor, divided by `x`, says it: `fold` adds up what `unfold` took apart,
# and this is what the backward pass of a convolution needs.
#
# ## Hand in
#
# A zip archive called `Proj_SCIPER1_SCIPER2_SCIPER3.zip` with the SCIPER numbers of your group, and in it `test.py`,
# `Miniproject_1/` and `Miniproject_2/` with `bestmodel.pth`, and the reports. In a terminal:
#
# ```sh
# python train.py
# course-submit .
# ```
#
# The second command copies the folder, runs `test.py` as a grader would, loads both models, measures their PSNR, trains
# each for an epoch on a few pictures, and looks for autograd in the second. The reports say what you tried and what it
# changed; pictures beside the noisy and the clean ones show what a number hides.
