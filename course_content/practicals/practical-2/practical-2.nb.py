# %% [markdown]
# # Practical 2: nearest neighbour and PCA
#
# You classify images by the training sample that is closest, then ask how many dimensions that really needs: you
# project the images on random directions, and on those of principal component analysis. About an hour and a half.
#
# Write your functions in the cells below, or in the file `practical_2.py` beside this notebook. Save (Ctrl-S), and
# check what you have as often as you like with `!course-check 2`: it needs no data, and says for each function `ok`,
# `todo`, or what is wrong.

# %%
import dlc_practical_prologue as prologue
import torch

# %% [markdown]
# `load_data` of the prologue gives small sets: the first 1000 images of MNIST to train with and 1000 others to test
# with, an image a row of 784 numbers from 0 to 255. It also prints whether these are the real MNIST, or the stand-in
# that this machine brings along.

# %%
train_input, train_target, test_input, test_target = prologue.load_data()

for name, tensor in (("train_input", train_input), ("train_target", train_target)):
    print(name, tensor.shape, tensor.dtype)

# %% [markdown]
# ## 1. The nearest neighbour
#
# Write `nearest_classification(train_input, train_target, x)`. It gets training samples (n x d), their classes (n)
# and one vector `x` (d), and returns the class of the training sample that is closest to `x` in L2 norm. **No loop.**
#
# For example, with the samples (0, 0), (4, 0) and (0, 9) of classes 5, 3 and 8, the class of (3, 1) is 3.
#
# *Useful:* broadcasting, `pow`, `sum(1)`, `argmin`. The square root changes nothing here: leave it out.


# %%
def nearest_classification(train_input, train_target, x): ...


nearest_classification(train_input, train_target, test_input[0]), test_target[0]

# %% [markdown]
# ## 2. How many are wrong
#
# Write `compute_nb_errors(train_input, train_target, test_input, test_target, mean, proj)`. It returns for how many
# of the test samples (m x d) `nearest_classification` is wrong, an integer.
#
# - If `mean` (d) is not `None`, it is subtracted from all the samples first, training and test.
# - If `proj` (c x d) is not `None`, all the samples are then multiplied by it, which leaves them c dimensions.
#
# A loop over the test samples is fine here. Do not change the tensors you are given: the caller goes on with them,
# and `train_input -= mean` would change them.
#
# *Useful:* `x is not None`, `@`, `t()`.
#
# *Expected:* `compute_nb_errors(train_input, train_target, test_input, test_target)` takes some seconds and gives 172
# on the real MNIST, 163 on the stand-in.


# %%
def compute_nb_errors(train_input, train_target, test_input, test_target, mean=None, proj=None): ...


compute_nb_errors(train_input, train_target, test_input, test_target)

# %% [markdown]
# ## 3. PCA
#
# Write `PCA(x)`. It gets samples (n x d) and returns two tensors: their mean (d), and a basis (d x d) whose **rows**
# are the eigenvectors of the covariance of `x`, by **decreasing** eigenvalue. **No loop.** Leave `x` as it is.
#
# The covariance of samples that were centred, with one sample a row of $X$, is proportional to $X^\top X$.
#
# *Useful:* `mean(0)`, `torch.linalg.eigh` (read in which order it gives the eigenvalues, and where the vectors are),
# `flip`, `t()`. The sign of an eigenvector is free.
#
# *Expected:* for the 784 dimensions of MNIST less than a few seconds. The product of the basis and its transpose is
# the identity.


# %%
def PCA(x): ...


PCA(train_input)

# %% [markdown]
# ## 4. Compare
#
# For MNIST and then for CIFAR10 (`prologue.load_data(cifar=True)`), compute the number of errors
#
# - with the images as they are,
# - in a random subspace of 100 dimensions: `proj` is a Gaussian matrix, `torch.randn(100, d)`, and there is no mean,
# - with the mean and the first 100, 50, 10 and 3 vectors of `PCA(train_input)`.
#
# What does PCA with 50 dimensions do to the errors, and what to the time? How does the random subspace compare with
# PCA of the same size? The eigenvectors of CIFAR10, with 3072 dimensions, take half a minute or more.
#
# *Expected,* errors out of 1000 (the random subspace varies by some 20):
#
# | | raw | random 100 | PCA 100 | PCA 50 | PCA 10 | PCA 3 |
# | --- | --- | --- | --- | --- | --- | --- |
# | MNIST | 172 | about 200 | 164 | 155 | 214 | 597 |
# | CIFAR10 | 746 | about 760 | 745 | 737 | 763 | 839 |
# | MNIST, stand-in | 163 | about 210 | 150 | 154 | 235 | 589 |
# | CIFAR10, stand-in | 802 | about 820 | 800 | 789 | 849 | 896 |

# %%
for cifar in (False, True):
    train_input, train_target, test_input, test_target = prologue.load_data(cifar=cifar)

# %% [markdown]
# ## Is it right?

# %%
# !course-check 2
