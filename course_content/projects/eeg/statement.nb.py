# %% [markdown]
# # Mini-project: which hand?
#
# Half a second before a finger presses a key, the potential over the motor cortex begins to fall, a little more on the
# side opposite to the hand. You predict from the EEG, 130 ms before the key is down, which hand it will be.
#
# | file | what it is |
# | --- | --- |
# | `dlc_bci.py` | loads the recordings, or makes some up |
# | `models.py` | your networks; a logistic regression is there |
# | `test.py` | what the grader runs: `python test.py`, without arguments |
# | `report.pdf` | yours to add: 2 to 3 pages |

# %% [markdown]
# ## The data
#
# Data set IV of the BCI Competition II: one subject, 28 electrodes, 316 trials to train and 100 to test. Each trial is
# 28 x 50 (100 Hz) or, with `one_khz=True`, 28 x 500. Targets are 0 for the left hand and 1 for the right one.
#
# The recordings belong to the competition and are not part of this environment: get data set IV in ASCII format, and
# the labels of its test set, from the competition's page (`dlc_bci.PAGE`), and put the files into a folder `data`
# here, or into `bci` in the folder of the course's data. Until then `load` makes some up, a stand-in, and says so.
# They say nothing about brains.

# %%
import dlc_bci
import dlc_practical_prologue as prologue

train_input, train_target = dlc_bci.load("data")
test_input, test_target = dlc_bci.load("data", train=False)
train_input.shape, train_target.shape, test_input.shape

# %% [markdown]
# The mean over trials at the electrodes C3 (left) and C4 (right), for each hand. One trial does not look like this: plot
# some of them as well.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(8, 2.5), sharey=True)
for axis, name in zip(axes, ("C3", "C4"), strict=True):
    for label, hand in enumerate(("left hand", "right hand")):
        mean = train_input[train_target == label, dlc_bci.CHANNELS.index(name)].mean(0)
        axis.plot(range(-630, -130, 10), mean, label=hand)
    axis.set_title(name)
    axis.set_xlabel("ms before the key")
axes[0].set_ylabel("microvolt")
axes[0].legend()
prologue.show(
    "The mean potential at C3 and at C4 over half a second, for each hand: it falls, and it falls more"
    " at the electrode on the side opposite to the hand."
)

# %% [markdown]
# ## What to do
#
# Test errors in percent: published ones of single networks on the real recordings, and means of the same kinds of
# networks on five stand-ins (ten rounds each), with the standard deviations over the five. `load` says when you have
# the stand-in.
#
# | recordings | logistic regression | convolutional network | the same with dropout |
# | --- | --- | --- | --- |
# | real | 24.3 | 23.8 | 20.6 |
# | stand-in | 35.7 +- 4.1 | 23.0 +- 4.7 | 16.3 +- 2.3 |
#
# 1. Start from the logistic regression in `models.py`. A published multi-layer perceptron had 31.2 % test error on the
#    real recordings, more than the logistic regression. Why?
# 2. Build a small convolutional network along time (`nn.Conv1d`; the electrodes are its channels). Where does it
#    overfit, and what helps: fewer parameters, dropout, weight decay, batch normalization, noise added to the input?
#    Compare with the table.
# 3. 316 trials are few, and 100 to test are fewer: with 100 trials, an error of 20 % has a standard error of 4 %. Choose
#    everything by cross-validation on the training trials, look at the test trials at the end, and give means and
#    standard deviations over several seeds.
#
# ## Hand in
#
# A zip archive called `Proj_SCIPER1_SCIPER2_SCIPER3.zip` with the SCIPER numbers of your group, and in it `Proj1/` and
# `Proj2/`, each with its own `test.py` and report. `test.py` runs without arguments, in this environment as it is, and
# prints what the report says. Ask before the grader does, in a terminal:
#
# ```sh
# course-submit .
# ```
