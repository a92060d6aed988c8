# %% [markdown]
# # Practical 3: a multi-layer perceptron by hand
#
# You write a network with one hidden layer and train it on MNIST with nothing but tensor operations: no autograd, no
# `torch.nn`. About two hours, and some minutes for the training.
#
# Write your functions in the cells below, or in the file `practical_3.py` beside this notebook. Save (Ctrl-S), and
# check what you have as often as you like with `!course-check 3`: it compares your gradients with those of autograd,
# and says for each function `ok`, `todo`, or what is wrong.

# %%
import dlc_practical_prologue as prologue
import torch

# %% [markdown]
# ## 1. The non-linearity
#
# Write `sigma(x)`, which applies tanh to each element of a tensor and returns a new one of the same size, and
# `dsigma(x)`, the derivative of tanh at each element of `x`.
#
# *Expected:* `dsigma` is 1 at 0, 0.42 at 1, and 0 far away. It must not be `nan` there: try 100.
#
# *Useful:* `torch.tanh`, and what the derivative of tanh has to do with tanh.


# %%
def sigma(x): ...


def dsigma(x): ...


dsigma(torch.tensor([0.0, 1.0, 100.0]))

# %% [markdown]
# ## 2. The loss
#
# Write `loss(v, t)`, which returns $\|t - v\|^2$, the squared L2 norm of the difference of two vectors (one number),
# and `dloss(v, t)`, its gradient with respect to `v` (a vector).
#
# *Expected:* for (1, 3) and (0, 1) the loss is 5. The gradient points away from `t`: with a step against it `v` comes
# closer to `t`.


# %%
def loss(v, t): ...


def dloss(v, t): ...


loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))

# %% [markdown]
# ## 3. Forward and backward
#
# The network gets one sample $x_0$, a vector, and computes
#
# $$ s_1 = w_1 x_0 + b_1, \quad x_1 = \sigma(s_1), \quad s_2 = w_2 x_1 + b_2, \quad x_2 = \sigma(s_2) . $$
#
# Write `forward_pass(w1, b1, w2, b2, x)`, which returns the tuple `(x0, s1, x1, s2, x2)`, and
#
# `backward_pass(w1, b1, w2, b2, t, x, s1, x1, s2, x2, dl_dw1, dl_db1, dl_dw2, dl_db2)`
#
# for a sample `x` and its target `t`. It **adds** the gradient of the loss of this sample to the last four tensors,
# in place, so that after all samples these hold the gradients of the whole loss. They have the sizes of `w1`, `b1`,
# `w2`, `b2`. It returns nothing.
#
# Go backwards from $x_2$: first the gradient with respect to $x_2$, then $s_2$, $x_1$, $s_1$. From those with respect
# to $s_1$ and $s_2$ you have what the weights and biases get.
#
# *Useful:* `mv` or `@`, `t()`, `outer` (or `view` to a column and to a row), `add_` or `+=`.


# %%
def forward_pass(w1, b1, w2, b2, x): ...


def backward_pass(w1, b1, w2, b2, t, x, s1, x1, s2, x2, dl_dw1, dl_db1, dl_dw2, dl_db2): ...


# %%
# !course-check 3

# %% [markdown]
# ## 4. Training
#
# Train a network with 784 inputs, 50 hidden units and 10 outputs on MNIST. That is 39 760 parameters.
#
# 1. Load the data with one-hot targets and normalized images (next cell), and multiply the **targets** by $\zeta = 0.9$:
#    tanh never reaches 1.
# 2. Draw the weights and biases from a Gaussian of mean 0 and standard deviation $\epsilon = 10^{-6}$.
# 3. Make 1000 steps. In each, set the four gradients to zero, call your two functions for each training sample, and
#    subtract from each parameter its gradient times $\eta = 0.1 / n$, with $n$ training samples.
# 4. At each step print the loss summed over the training samples, and the errors in percent on the training and on the
#    test samples. A sample is wrong when its largest output is not that of its class.
#
# Begin with 10 steps and look at what is printed: the loss of the first step is $0.81\,n$, as all outputs are nearly
# 0, and it has to fall at once. A step takes half a second or less.
#
# *Useful:* `torch.empty(50, 784).normal_(0, epsilon)`, `torch.zeros_like`, `argmax`.
#
# *Expected* after 1000 steps, which take some minutes: on the real MNIST less than 5 % train error and 14 to 17.5 %
# test error, on the stand-in 2 to 4 % and 19 to 23 %.

# %%
train_input, train_target, test_input, test_target = prologue.load_data(one_hot_labels=True, normalize=True)

nb_train, nb_steps = train_input.size(0), 10

for step in range(nb_steps):
    print(step)
