# %% [markdown]
# # Mini-project: which digit is larger?
#
# Two digits, one question: is the first one **not larger** than the second? A network that only ever hears yes or no has
# to find out by itself what a digit is. How much does it help to tell it that both pictures are of the same kind
# (*weight sharing*), and what they show (*auxiliary losses*)?
#
# | file | what it is |
# | --- | --- |
# | `models.py` | your networks; a small baseline is there |
# | `training.py` | training and errors; works for the baseline |
# | `test.py` | what the grader runs: `python test.py`, without arguments |
# | `test_submission.py` | what the grader would look at first: `python -m pytest test_submission.py` |
# | `report.pdf` | yours to add: 2 to 3 pages |

# %% [markdown]
# ## The data
#
# `generate_pair_sets(N)` draws pairs from MNIST, each digit averaged down to 14 x 14 pixels, and gives six tensors:
#
# | tensor | size | type | content |
# | --- | --- | --- | --- |
# | `train_input` | N x 2 x 14 x 14 | float32 | two pictures |
# | `train_target` | N | int64 | 1 where the first digit is not larger than the second, else 0 |
# | `train_classes` | N x 2 | int64 | the two digits, from 0 to 9 |
#
# and the same three for testing, from other digits. Use N = 1000.

# %%
import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt

train_input, train_target, train_classes, test_input, test_target, test_classes = prologue.generate_pair_sets(1000)
train_input.shape, train_target.shape, train_classes.shape

# %% [markdown]
# The first pairs, with their classes and the target. What part of the targets is 1, and why is it more than half?

# %%
figure, axes = plt.subplots(1, 5, figsize=(10, 1.6))
for axis, pair, target, classes in zip(axes, train_input, train_target, train_classes, strict=False):
    axis.imshow(pair.permute(1, 0, 2).flatten(1), cmap="gray")
    axis.set_title(f"{classes.tolist()}: {target}")
    axis.axis("off")
prologue.show("The first five pairs of digits, each with its two classes and its target above.")
train_target.float().mean()

# %% [markdown]
# ## What to do
#
# 1. Build networks that use **weight sharing**: both digits go through the same layers before they are compared.
# 2. Train with **auxiliary losses**: the network also predicts the two classes, and is told when it is wrong.
# 3. Compare: neither, one, the other, both. Keep the number of parameters about the same, otherwise you compare sizes.
# 4. One number proves nothing: for each network **10 rounds or more**, each with new data and a new network, and the mean
#    and the standard deviation of the test error.
#
# Test errors of two comparisons, in percent, means and standard deviations over 32 and 10 rounds. The networks of the
# first are published, those of the second have some 70 000 parameters and were trained for 25 epochs:
#
# | data | neither | weight sharing | auxiliary losses | both |
# | --- | --- | --- | --- | --- |
# | MNIST, real, published | 16.7 +- 1.7 | 12.7 +- 1.6 | 6.6 +- 0.8 | 5.0 +- 0.9 |
# | MNIST, stand-in | 22.0 +- 1.3 | 19.2 +- 1.8 | 9.9 +- 1.4 | 7.7 +- 1.1 |
#
# The first cell above prints which data you have. A training takes a few seconds on one core. The whole of
# `test.py` should be done within a few minutes: print as you go.
#
# **Rules.** Only the training set may decide about weights, learning rates and when to stop; how do you choose a
# learning rate, then? Seeds are set, so that a second run shows the same. Nothing else than this environment is needed.
#
# ## Hand in
#
# A zip archive called `Proj_SCIPER1_SCIPER2_SCIPER3.zip` with the SCIPER numbers of your group, and in it `Proj1/` and
# `Proj2/`, each with its own `test.py` and report. Ask before the grader does, in a terminal:
#
# ```sh
# python -m pytest test_submission.py
# course-submit .
# ```
#
# The second command copies the folder and runs `test.py` as a grader would: no network, nothing that you installed
# yourself. The report says what you compared, shows the numbers with their spread, and what you conclude from them.
