# %% [markdown]
# # Mini-project: a framework of your own
#
# You write the core of a deep learning framework: modules that compute their output and, by the chain rule, their
# derivatives. What `torch.nn` and autograd do for you elsewhere, you do here with tensors.
#
# **Not allowed:** `torch.nn`, `torch.optim`, `torch.autograd` (so no `requires_grad`, no `backward()` of a tensor), or
# another library. Start your programs with `torch.set_grad_enabled(False)`: then nothing of it can help by accident.
#
# | file | what it is |
# | --- | --- |
# | `framework.py` | the classes, empty: yours to write; you may split it into several files |
# | `test.py` | what the grader runs: `python test.py`, without arguments |
# | `report.pdf` | yours to add: 2 to 3 pages |

# %% [markdown]
# ## The data
#
# Points drawn uniformly in the square $[0, 1]^2$, with label 1 inside the disc of radius $1/\sqrt{2\pi}$ around
# $(0.5, 0.5)$ and label 0 outside: 1000 to train, 1000 to test. The radius is chosen so that the disc is half of the
# square. Here are the first points of such a set, without the labels:

# %%
import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch

points = torch.rand(1000, 2)
figure, axes = plt.subplots(figsize=(4, 4))
axes.scatter(points[:, 0], points[:, 1], s=4)
axes.add_patch(plt.Circle((0.5, 0.5), (2 * torch.pi) ** -0.5, fill=False, color="red"))
axes.set_aspect("equal")
prologue.show("A thousand points all over a square, and in its middle a circle that holds half of them.")

# %% [markdown]
# ## What to write
#
# Every part of a network is a `Module`:
#
# ```python
# class Module:
#     def forward(self, *input): ...            # the output; keeps what backward will need
#     def backward(self, *gradwrtoutput): ...   # derivative w.r.t. the output -> derivative w.r.t. the input
#     def param(self): ...                      # list of pairs (parameter, gradient), empty without parameters
# ```
#
# `backward` also computes the derivatives with respect to the module's parameters and **adds** them to the gradients
# that `param()` shows; say in your report where they are set back to zero.
#
# 1. `Linear(nb_inputs, nb_outputs)`, for batches of size N x inputs. How are its weights drawn, and why?
# 2. `ReLU()` and `Tanh()`.
# 3. `Sequential(...)`: modules one after the other. Its parameters are those of all of them.
# 4. `LossMSE()`: `forward(output, target)` and `backward()`.
# 5. `SGD(parameters, lr)` with a `step()`.
#
# Then `test.py`, in this order: the data; a network with two inputs, **three hidden layers of 25 units** and two
# outputs, built from your modules; training with `LossMSE` on mini-batches; the loss printed as it falls; and the
# final error on both sets. Some 250 epochs take a few seconds, and about 1 to 4 % test error is what to expect.
#
# ## Is it right?
#
# A derivative that is wrong often still learns something, so check it before you train. For a function $f$ of one
# number, $f'(x) \approx \frac{f(x + h) - f(x - h)}{2h}$; do the same for one weight of your network at a time, in
# `torch.float64` with $h = 10^{-5}$, and compare. Does it hold for a batch of one, and of ten?

# %%
x, h = torch.tensor(0.7, dtype=torch.float64), 1e-5
(torch.tanh(x + h) - torch.tanh(x - h)) / (2 * h), 1 - torch.tanh(x) ** 2

# %% [markdown]
# ## Hand in
#
# A zip archive called `Proj_SCIPER1_SCIPER2_SCIPER3.zip` with the SCIPER numbers of your group, and in it `Proj1/` and
# `Proj2/`, each with its own `test.py` and report. The code must run in this environment as it is, with no other
# package. Ask before the grader does, in a terminal:
#
# ```sh
# course-submit .
# ```
#
# It copies the folder, runs `test.py` without network, finds forbidden imports, and compares the derivatives of your
# classes with differences of their outputs. The names above are suggestions: it finds the classes by what they do. The
# report says what you built, why, and what you measured; a figure of the points that your network gets wrong says more
# than a table.
